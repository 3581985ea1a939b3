"""What came, what went, and the verdict."""

from dataclasses import replace

import pytest
from counted import compiled, make_counts

from perfsuite.records import CountChange, Status
from perfsuite.structure.comparing import MEASURES, compare

CLONES = "aten.clone in BasicTransformerBlock"
ADDS = "aten.add in ResnetBlock2D"


def test_the_same_is_ok() -> None:
    """Also where the counts of compiled code are there."""
    for counts in (make_counts(), compiled()):
        found = compare(counts, replace(counts))
        assert (found.status, found.changes, found.unjudged) == (Status.OK, (), {})
        assert "as stored" in found.detail


def test_an_operator_that_came_is_named_with_its_block() -> None:
    stored = make_counts()
    assert stored.operators is not None
    found = compare(stored, make_counts(operators={**stored.operators, CLONES: 54, ADDS: 1}))
    assert found.status is Status.REGRESSED
    assert found.changes == (CountChange("operators", CLONES, 12, 54), CountChange("operators", ADDS, 0, 1))
    assert [c.difference for c in found.changes] == [42, 1]


def test_less_work_is_an_improvement() -> None:
    stored = make_counts()
    found = compare(stored, make_counts(operators={"aten.addmm in BasicTransformerBlock": 120}))
    assert found.status is Status.IMPROVED
    assert found.changes == (CountChange("operators", CLONES, 12, 0),)


def test_another_operator_in_its_place_is_for_a_person_to_judge() -> None:
    """As many as before, but no count tells which of the two is slower."""
    stored = make_counts()
    assert stored.operators is not None
    swapped = {**stored.operators, CLONES: 2, ADDS: 10}
    found = compare(stored, make_counts(operators=swapped))
    assert found.status is Status.REGRESSED
    assert {c.name: c.difference for c in found.changes} == {CLONES: -10, ADDS: 10}


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("flop", {"unet": 1_000_000_002, "vae": 500_000_000}),
        ("weights_bytes", {"unet": 2**24 + 4, "vae": 2**20}),
        ("kernels", {"C++ kernels generated": 31, "cpp_fused_silu": 40, "extern_kernels.mm": 9}),
        ("peak_bytes", {"denoising": int(2**22 * 1.002), "VAE": 2**23}),
        ("code_bytes", {"generated source": 100_200}),
    ],
)
def test_every_kind_of_count_is_judged(measure: str, value: dict[str, int]) -> None:
    """More of any one of them is found, and nothing else is."""
    found = compare(compiled(), compiled(**{measure: value}))
    assert found.status is Status.REGRESSED
    assert {c.measure for c in found.changes} == {measure}
    lower = compare(compiled(**{measure: value}), compiled())
    assert lower.status is Status.IMPROVED


@pytest.mark.parametrize("measure", ["peak_bytes", "code_bytes"])
def test_tolerance_is_tiny_and_has_a_reason(measure: str) -> None:
    """A thousandth at the most; all else is exact."""
    name, value = next(iter(getattr(compiled(), measure).items()))
    values = {**getattr(compiled(), measure)}
    allowed = compiled(**{measure: {**values, name: value + int(value * 0.0009)}})
    assert compare(compiled(), allowed).status is Status.OK
    assert 0 < MEASURES[measure].fraction <= 0.001
    assert MEASURES[measure].why


def test_all_other_counts_are_exact() -> None:
    exact = {m for m, t in MEASURES.items() if t.fraction == 0}
    assert exact == {"operators", "flop", "weights_bytes", "kernels"}


@pytest.mark.parametrize("side", ["stored", "fresh"])
def test_what_was_not_counted_is_left_out_with_the_reason(side: str) -> None:
    """The rest is compared."""
    lacking = make_counts(flop=None, absent={"flop": "this torch has no counter of it"})
    more = make_counts(weights_bytes={"unet": 2**25, "vae": 2**20})
    stored, fresh = (
        (lacking, more)
        if side == "stored"
        else (make_counts(), replace(lacking, weights_bytes=more.weights_bytes))
    )
    found = compare(stored, fresh)
    assert "this torch has no counter of it" in found.unjudged["flop"]
    assert {c.measure for c in found.changes} == {"weights_bytes"}


@pytest.mark.parametrize(
    ("code_for", "unjudged"),
    [
        ("AVX512, 2 threads", set()),
        ("AVX512, 4 threads", {"peak_bytes", "code_bytes"}),
        ("AVX2, 4 threads", {"peak_bytes", "code_bytes"}),
        ("NEON, 2 threads", {"kernels", "peak_bytes", "code_bytes"}),
    ],
)
def test_code_for_another_cpu_is_not_compared(code_for: str, unjudged: set[str]) -> None:
    """Operators, arithmetic and weights are those of any CPU, kernels those of one family."""
    changed = {"peak_bytes": {}, "code_bytes": {}} if unjudged else {}
    if "kernels" in unjudged:
        changed["kernels"] = {}
    found = compare(compiled(), compiled(code_for=code_for, **changed))
    assert found.status is Status.OK
    assert set(found.unjudged) == unjudged
    assert all(code_for in reason for reason in found.unjudged.values())
    if "kernels" not in unjudged:
        more = compiled(code_for=code_for, kernels={"cpp_fused_silu": 41}, **changed)
        assert compare(compiled(), more).status is Status.REGRESSED


def test_compiled_code_that_is_gone_is_a_difference() -> None:
    """A variant that no longer compiles has no kernels, and nobody said that they cannot be counted."""
    found = compare(compiled(), make_counts())
    assert found.status is Status.IMPROVED
    assert {c.name for c in found.changes if c.measure == "kernels"} == {
        "C++ kernels generated", "cpp_fused_silu", "extern_kernels.mm",
    }  # fmt: skip
