"""Which variants take a compiler's mistakes, and which builds are honest."""

import pytest

from perfsuite.quality.compiled_trials import VARIANTS, get_variant, honest_cases


def test_a_variant_that_is_not_compiled_is_refused():
    """With the remedy."""
    with pytest.raises(ValueError, match="bf16-sdpa: nothing of it is compiled; name a variant with compile"):
        get_variant("bf16-sdpa")


def test_honest_builds_are_twenty():
    """Of the two variants that are tried without being named, each under a name of its own."""
    names = [(v, case.name) for v in VARIANTS for case in honest_cases(v)]
    assert len(set(names)) == len(names) >= 20


def test_another_size_is_another_workload():
    """With its own name, so that its float32 reference is its own too."""
    from perfsuite.pipelines import workloads

    shapes = workloads.get("shapes")
    drawn = {case.workload(shapes) for case in honest_cases(VARIANTS[0])}
    assert {(w.width, w.height) for w in drawn} == {(shapes.width, shapes.height), (192, 128)}
    assert len(drawn) == 5
