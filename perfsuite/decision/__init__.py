"""Is it a regression, or noise? Latencies go in, a `perfsuite.records.Verdict` comes out.

numpy and scipy are imported inside the functions, so that collecting tests does not pay for them.
"""

from perfsuite.decision.ladder import shape
from perfsuite.decision.settings import DecisionSettings, prior_for
from perfsuite.decision.verdicts import compare, incompatible, new

__all__ = ["DecisionSettings", "compare", "incompatible", "new", "prior_for", "shape"]
