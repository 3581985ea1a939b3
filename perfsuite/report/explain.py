"""The text of an explanation: what differs, in the order in which causes lead to effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.records import Status
from perfsuite.report import counts as show_counts
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.bench.explanation import Explanation, Share

MOST_KERNELS = 10
_HOW = {
    "latency": "run tests/benchmarks/test_latency.py",
    "counts": "run tests/structure/test_counts.py in the same run",
    "stages": "run tests/benchmarks/test_latency.py",
    "kernels": "run with --perf-profile=yes",
}


def text(found: Explanation) -> str:
    """Latency and verdict, then versions and settings, counts, stages, kernels, and what that says."""
    lines = [f"{found.workload} {found.variant}: {_latency(found)}"]
    lines += ["1. versions and settings", *_indent(_moved(found))]
    lines += ["2. counts", *_indent(_counts(found))]
    lines += ["3. stages, one call a session beside the timed ones", *_indent(_stages(found))]
    lines += ["4. kernels, one short profiled call", *_indent(_kernels(found))]
    lines += [f"=> {line}" for line in conclusion(found)]
    return "\n".join(lines)


def _indent(lines: Sequence[str]) -> list[str]:
    return [f"   {line}" for line in lines]


def _missing(found: Explanation, part: str) -> list[str]:
    reason = found.missing.get(part)
    return [f"{reason}; to have them, {_HOW[part]}"] if reason is not None else []


def _latency(found: Explanation) -> str:
    if found.verdict is None:
        return f"no latencies to compare: {found.missing['latency']}"
    ratio = found.after_s / found.before_s if found.before_s and found.after_s else None
    change = f"{show.seconds(found.before_s)} -> {show.seconds(found.after_s)}"
    if found.verdict.status is not Status.INCOMPATIBLE:
        change += f" ({show.change(ratio)})"
    basis = "" if found.verdict.basis == "seconds" else f", judged by latency {found.verdict.basis}"
    return f"{change}, {found.verdict.status}{basis}: {found.verdict.detail}"


def _moved(found: Explanation) -> list[str]:
    if not found.moved:
        return ["none differs"]
    width = max(len(f"{m.kind} {m.name}") for m in found.moved)
    lines = [f"{f'{m.kind} {m.name}':<{width}}  {m.before} -> {m.after}" for m in found.moved]
    return [*lines, "share of the change: not known, since each file has one state only"]


def _counts(found: Explanation) -> list[str]:
    if found.counts is None:
        return _missing(found, "counts")
    unjudged = [f"{field} not compared: {reason}" for field, reason in found.counts.unjudged.items()]
    if not found.counts.changes:
        return ["none differs", *unjudged]
    return [*show_counts.lines(found.counts.changes), *_arithmetic(found), *unjudged]


def _arithmetic(found: Explanation) -> list[str]:
    """What the UNet's additional arithmetic would take at the rate of the old code."""
    assert found.counts is not None
    steps = next((s for s in found.stages if s.name == "UNet steps"), None)
    unet = next((c for c in found.counts.changes if (c.measure, c.name) == ("flop", "unet")), None)
    total = sum(s.difference_s for s in found.stages)
    if steps is None or unet is None or not unet.before or not total:
        return ["share of the change: not known, counts have no times"]
    added_s = steps.before_s * unet.difference / unet.before
    return [
        f"share of the change: the UNet's arithmetic at the old rate {_signed(added_s)}, "
        f"{added_s / total:+.0%} of it; operators without arithmetic have no times"
    ]


def _stages(found: Explanation) -> list[str]:
    if not found.stages:
        return _missing(found, "stages")
    lines = []
    for stage in found.stages:
        times = f"{show.seconds(stage.before_s):>8} -> {show.seconds(stage.after_s):>8}"
        line = f"{stage.name:<14} {times}  {_signed(stage.difference_s):>9}  {_share(stage, found)}"
        lines.append(line.rstrip())
    if found.noise is not None:
        lines.append(f"(noise: processes of the same code may differ by {found.noise:.0%} here)")
    return lines


def _share(share: Share, found: Explanation) -> str:
    """Its part of the change where there is one for certain, and whether it left the noise."""
    part = ""
    if share.of_change is not None and found.significant:
        part = f"{share.of_change:>5.0%} of the change"
    return ", ".join(p for p in (part, "within the noise" if share.beyond_noise is False else "") if p)


def _signed(seconds: float) -> str:
    return ("-" if seconds < 0 else "+") + show.seconds(abs(seconds))


def _kernels(found: Explanation) -> list[str]:
    if not found.kernels:
        return _missing(found, "kernels")
    lines = []
    for kernel in found.kernels[:MOST_KERNELS]:
        calls = f"{kernel.calls[0]} -> {kernel.calls[1]} calls" if kernel.calls else ""
        said = ", ".join(part for part in (kernel.name, calls, _share(kernel, found).strip()) if part)
        lines.append(f"{_signed(kernel.difference_s):>9}  {said}")
    rest = len(found.kernels) - MOST_KERNELS
    if rest > 0:
        lines.append(f"and {rest} with smaller differences")
    return [*lines, "(own time, n=1 a side; numbers of calls are exact, times are not)"]


def conclusion(found: Explanation) -> list[str]:
    """What may be concluded, and no more than that."""
    said = []
    if found.verdict is not None and found.verdict.status is Status.INCOMPATIBLE:
        said.append("times cannot be compared; versions, settings and counts can")
    elif found.verdict is not None and not found.significant:
        said.append(
            f"{found.verdict.status}: the latencies do not differ for certain, so no time above is a finding"
        )
    causes = [f"{len(found.moved)} versions, settings or conditions"] if found.moved else []
    if found.counts is not None and found.counts.changes:
        causes.append(
            f"counts ({show_counts.change(found.counts.changes[0])}, {len(found.counts.changes)} in all)"
        )
    if causes:
        said.append(f"what differs and may be the cause: {' and '.join(causes)}")
    elif found.counts is not None:
        said.append("the files hold no cause: versions, settings and counts are the same")
    else:
        said.append("no version and no setting differs; counts were not compared")
    if found.significant and found.stages:
        most = max(found.stages, key=lambda s: abs(s.difference_s))
        said.append(f"most of it is in: {most.name} ({_share(most, found).strip()})")
    return said
