"""Is it a regression, or noise? Latencies go in, a `perfsuite.records.Verdict` comes out.

numpy and scipy are imported inside the functions, so that collecting tests does not pay for them.
"""

from perfsuite.decision import sequential
from perfsuite.decision.ladder import shape
from perfsuite.decision.parameters import TOLERANCE, DecisionSettings, prior_for
from perfsuite.decision.sequential import wants_more
from perfsuite.decision.several import (
    CONFIRM_SESSIONS,
    Spending,
    confirm,
    control_moved,
    holm,
    is_suspect,
)
from perfsuite.decision.verdicts import compare, incompatible, new, unjudged

__all__ = [
    "CONFIRM_SESSIONS",
    "TOLERANCE",
    "DecisionSettings",
    "Spending",
    "compare",
    "confirm",
    "control_moved",
    "holm",
    "incompatible",
    "is_suspect",
    "new",
    "prior_for",
    "sequential",
    "shape",
    "unjudged",
    "wants_more",
]
