"""Threads against the cores that they may use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from perfsuite.device import cgroup, cores
from perfsuite.records import Finding, Health

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def _cores() -> tuple[int, int]:
    """Physical cores, and logical ones that this process may run on."""
    import psutil

    allowed = len(cores.allowed() or ()) or os.cpu_count() or 1
    return psutil.cpu_count(logical=False) or allowed, allowed


def _asked() -> dict[str, int]:
    """Threads by variable; of a list such as ``4,2`` the first, nonsense is left out."""
    found = {}
    for name in VARIABLES:
        word = os.environ.get(name, "").split(",")[0].strip()
        if word.isascii() and word.isdecimal() and int(word) > 0:
            found[name] = int(word)
    return found


def threads(examination: Examination) -> Iterator[Finding]:
    """The threads that perfsuite takes on a CPU, what the environment asks for, and what there is."""
    import torch

    physical, allowed = _cores()
    quota = cgroup.quota_cores(examination.read)
    asked = _asked()
    smt = examination.read("sys/devices/system/cpu/smt/active") == "1"
    usable = min(physical, allowed)
    taken = examination.device.count if examination.device.kind == "cpu" else usable
    figures: dict[str, float | str | None] = {
        "physical_cores": physical,
        "allowed_cores": allowed,
        "quota_cores": quota,
        "threads": taken,
        "torch_threads": torch.get_num_threads(),
        "smt": "on" if smt else "off",
        **{name: float(count) for name, count in asked.items()},
    }
    said = f"{physical} physical cores, {allowed} logical ones allowed"
    if smt:
        said += ", two threads a core (SMT): what runs beside a thread slows it"
    if quota is not None:
        said += f", {quota:g} by the container's limit"
    many = [f"{name}={count}" for name, count in asked.items() if count > allowed]
    if quota is not None and quota < taken:
        found = f"{taken} threads, but the kernel stops them at {quota:g} cores ({said})"
        remedy = f"export OMP_NUM_THREADS={max(1, int(quota))}, or give the container {taken} whole cores"
        yield Finding("threads", Health.PROBLEM, found, remedy, figures)
    elif many:
        found = (
            f"oversubscribed: {', '.join(many)} on {said}; perfsuite takes {taken} for torch, other "
            "libraries and programs take what the variable says"
        )
        remedy = "unset " + " ".join(name.split("=")[0] for name in many)
        yield Finding("threads", Health.WARNING, found, remedy, figures)
    elif asked.get("OMP_NUM_THREADS", usable) < usable - 1 and examination.device.kind == "cpu":
        found = (
            f"OMP_NUM_THREADS={asked['OMP_NUM_THREADS']} leaves {usable - taken} of {usable} cores idle, and "
            f"is a device of its own: {examination.device.slug}"
        )
        remedy = "unset OMP_NUM_THREADS, which leaves one core, or keep it so in every run"
        yield Finding("threads", Health.WARNING, found, remedy, figures)
    else:
        left = "; none is left to the rest of the machine" if 1 < taken == usable else ""
        yield Finding("threads", Health.OK, f"{taken} threads on {said}{left}", figures=figures)
