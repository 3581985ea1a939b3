"""What this machine can compute natively, for tests on the real small model."""

import functools

import pytest


@functools.cache
def why_no_bfloat16():
    """Why this CPU should not compute in bfloat16, None where it does so natively."""
    from perfsuite.device import fingerprint
    from perfsuite.pipelines.optimizations.precision import BF16

    return BF16.supports(fingerprint("cpu"))


def here(variant):
    """The name of a variant, in float32 where bfloat16 is emulated and its precision is not the point."""
    return variant if why_no_bfloat16() is None else variant.replace("bf16", "fp32")


def needs_bfloat16():
    """Skip the test where bfloat16 is emulated: it is the point, and would take minutes."""
    reason = why_no_bfloat16()
    if reason is not None:
        pytest.skip(reason)
