"""Pictures of the small model: colour, background and place are read off the pixels, right or wrong."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from perfsuite.decision.noninferiority import LEAST_RIGHT, paired
from perfsuite.pipelines.models.shapes import check
from perfsuite.quality.task.reader import NAME, SEED, names, settled_by
from perfsuite.records import Look, PictureStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from perfsuite.pipelines.models.shapes.drawing import Scene
    from perfsuite.pipelines.technique import Variant


@cache
def _scenes(count: int) -> tuple[Scene, ...]:
    return tuple(check.held_out(count, SEED))


def of_shapes(count: int) -> tuple[str, ...]:
    """Captions of scenes that no training saw."""
    return tuple(scene.caption for scene in _scenes(count))


class ShapesReader:
    """Right where colour, background and place are those of the caption; decided by paired shares."""

    _count = 0

    def captions(self, count: int) -> tuple[str, ...]:
        """Of scenes that no training saw."""
        self._count = count
        return of_shapes(count)

    def read(self, picture: np.ndarray, number: int) -> bool:
        """Whether all three are right."""
        return check.read(picture).agrees(_scenes(self._count)[number])

    def judge(self, variant: Variant, without: Sequence[bool], with_it: Sequence[bool]) -> Look:
        """By the share of captions that are right without and wrong with it, less the contrary."""
        found, margin = paired(without, with_it), margin_of(variant)
        if found.right_without < LEAST_RIGHT * found.count:
            said = f"without {names(variant)} {found.right_without} of {found.count} captions are right"
            return Look(NAME, PictureStatus.NOT_JUDGED, detail=f"{said}: too few to see a loss")
        low, high = found.interval
        status, more = PictureStatus.INCONCLUSIVE, f"; {settled_by(found.most_needed(margin), found.count)}"
        if high <= margin:
            status, more = PictureStatus.OK, ""
        elif low > margin:
            status, more = PictureStatus.DEGRADED, ""
        detail = (
            f"{found.right_with} of {found.count} captions right, {found.right_without} without "
            f"{names(variant)}: lost {found.lost}, gained {found.gained}, a loss of "
            f"{low:+.1%} to {high:+.1%}, allowed {margin:.0%}; McNemar p {found.mcnemar:.2g}"
        )
        return Look(NAME, status, found.count, beyond=found.lost, detail=detail + more)


def margin_of(variant: Variant) -> float:
    """The share of captions that a variant may lose: the largest that any of its techniques declares."""
    return max(o.task_margin for o in variant.lossy)
