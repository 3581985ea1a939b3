"""Words of a machine that is at fault, whatever ran on it."""

from __future__ import annotations

import re

_SIGNS = re.compile(
    "|".join(
        (
            r"No space left on device",
            r"Stale file handle",
            r"uncorrectable (ECC|NVLink) error",
            r"Xid \(PCI",
            r"GPU is lost",
            r"fallen off the bus",
            r"no CUDA-capable device is detected",
            r"CUDA-capable device\(s\) is/are busy or unavailable",
            r"CUDA_ERROR_(NO_DEVICE|DEVICE_UNAVAILABLE|ECC_UNCORRECTABLE)",
        )
    )
)


def fault(said: str, exit_code: int | None) -> str:
    """The line of what a block said last that tells of one; empty where it ended well, or by itself."""
    sign = None if exit_code in (0, None) else _SIGNS.search(said)
    return next(line.strip() for line in said.splitlines() if sign[0] in line)[:300] if sign else ""
