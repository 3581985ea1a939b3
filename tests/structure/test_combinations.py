"""Combinations of techniques beside the ladder, built and compiled once: every proof holds, and they draw.

Whole graphs with int8 are the ladder's own; here transformer blocks alone are compiled, a fifth of the time.
"""

import pytest
from machine import here

from perfsuite.pipelines import prepare, release

SIZE = "shapes@64x64+2steps"


@pytest.mark.selftest
@pytest.mark.parametrize(
    ("combination", "proofs"),
    [
        (
            "bf16+sdpa+compile-regional+qkv+int8",
            ["int8: .* hold int8 weights", "compile-regional: .* blocks that all ran, no graph break"],
        ),
        (
            "bf16+sdpa+compile-regional+qkv+int8-weights",
            ["int8-weights: .* take plain activations", "compile-regional: .* blocks that all ran"],
        ),
    ],
)
def test_quantized_and_compiled(combination, proofs):
    """One graph without a break, and nearly the picture of the same code before it is compiled."""
    import re

    from perfsuite.quality import ssim

    combination = here(combination)
    eager = "+".join(word for word in combination.split("+") if not word.startswith("compile"))
    drawn = {}
    for variant in (combination, eager):
        prepared = prepare(SIZE, variant, "cpu")
        try:
            drawn[variant] = prepared.generate()
            if variant == combination:
                evidence = "\n".join(prepared.evidence)
                assert all(re.search(proof, evidence) for proof in proofs), evidence
                assert prepared.context.variant.compiled
                assert prepared.context.first_call_s > 0
        finally:
            release(prepared.pipe)
    assert ssim(drawn[combination], drawn[eager]) > 0.98
