"""The table of an A/B."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from perfsuite.report import columns
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Quality
    from perfsuite.workers.ab import Comparison


def table(found: Comparison, pictures: Quality | None) -> str:
    """Latency with its verdict, first call, peak memory, pictures, and what differs in versions."""
    base, head = found.facts["base"], found.facts["head"]
    lines = [f"A/B of {found.plan.workload} {found.plan.variant}, {found.design}, {found.wall_s:.0f} s"]
    verdict = found.verdict
    head_s = (
        None if verdict.baseline_s is None or verdict.ratio is None else verdict.baseline_s * verdict.ratio
    )
    rows = [("", "base", "head", "change", "")]
    rows.append(
        ("latency", show.seconds(verdict.baseline_s), show.seconds(head_s), show.change(verdict.ratio),
         verdict.status.value)
    )  # fmt: skip
    if base.first_call_s and head.first_call_s:
        times = [median(base.first_call_s), median(head.first_call_s)]
        rows.append(
            ("first call", show.seconds(times[0]), show.seconds(times[1]),
             show.change(times[1] / times[0]), f"n={len(base.first_call_s)} a side, not judged")
        )  # fmt: skip
        peaks = [median(base.peak_memory_bytes), median(head.peak_memory_bytes)]
        rows.append(
            ("peak memory", show.memory(int(peaks[0])), show.memory(int(peaks[1])),
             show.change(peaks[1] / peaks[0] if peaks[0] else None),
             f"n={len(base.peak_memory_bytes)} a side, not judged")
        )  # fmt: skip
    if pictures is not None:
        ssim = pictures.ssim
        rows.append(
            ("pictures", "", "", "", f"{pictures.status}, SSIM of head to base {show.similarity(ssim)}")
        )
    lines += columns.table(rows, right=(1, 2, 3))
    lines.append(f"{verdict.status}: {verdict.detail}")
    if pictures is not None:
        lines += [f"pictures {s.status}: {s.prompt!r}: {s.detail}" for s in pictures.scores if s.detail]
    lines.append(f"versions: {_versions(base.versions, head.versions)}")
    lines += [f"repeated: {failure.splitlines()[0]}" for failure in found.failures]
    return "\n".join(lines)


def _versions(base: dict[str, str], head: dict[str, str]) -> str:
    names: Sequence[str] = sorted({*base, *head})
    moved = [
        f"{name} {base.get(name, 'absent')} -> {head.get(name, 'absent')}"
        for name in names
        if base.get(name) != head.get(name)
    ]
    return ", ".join(moved) or "the same on both sides"
