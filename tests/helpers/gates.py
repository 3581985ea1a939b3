"""What a deterministic gate says of a pipeline, for tests that plant a defect."""

from perfsuite.report import messages
from perfsuite.structure.gates import GATES


def passes(gate, prepared):
    """The gate finds nothing; its facts."""
    found = GATES[gate](prepared)
    assert found.skipped is None, found
    assert found.problems == (), found
    return "\n".join(found.facts)


def finds(gate, prepared):
    """The gate finds something: its message, with the place."""
    found = GATES[gate](prepared)
    assert found.problems, found
    return messages.structure("planted", found)
