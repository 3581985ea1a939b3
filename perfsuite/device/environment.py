"""What surrounds a session and is neither code nor load: what decides whether two may be compared, and what
explains why they differ.

Values are text; nothing of it names a user, a host or a folder.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.device import cgroup, cores

if TYPE_CHECKING:
    from perfsuite.records import Device

_CPUS = "sys/devices/system/cpu"
_ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc", "hoard", "scudo")
ISA_VARIABLES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
"""Variables that forbid instructions which the processor has: torch's own, oneDNN's (two names), MKL's."""
_NO_LIMIT = ("ALL", "DEFAULT")


def read_below(root: Path, place: str) -> str | None:
    """A file below a root, stripped; None where there is none."""
    try:
        return (root / place).read_text().strip()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None


def governors(root: Path = Path("/")) -> list[str]:
    """Clock governor of each core; none where the system does not show them."""
    paths = sorted((root / _CPUS).glob("cpu[0-9]*/cpufreq/scaling_governor"))
    return [path.read_text().strip() for path in paths]


def turbo(root: Path = Path("/")) -> str | None:
    """``on`` or ``off``; None where the system does not tell."""
    off = read_below(root, f"{_CPUS}/intel_pstate/no_turbo")
    on = read_below(root, f"{_CPUS}/cpufreq/boost")
    if off is not None:
        return "off" if off == "1" else "on"
    return None if on is None else "on" if on == "1" else "off"


def instruction_sets() -> dict[str, str]:
    """Instructions that torch uses, and what the environment forbids to its libraries."""
    import torch

    found = {"instruction_set": str(torch.backends.cpu.get_cpu_capability())}
    for name in ISA_VARIABLES[1:]:
        value = os.environ.get(name, "").upper()
        if value and value not in _NO_LIMIT:
            found[name.lower()] = value
    return found


def allocator() -> str:
    """Who serves ``malloc``: by what is loaded, not by what was asked for."""
    maps = Path("/proc/self/maps")
    if maps.exists():
        loaded = {Path(line.split()[-1]).name for line in maps.read_text().splitlines() if ".so" in line}
        others = sorted(name for name in loaded if any(known in name for known in _ALLOCATORS))
        if others:
            return ", ".join(re.sub(r"\.so.*", "", name) for name in others)
    return " ".join(platform.libc_ver()) or platform.system()


def environment(device: Device, root: Path = Path("/")) -> dict[str, str]:
    """Of this process on this device, by name; what the system does not tell is left out."""

    def read(place: str) -> str | None:
        return read_below(root, place)

    limit = cgroup.memory_limit_bytes(read)
    found: dict[str, str | None] = {
        "allocator": allocator(),
        "governor": ", ".join(sorted(set(governors(root)))) or None,
        "turbo": turbo(root),
        "kernel": platform.release(),
        "memory_limit": None if limit is None else f"{limit / 2**30:.2f} GiB",
        "driver": device.details.get("driver"),
    }
    if device.kind == "cpu":
        allowed = cores.allowed()
        quota = cgroup.quota_cores(read)
        found |= instruction_sets()
        found["threads"] = str(device.count)
        found["cores"] = None if allowed is None else cores.span(allowed)
        # One that leaves every thread a core takes nothing.
        found["cpu_quota"] = f"{quota:g}" if quota is not None and quota < device.count else None
    return {name: value for name, value in found.items() if value is not None}
