"""A rung takes no more memory than its baseline, and none that it keeps with every call."""


def test_memory(pipeline, memory_gate):
    """Peak and growth of the session that was timed."""
    check = memory_gate(pipeline)
    assert check, check.message
