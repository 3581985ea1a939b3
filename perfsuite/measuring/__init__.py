"""How a session is measured: clock, warm-up, rounds, stages, memory."""

from perfsuite.device.clock import now
from perfsuite.measuring.session import Plan, measure

__all__ = ["Plan", "measure", "now"]
