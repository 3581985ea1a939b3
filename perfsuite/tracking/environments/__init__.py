"""Interpreters with exact versions of the packages under test, from wheels that are kept."""

from perfsuite.tracking.environments.building import Builder, Built
from perfsuite.tracking.environments.errors import EnvironmentsError, GoneError, UnavailableError
from perfsuite.tracking.environments.index import Index
from perfsuite.tracking.environments.installed import UNDER_TEST, Installed, installed
from perfsuite.tracking.environments.wheels import Wheel, WheelCache, canonical

__all__ = [
    "UNDER_TEST",
    "Builder",
    "Built",
    "EnvironmentsError",
    "GoneError",
    "Index",
    "Installed",
    "UnavailableError",
    "Wheel",
    "WheelCache",
    "canonical",
    "installed",
]
