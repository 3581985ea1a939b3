"""How a session is measured: warm-up, rounds, stages, limits, pieces. The clock itself is the device's."""

from perfsuite.measuring.session import Plan, measure

__all__ = ["Plan", "measure"]
