"""Simulated sessions: every one has a speed of its own, and its samples scatter about it."""

from collections.abc import Callable

import numpy as np
import pytest

Sessions = list[list[float]]
Draw = Callable[..., Sessions]


@pytest.fixture
def draw() -> Draw:
    """Return a function that draws sessions, the same ones in every run of a test."""
    random = np.random.default_rng(20240607)

    def draw(
        sessions: int,
        *,
        between: float,
        ratio: float = 1.0,
        samples: int = 4,
        within: float = 0.01,
        heavy: bool = False,
    ) -> Sessions:
        shifts = random.standard_t(3, sessions) / 3**0.5 if heavy else random.standard_normal(sessions)
        noise = within * random.standard_normal((sessions, samples))
        latencies: Sessions = (0.9 * ratio * np.exp(between * shifts[:, None] + noise)).tolist()
        return latencies

    return draw
