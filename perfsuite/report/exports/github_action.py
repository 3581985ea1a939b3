"""The list that github-action-benchmark takes as ``customSmallerIsBetter``.

Written after `BenchmarkResult` and `extractCustomBenchmarkResult` in its ``src/extract.ts``, and
`extractRangeInfo`, which reads a range as ``± number``. A series there is a name, so the device is part of
each: two devices are two series. Smaller is better for all, so pictures are shown by 1 - SSIM.
"""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, Any

from perfsuite.report import figures
from perfsuite.report.exports import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.records import Result, Run


def export(runs: Sequence[Run]) -> str:
    """One entry a figure. Raises `ExportError` if two runs have the same one."""
    entries: dict[str, dict[str, Any]] = {}
    for run in runs:
        for result in run.results:
            for entry in _entries(result):
                entry["name"] += f" on {run.device.slug}"
                if entry["name"] in entries:
                    raise ExportError(
                        f"{entry['name']!r} is there twice, and a series of github-action-benchmark has one "
                        "value a commit: give one results file of each device"
                    )
                entries[entry["name"]] = entry
    return json.dumps(list(entries.values()), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _entries(result: Result) -> Iterator[dict[str, Any]]:
    name, session, verdict = f"{result.workload}/{result.variant}", result.session, result.verdict
    if session is not None:
        said = [f"n={len(session.latency_s)}"]
        if verdict is not None:
            said.append(f"{verdict.status}: {verdict.detail}")
        yield _entry(f"{name} latency", "s", session.latency_s, said)
        if session.relative is not None:
            over = f"over {session.relative.reference}"
            ratios = session.relative.ratio
            yield _entry(f"{name} relative latency", over, ratios, [f"n={len(ratios)}"])
        if session.compile_s is not None:
            # From elsewhere it takes another time: another series.
            source = f", {session.compilation.source}" if session.compilation else ""
            yield _entry(f"{name} compile time{source}", "s", (session.compile_s,))
        yield _entry(f"{name} peak memory", "bytes", (session.peak_memory_bytes,))
    ssim = figures.least_ssim(result)
    if ssim is not None:
        yield _entry(f"{name} pictures", "1 - SSIM", (1.0 - ssim,), ["the prompt whose picture is worst"])


def _entry(name: str, unit: str, samples: Sequence[float], said: Sequence[str] = ()) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "unit": unit, "value": statistics.median(samples)}
    lines = list(said)
    if len(samples) > 1:
        low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
        entry["range"] = f"± {(high - low) / 2}"
        lines.append("median; range: half the distance between the quartiles")
    if lines:
        entry["extra"] = "\n".join(lines)
    return entry
