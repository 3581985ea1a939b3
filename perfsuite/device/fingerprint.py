"""Which device this is, as a record and as the name of its baseline file."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import warnings
from pathlib import Path

from perfsuite.device import cores, nvml
from perfsuite.device.environment import instruction_sets
from perfsuite.records import Device
from perfsuite.settings import DEVICES

PACKAGES = ("perfsuite", "torch", "diffusers", "transformers", "accelerate", "torchao")

FURTHER = "PERFSUITE_PACKAGES"
"""Environment variable: further packages whose versions are recorded, separated by spaces."""


def further() -> tuple[str, ...]:
    """Packages that the environment names beside `PACKAGES`."""
    return tuple(dict.fromkeys(os.environ.get(FURTHER, "").split()))


def packages() -> tuple[str, ...]:
    """All whose versions are recorded."""
    return tuple(dict.fromkeys((*PACKAGES, *further())))


class NoDeviceError(RuntimeError):
    """The device that was asked for is not there."""


def slug(text: str) -> str:
    """Lower-case words joined by hyphens, safe as a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^(?:model name|Hardware)\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def available_threads() -> int:
    """One for each physical core that this process may run on but one, which is left to the rest of the
    machine.

    A thread on every core is little faster and far less steady: where anything else runs, all threads wait
    for the one whose core it took. ``OMP_NUM_THREADS`` says otherwise, up to all of them.
    """
    import psutil

    allowed = len(cores.allowed() or ()) or os.cpu_count() or 1
    usable = min(psutil.cpu_count(logical=False) or allowed, allowed)
    # A list such as "4,2" gives the threads of each level of nesting.
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdecimal() and int(wanted) > 0:
        return min(usable, int(wanted))
    return max(1, usable - 1)


def _has_bfloat16() -> bool:
    """Whether torch computes in bfloat16 on this CPU, or emulates it in float32, far slower."""
    import torch

    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # not an interface: it may go, and builds without oneDNN lack it
        return bool(torch.backends.cpu.get_cpu_capability().startswith("AVX512"))


def _cpu() -> Device:
    import psutil

    name, wanted, isa = cpu_name(), available_threads(), instruction_sets()
    pool = cores.pool(wanted)
    # What binds or limits threads may leave fewer than torch is told to take.
    threads = wanted if pool is None else min(wanted, pool.parallel)
    return Device(
        kind="cpu",
        name=name,
        slug=f"{slug(' '.join(('cpu', name, *isa.values())))}-{threads}t",
        count=threads,
        memory_bytes=psutil.virtual_memory().total,
        details={
            **isa,
            "bfloat16": "native" if _has_bfloat16() else "emulated",
            "system": platform.system(),
            "machine": platform.machine(),
        },
    )


def _cuda(index: int) -> Device:
    import torch

    torch.cuda.set_device(index)
    properties = torch.cuda.get_device_properties(index)
    try:
        managed = nvml.facts()
    except nvml.NoNvmlError as error:
        managed = {"nvml": str(error)}
    limit = managed.get("power_limit_w")
    # Another power limit is another device; a slice (MIG) has its profile in its name.
    limited = limit is not None and limit != managed.get("default_power_limit_w")
    return Device(
        kind="cuda",
        name=properties.name,
        slug=slug(properties.name) + (f"-{limit}w" if limited else ""),
        count=1,
        memory_bytes=properties.total_memory,
        details={
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": str(properties.multi_processor_count),
            "cuda": torch.version.cuda or "none",
            "index": str(index),
            **managed,
        },
    )


def fingerprint(choice: str = "auto") -> Device:
    """The device to measure on; ``auto`` takes the first GPU where there is one, ``cuda:1`` the second.

    A GPU becomes torch's current device: whatever says ``cuda`` from then on means it.

    Raises `NoDeviceError` with what to do, and `ValueError` for an unknown choice.
    """
    import torch

    wanted = re.fullmatch(r"auto|cpu|cuda(?::(\d{1,3}))?", choice)
    if wanted is None:
        raise ValueError(f"unknown device {choice!r}: one of {', '.join(DEVICES)}")
    if choice == "cpu":
        return _cpu()
    there, reason = _looked_for()
    if not there:
        if choice == "auto":
            return _cpu()
        raise NoDeviceError(f"no CUDA device for {choice}: {reason}, or use the CPU (cpu)")
    index, count = int(wanted[1] or 0), torch.cuda.device_count()
    if index >= count:
        names = ", ".join(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(count))
        raise NoDeviceError(f"no device {choice}: there is {names}; name one of them")
    return _cuda(index)


def _looked_for() -> tuple[bool, str]:
    """Whether there is a GPU; if not why, and what to do. torch warns of a driver that is too old."""
    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        there = bool(torch.cuda.is_available())
    if torch.version.cuda is None:
        return there, f"torch {torch.__version__} is a CPU build; install a CUDA build and check nvidia-smi"
    _REASONS.extend(str(warning.message).splitlines()[0] for warning in said)
    built = f"torch {torch.__version__} is built for CUDA {torch.version.cuda}"
    if _REASONS:
        return there, f"{built}: {'; '.join(dict.fromkeys(_REASONS))}; check nvidia-smi"
    return there, f"{built}, and finds no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES"


_REASONS: list[str] = []
"""What torch has said; it says so once a process."""


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in packages():
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_hashes() -> dict[str, str]:
    """Commits that packages were built from: torch tells its own, pip those that it installed from git."""
    import torch

    found = {}
    for package in packages():
        try:
            text = importlib.metadata.distribution(package).read_text("direct_url.json")
        except importlib.metadata.PackageNotFoundError:
            continue
        commit = json.loads(text).get("vcs_info", {}).get("commit_id") if text else None
        if commit:
            found[package] = str(commit)
    built = getattr(torch.version, "git_version", None)
    return {**found, "torch": str(built)} if built else found
