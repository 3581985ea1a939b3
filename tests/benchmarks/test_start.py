"""A rung is there as soon as its baseline: imported, built, compiled, and called for the first time."""


def test_start(pipeline, start_gate):
    """Each part of the start of the session that was timed, compiling by the source of its code."""
    check = start_gate(pipeline)
    assert check, check.message
