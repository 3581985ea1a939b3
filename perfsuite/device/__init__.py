"""The machine: which device it is, in what state, and what global settings a variant may leave."""

from perfsuite.device.fingerprint import NoDeviceError, fingerprint, versions
from perfsuite.device.state import Snapshot, settings_apart
from perfsuite.device.telemetry import Conditions

__all__ = ["Conditions", "NoDeviceError", "Snapshot", "fingerprint", "settings_apart", "versions"]
