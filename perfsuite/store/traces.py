"""This suite's own results and baselines as traces, to judge decision rules on the device at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.decision.traces import Traces, TracesError, load
from perfsuite.store.baselines import Baselines
from perfsuite.store.files import write_atomic
from perfsuite.store.results import read_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from perfsuite.records import Session


def read_traces(path: str | Path) -> Traces:
    """Read an npz file, or a folder of result files (``*.jsonl``), or one of baseline files (``*.json``).

    Each result file is a fresh process; each session of a baseline is one. A benchmark is a workload and
    variant on one device, with one protocol. Processes are cut to the fewest that any benchmark has, and
    samples to the shortest session's.

    Raises:
        TracesError: there is nothing in it, or it is unfit.
        StoreError: a result or baseline file is bad.
    """
    path = Path(path)
    return _read_folder(path) if path.is_dir() else load(path)


def write(path: Path, latency_s: NDArray[np.float32], names: Sequence[str], groups: Sequence[str]) -> None:
    """Write a trace as npz, whole or not at all: seconds (benchmark, process, sample), names, groups.

    Raises:
        StoreError: if the file cannot be written.
    """
    from io import BytesIO

    import numpy as np

    raw = BytesIO()
    np.savez_compressed(raw, latency_s=latency_s, name=np.array(names), project=np.array(groups))
    write_atomic(path, raw.getvalue())


def _read_folder(folder: Path) -> Traces:
    import numpy as np

    found: dict[tuple[str, str, str], dict[str, tuple[float, ...]]] = {}
    for device, key, protocol, session in _sessions(folder):
        found.setdefault((device, key, protocol), {})[session.id] = session.latency_s
    if not found:
        raise TracesError(
            f"{folder}: no sessions in *.jsonl or *.json files; record some with --perf-results"
        )
    processes = min(len(sessions) for sessions in found.values())
    samples = min(len(latency_s) for sessions in found.values() for latency_s in sessions.values())
    return Traces(
        np.array([[s[:samples] for s in list(sessions.values())[:processes]] for sessions in found.values()]),
        tuple(key for _, key, _ in found),
        tuple(device for device, _, _ in found),
        str(folder),
    )


def _sessions(folder: Path) -> Iterator[tuple[str, str, str, Session]]:
    """Yield device, workload/variant, protocol and session; of result files where there are any."""
    runs = sorted(folder.glob("*.jsonl"))
    for path in runs:
        run = read_results(path)
        for result in run.results:
            if result.session is not None:
                key = f"{result.workload}/{result.variant}"
                yield run.device.slug, key, result.protocol, result.session
    for path in [] if runs else sorted(folder.glob("*.json")):
        stored = Baselines(folder).load(path.stem)
        for entry in stored.entries.values() if stored else ():
            for session in entry.sessions:
                yield path.stem, entry.key, entry.protocol, session
