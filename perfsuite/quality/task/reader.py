"""What reads pictures of captions, and judges pairs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from perfsuite.quality.relative_errors import QualityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Look

NAME = "task"
SEED = 1
"""By which captions are drawn from those that no training saw."""


class JudgeError(QualityError):
    """There is no CLIP model where one was named; the message says what is wrong and the remedy."""


Mark = TypeVar("Mark")


class Reader(Protocol[Mark]):
    """Gives each picture a mark, and judges a technique by the marks with and without it."""

    def captions(self, count: int) -> tuple[str, ...]:
        """So many, the same each time."""
        ...

    def read(self, picture: np.ndarray, number: int) -> Mark:
        """The mark of the picture, uint8 (height, width, 3), of the caption of that number."""
        ...

    def judge(self, variant: Variant, without: Sequence[Mark], with_it: Sequence[Mark]) -> Look:
        """OK where at most the margin is lost, DEGRADED where more is, INCONCLUSIVE between them, and
        NOT_JUDGED where without the techniques nothing can be lost either."""
        ...


def names(variant: Variant) -> str:
    """What of it is not exact."""
    return " and ".join(o.name for o in variant.lossy)


def settled_by(needed: int | None, count: int) -> str:
    """How many captions an inconclusive verdict would take."""
    if needed is None:
        return "the loss is at the margin, which no number of captions tells apart"
    return f"about {max(needed, count + 1)} captions would settle it: --perf-captions"
