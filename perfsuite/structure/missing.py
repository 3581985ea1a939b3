"""A torch that cannot count something: that count is left out, with the reason; the rest is compared."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class NoCounterError(RuntimeError):
    """This torch has no counter for something; the message says for what."""


@contextlib.contextmanager
def needed(what: str) -> Iterator[None]:
    """Turn the absence of what the block imports or looks up, and nothing else, into `NoCounterError`."""
    try:
        yield
    except (ImportError, AttributeError) as error:
        raise NoCounterError(f"this torch has no counter of {what}: {error}") from error
