"""No rung's pictures become less like float32 than its noise floor allows."""


def test_ssim(pipeline, picture_gate):
    """Each prompt's picture is no less similar to float32 of this run than its threshold."""
    check = picture_gate(pipeline)
    assert check, check.message


def test_golden(workload, golden_gate):
    """Float32 itself still draws the pictures that are stored."""
    check = golden_gate(workload)
    assert check, check.message
