"""A contradictory variant cannot be made; a quality has one figure."""

from collections.abc import Sequence
from typing import Any

import pytest

from perfsuite.pipelines.promises import ContradictionError
from perfsuite.pipelines.technique import Optimization, Variant
from perfsuite.records import PictureScore, PictureStatus, Quality


def optimization(name: str, **values: Any) -> Optimization:
    return Optimization(name, "", lambda pipe, context: None, lambda pipe, context: "", **values)


HALF = optimization("half")
WHOLE = optimization("whole")
FUSED = optimization("fused", phase=2, requires=("attention",))
ATTENTION = optimization("attention", phase=1, conflicts=("plain",))
PLAIN = optimization("plain", phase=1)
LATE = optimization("late", phase=3)


EXCLUDED = "attention and plain exclude each other; write half.attention or half.plain"


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ([], "name exactly one precision, got none"),
        ([ATTENTION], "name exactly one precision, got none"),
        ([HALF, WHOLE], "name exactly one precision, got half and whole"),
        ([HALF, HALF], "half is named twice; name it once"),
        ([HALF, LATE, LATE], "late is named twice; name it once"),
        ([HALF, FUSED], "fused requires attention; add it: half.fused.attention"),
        (
            [HALF, ATTENTION, PLAIN],
            EXCLUDED,
        ),
        (
            [HALF, PLAIN, ATTENTION],
            EXCLUDED,
        ),
        ([HALF, LATE, ATTENTION], "attention must be applied before late"),
        ([ATTENTION, HALF], "half must be applied before attention"),
    ],
)
def test_contradiction_is_refused_with_its_reason(chosen: Sequence[Optimization], reason: str) -> None:
    """The message names the variant and the optimizations that do not go together."""
    with pytest.raises(ContradictionError, match=f"^variant 'odd': {reason}$"):
        Variant("odd", tuple(chosen))


def test_variant_knows_its_optimizations() -> None:
    """``in`` asks for the name of an optimization, and not for a part of the variant's name."""
    variant = Variant("half-fused", (HALF, ATTENTION, FUSED))
    assert "attention" in variant
    assert "half-fused" not in variant
    assert "plain" not in variant


@pytest.mark.parametrize(
    ("values", "least"),
    [((0.99, 0.97, 0.98), 0.97), ((0.99, None), None), ((None,), None), ((0.0, 0.5), 0.0), ((), None)],
)
def test_quality_is_its_worst_picture(values: tuple[float | None, ...], least: float | None) -> None:
    """The least SSIM; a picture without a score leaves the whole without one."""
    scores = tuple(PictureScore("p", PictureStatus.OK, value, None, None) for value in values)
    assert Quality(PictureStatus.OK, scores).ssim == least
