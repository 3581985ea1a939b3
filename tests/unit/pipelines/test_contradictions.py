"""Each pair that excludes each other is told why, and what to write instead."""

import pytest

from perfsuite.pipelines import variants
from perfsuite.pipelines.contradictions import reason
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.pipelines.promises import ContradictionError

PAIRS = sorted({
    tuple(sorted((name, other)))
    for name, optimization in OPTIMIZATIONS.items()
    for other in optimization.conflicts
    # Precisions are named exactly once, which is said otherwise, and no-sdpa is nobody's word.
    if optimization.phase and OPTIMIZATIONS[other].phase and "no-sdpa" not in (name, other)
})  # fmt: skip


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_reason_is_told(one: str, other: str) -> None:
    assert reason(one, other)
    assert reason(one, other) == reason(other, one)


@pytest.mark.parametrize("precision", ["tf32"])
def test_a_precision_may_exclude_a_technique(precision: str) -> None:
    with pytest.raises(ContradictionError, match=r"tf32.* exclude each other: it casts to .*take fp32"):
        variants.get(f"{precision}+sdpa+layerwise-fp8")


def test_what_to_write_instead_can_be_written() -> None:
    with pytest.raises(ContradictionError) as caught:
        variants.get("bf16+sdpa+deepcache:3+lcm:4")
    said = str(caught.value)
    assert "DeepCache takes features over from step to step" in said
    one, other = said.rpartition("; write ")[2].split(" or ")
    assert {variants.get(one).name, variants.get(other).name} == {"bf16-sdpa-lcm:4", "bf16-sdpa-deepcache:3"}
