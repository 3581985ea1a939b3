"""Interpreters with exact versions of the packages under test, from wheels that are kept."""

from perfsuite.environments.building import Builder, Built
from perfsuite.environments.errors import EnvironmentsError, GoneError, UnavailableError
from perfsuite.environments.index import Index
from perfsuite.environments.installed import UNDER_TEST, Installed, installed
from perfsuite.environments.wheels import Wheel, WheelCache, canonical

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
