"""Captions of everyday scenes, put together from parts: the same for everybody, and in no training set."""

from __future__ import annotations

import numpy as np

from perfsuite.quality.task.reader import SEED

SUBJECTS = (
    "a red fox", "an old fisherman", "two children with umbrellas", "a white horse", "a steam train",
    "a bowl of oranges", "a blue bicycle", "a lighthouse", "a black cat", "a woman in a yellow raincoat",
    "a wooden rowing boat", "a hot air balloon", "a brown bear", "a grand piano", "a green tractor",
    "a stack of books", "a golden retriever", "a glass of lemonade", "a stone bridge", "a robot",
    "a bunch of tulips", "a sailing ship", "a snowman", "an owl", "a violin player", "a red telephone box",
    "a turtle", "a cup of coffee", "a windmill", "an elephant", "a vintage car", "a chess board",
)  # fmt: skip
PLACES = (
    "on a frozen lake", "in a busy market", "in front of a brick wall", "in a field of lavender",
    "on a sandy beach", "in a small kitchen", "at the edge of a forest", "under a street lamp",
    "on top of a hill", "in an empty library", "beside a river", "in a desert", "on a wooden table",
    "in a rose garden", "in the rain", "below high mountains", "in a railway station", "on a rooftop",
)  # fmt: skip
STYLES = (
    "a photograph of {}", "an oil painting of {}", "a pencil drawing of {}", "a watercolour of {}",
    "{}, at sunset", "{}, in the morning mist", "a close view of {}", "{}, seen from far away",
)  # fmt: skip
COUNT = len(SUBJECTS) * len(PLACES) * len(STYLES)


def everyday(count: int) -> tuple[str, ...]:
    """So many different ones; a larger count begins with a smaller one's.

    Raises:
        ValueError: there are not so many.
    """
    if count > COUNT:
        raise ValueError(f"there are {COUNT} captions, and {count} were asked for")
    chosen = np.random.default_rng(SEED).permutation(COUNT)[:count]
    parts = zip(*np.unravel_index(chosen, (len(SUBJECTS), len(PLACES), len(STYLES))), strict=True)
    return tuple(
        STYLES[style].format(f"{SUBJECTS[subject]} {PLACES[place]}") for subject, place, style in parts
    )
