"""Engines that place blocks on machines; none is imported before it is asked for."""

from perfsuite.fleet.executors.interface import (
    Began,
    Event,
    Executor,
    ExecutorError,
    Finished,
    Lost,
    Order,
    Outcome,
    Refused,
)

__all__ = ["Began", "Event", "Executor", "ExecutorError", "Finished", "Lost", "Order", "Outcome", "Refused"]
