"""Which nights began something new: the history of a series goes in, nominations come out.

History alone cannot be both sure and complete, so it only nominates; an A/B of the two environments decides.
"""

from perfsuite.decision.changes.exact import exact_changes
from perfsuite.decision.changes.nominating import changes, nominate
from perfsuite.decision.changes.segments import Segmentation, segment
from perfsuite.decision.changes.settings import (
    NOMINATOR,
    RETROSPECTIVE,
    RULE,
    Settings,
    prior_of,
)
from perfsuite.decision.parameters import Prior

__all__ = [
    "NOMINATOR",
    "RETROSPECTIVE",
    "RULE",
    "Prior",
    "Segmentation",
    "Settings",
    "changes",
    "exact_changes",
    "nominate",
    "prior_of",
    "segment",
]
