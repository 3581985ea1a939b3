"""pytest-benchmark's own JSON: for ``pytest-benchmark compare`` and ``pytest --benchmark-compare``.

As its version 5 writes with ``--benchmark-json``. A file holds one machine and one run; names are those that
this suite's test has, so that a later run can be compared with the file.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from perfsuite.report import figures
from perfsuite.report.exports import ExportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Result, Run

TEST = "tests/benchmarks/test_latency.py::test_latency"


def export(runs: Sequence[Run]) -> str:
    """One run as JSON. Raises `ExportError` for more than one."""
    if len(runs) != 1:
        raise ExportError(
            f"pytest-benchmark's format holds one run, these are {len(runs)}: export each into a file of its "
            "own and compare those"
        )
    (run,) = runs
    benchmarks = [_benchmark(result) for result in run.results if result.session]
    if not benchmarks:
        raise ExportError("nothing was timed in these results, and pytest-benchmark knows nothing but times")
    commits = {r.session.commit for r in run.results if r.session and r.session.commit}
    document = {
        "machine_info": {
            "node": run.device.slug,
            "processor": run.device.name,
            "machine": run.device.details.get("machine", run.device.kind),
            "python_version": _python(run),
            "system": run.device.details.get("system", ""),
            "cpu": {"brand_raw": run.device.name, "count": run.device.count},
        },
        "commit_info": {"id": commits.pop() if len(commits) == 1 else "unknown", "time": None,
                        "author_time": None, "dirty": False, "project": "perfsuite", "branch": "(unknown)"},
        "benchmarks": benchmarks,
        "datetime": run.date,
        "version": version("pytest-benchmark"),
    }  # fmt: skip
    return json.dumps(document, indent=4, allow_nan=False) + "\n"


def _python(run: Run) -> str:
    return next((r.session.versions.get("python", "") for r in run.results if r.session), "")


def _benchmark(result: Result) -> dict[str, Any]:
    from pytest_benchmark.stats import Stats

    session, verdict = result.session, result.verdict
    assert session is not None
    stats = Stats()
    for seconds in session.latency_s:
        stats.update(seconds)
    parameter = f"{result.workload}-{result.variant}"
    extra: dict[str, Any] = {
        "workload": result.workload,
        "variant": result.variant,
        "protocol": result.protocol,
        "verdict": verdict.status.value if verdict else None,
        "detail": verdict.detail if verdict else None,
        "ratio": verdict.ratio if verdict else None,
        "interval": verdict.interval if verdict else None,
        "first_call_s": session.first_call_s,
        "compile_s": session.compile_s,
        "compiled_from": session.compilation.source.value if session.compilation else None,
        "peak_memory_bytes": session.peak_memory_bytes,
        "ssim": figures.least_ssim(result),
        "evidence": list(result.evidence),
    }
    return {
        "group": "latency",
        "name": f"test_latency[{parameter}]",
        "fullname": f"{TEST}[{parameter}]",
        "params": {"pipeline": parameter},
        "param": parameter,
        "extra_info": extra,
        "options": {"disable_gc": True, "timer": "now", "warmup": False},
        "stats": {**stats.as_dict(), "data": list(session.latency_s), "iterations": 1},
    }
