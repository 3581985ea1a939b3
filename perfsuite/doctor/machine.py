"""What the machine is, and who else is on its GPU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perfsuite.device import nvml
from perfsuite.doctor.clocks import has_hypervisor
from perfsuite.records import Finding, Health
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination

CONTAINERS = re.compile(r"docker|kubepods|lxc|containerd|libpod")


def kind(examination: Examination) -> Iterator[Finding]:
    """A virtual machine shares its processor with neighbours that it cannot see."""
    files = (".dockerenv", "run/.containerenv")
    container = any((examination.root / name).exists() for name in files) or bool(
        CONTAINERS.search(examination.read("proc/1/cgroup") or "")
    )
    virtual = has_hypervisor(examination)
    figures: dict[str, float | str | None] = {
        "virtual_machine": "yes" if virtual else "no", "container": "yes" if container else "no"
    }  # fmt: skip
    within = "a container on " if container else ""
    if not virtual:
        yield Finding("machine", Health.OK, f"{within}hardware of its own", figures=figures)
        return
    found = f"{within}a virtual machine: neighbours that cannot be seen from here share the processor"
    if examination.device.kind == "cuda":
        yield Finding("machine", Health.OK, f"{found}; the GPU does the work", figures=figures)
        return
    remedy = "trust relative latency and perfsuite ab more than seconds, or take hardware of your own"
    yield Finding("machine", Health.WARNING, found, remedy, figures)


def gpu_processes(examination: Examination) -> Iterator[Finding]:
    """Other processes that compute on the GPU, by name where the system tells it."""
    if examination.device.kind != "cuda":
        return
    try:
        others = nvml.other_processes()
    except nvml.NoNvmlError as error:
        yield Finding("GPU processes", Health.UNKNOWN, f"cannot be listed: {error}", "look at nvidia-smi")
        return
    if others is None:
        found = "this device does not list its processes (a slice, or no permission)"
        yield Finding("GPU processes", Health.WARNING, found, "look at nvidia-smi outside")
    elif others:
        said = ", ".join(f"{_name(pid)} (process {pid}, {show.memory(size)})" for pid, size in others)
        found = f"{len(others)} other processes compute on {examination.device.name}: {said}"
        figures: dict[str, float | str | None] = {"processes": len(others)}
        yield Finding("GPU processes", Health.PROBLEM, found, "end them, or measure on another GPU", figures)
    else:
        found = f"no other process computes on {examination.device.name}"
        yield Finding("GPU processes", Health.OK, found, figures={"processes": 0})


def _name(pid: int) -> str:
    import psutil

    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:  # of another container, or gone
        return "unnamed"
