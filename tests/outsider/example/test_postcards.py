def test_latency(pipeline, latency_gate):
    """One session is judged against those in ``baselines``."""
    check = latency_gate(pipeline)
    assert check, check.message


def test_pictures(pipeline, picture_gate):
    """What it draws is compared with float32 of the same run."""
    check = picture_gate(pipeline)
    assert check, check.message


def test_structure(pipeline, structure_gate):
    """The model runs in the precision that the variant names."""
    check = structure_gate(pipeline, "dtypes")
    assert check, check.message
