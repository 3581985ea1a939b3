"""A tokenizer that counts words."""

from types import SimpleNamespace
from typing import Any


def words(most: int) -> Any:
    """A tokenizer that makes a token of each word, and two more."""

    class Tokenizer:
        model_max_length = most

        def __call__(self, text: str) -> Any:
            return SimpleNamespace(input_ids=[0, *(1 for _ in text.split()), 0])

    return Tokenizer()
