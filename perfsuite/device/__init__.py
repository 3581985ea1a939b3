"""The machine: which device it is, in what state, and what global settings a variant may leave."""

from perfsuite.device.fingerprint import NoDeviceError, fingerprint, further, git_hashes, versions
from perfsuite.device.state import (
    Snapshot,
    Tf32,
    flash_attention,
    put_flash_attention,
    settings_apart,
)
from perfsuite.device.telemetry import Conditions

__all__ = [
    "Conditions",
    "NoDeviceError",
    "Snapshot",
    "Tf32",
    "fingerprint",
    "flash_attention",
    "further",
    "git_hashes",
    "put_flash_attention",
    "settings_apart",
    "versions",
]
