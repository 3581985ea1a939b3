"""Clock policy and heat of the CPU by ``/sys``, of the GPU by NVML."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from perfsuite.device import environment, nvml
from perfsuite.records import Finding, Health

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination

CPUS = "sys/devices/system/cpu"
REASONS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""Bits of NVML's clock event reasons; `nvml.HARMFUL` spoils samples."""
HOT_C = 85
"""Degrees Celsius of an idle or busy GPU from which on it is near its thermal limit."""


def throttle_count(examination: Examination) -> int | None:
    """How often heat has throttled the cores since boot, packages counted once a core; None if not told."""
    counts = [
        int(path.read_text())
        for path in (examination.root / CPUS).glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    ]
    return sum(counts) if counts else None


def cpu_clocks(examination: Examination) -> Iterator[Finding]:
    """Governor, turbo, and whether heat has throttled the processor since boot."""
    # A GPU waits for the host now and then; its own clocks matter more.
    serious = Health.WARNING if examination.device.kind == "cpu" else Health.OK
    governors = Counter(environment.governors(examination.root))
    throttled = throttle_count(examination)
    figures: dict[str, float | str | None] = {
        "governor": ", ".join(sorted(governors)) or None,
        "turbo": environment.turbo(examination.root),
        "throttle_events": throttled,
    }
    if not governors:
        found = "this system does not show its clock policy (no cpufreq), so the clocks may move unseen"
        remedy = (
            "on a machine of your own: fix the clocks in its host or firmware; else trust relative latency"
        )
        yield Finding("CPU clocks", serious, found, remedy, figures)
    else:
        yield _policy(governors, figures, serious)
    if throttled:
        found = f"heat has throttled this processor {throttled} times since it was started"
        remedy = "look at cooling and at the load of the last hours"
        yield Finding("CPU heat", serious, found, remedy, {"throttle_events": throttled})


def _policy(governors: Counter[str], figures: dict[str, float | str | None], serious: Health) -> Finding:
    said = "governor " + ", ".join(
        name if len(governors) == 1 else f"{name} ({count} cores)"
        for name, count in sorted(governors.items())
    )
    turbo = figures["turbo"]
    if turbo is not None:
        said += f", turbo {turbo}"
    if set(governors) != {"performance"}:
        remedy = "sudo cpupower frequency-set -g performance"
        return Finding("CPU clocks", serious, f"{said}: clocks follow the load", remedy, figures)
    if turbo == "on":
        remedy = "steadier without: echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo (Intel), "
        remedy += "or echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"
        return Finding("CPU clocks", serious, f"{said}: clocks follow heat", remedy, figures)
    return Finding("CPU clocks", Health.OK, said, figures=figures)


def gpu_clocks(examination: Examination) -> Iterator[Finding]:
    """Power limit, application clocks, temperature, and why clocks are lowered just now."""
    if examination.device.kind != "cuda":
        return
    try:
        facts, state = nvml.facts(), nvml.state()
    except nvml.NoNvmlError as error:
        found = f"clocks, heat and power cannot be read: {error}"
        remedy = "pip install nvidia-ml-py, and give the container the driver's libnvidia-ml"
        yield Finding("GPU clocks", Health.UNKNOWN, found, remedy)
        return
    figures: dict[str, float | str | None] = {**facts, **state}
    yield _limits(facts, figures)
    yield _now(state, figures)


def _limits(facts: dict[str, str], figures: dict[str, float | str | None]) -> Finding:
    limit, usual = facts.get("power_limit_w"), facts.get("default_power_limit_w")
    most, set_ = facts.get("sm_clock_max_mhz"), facts.get("sm_clock_application_mhz")
    said = ", ".join(
        text
        for text, value in (
            (f"power limit {limit} W", limit), (f"SM clock at most {most} MHz", most),
            (f"application clock {set_} MHz", set_),
        )
        if value is not None
    )  # fmt: skip
    if limit is not None and limit != usual:
        remedy = f"sudo nvidia-smi -pl {usual}, or record baselines for this limit: it is another device"
        return Finding("GPU limits", Health.WARNING, f"{said}; usual are {usual} W", remedy, figures)
    if most is not None and set_ is not None and float(set_) < float(most):
        remedy = f"sudo nvidia-smi -lgc {most} before measuring, sudo nvidia-smi -rgc after"
        return Finding("GPU limits", Health.WARNING, f"{said}: lower than it could be", remedy, figures)
    return Finding("GPU limits", Health.OK, said or "this device tells no limits", figures=figures)


def _now(state: dict[str, float], figures: dict[str, float | str | None]) -> Finding:
    bits = int(state.get("throttle_reasons", 0))
    reasons = [text for bit, text in REASONS.items() if bits & bit]
    said = ", ".join(
        f"{state[name]:.0f} {unit}"
        for name, unit in (("sm_clock_mhz", "MHz"), ("temperature_c", "degrees Celsius"), ("power_w", "W"))
        if name in state
    )
    if bits & nvml.HARMFUL:
        found = f"clocks are lowered now: {', '.join(reasons)} ({said})"
        return Finding("GPU clocks", Health.PROBLEM, found, "let it cool; look at power and cooling", figures)
    if state.get("temperature_c", 0) >= HOT_C:
        return Finding("GPU clocks", Health.WARNING, f"hot: {said}", "let it cool before measuring", figures)
    reason = f" ({reasons[0]})" if reasons else ""
    found = f"{said}{reason}, not lowered by heat or hardware" if said else "this device tells no clocks"
    return Finding("GPU clocks", Health.OK, found, figures=figures)


def has_hypervisor(examination: Examination) -> bool:
    """Whether the processor says that it is a virtual one."""
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", examination.read("proc/cpuinfo") or "", re.MULTILINE)
    return flags is not None and "hypervisor" in flags[1].split()
