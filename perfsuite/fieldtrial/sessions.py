"""The sessions of trials on disk: ``sessions/<load>-<percent>/<name>.jsonl``, results files like any other.

The load is what else the machine did meanwhile, the percentage what more the slowed rungs did. One file is
one moment: sessions of several rungs that were measured one soon after the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.fieldtrial.regimes import LOADS, Load, TrialError
from perfsuite.records import Result
from perfsuite.store import ResultsWriter, read_results
from perfsuite.store.traces import write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from perfsuite.fieldtrial.running import Ran
    from perfsuite.records import Session

FOLDER = "sessions"
UNITS = ("seconds", "relative")


@dataclass(frozen=True)
class Moment:
    """Sessions of one run, by variant."""

    source: str
    device_kind: str
    workload: str
    protocol: str
    sessions: Mapping[str, Session]

    @property
    def alone(self) -> bool:
        """Whether each session had a process of its own, as those have that a run adds to its own one."""
        starts = [session.start for session in self.sessions.values()]
        return all(start is not None and start.first for start in starts)


Pool = dict[tuple[Load, int], list[Moment]]
"""Moments by load and percent of more work."""


def folder_of(trial: Path, load: Load, slower: int) -> Path:
    """Where the sessions of this load and work are kept."""
    return trial / FOLDER / f"{load}-{slower}"


def read_pool(trial: Path) -> Pool:
    """Read all kept sessions below a trial's folder.

    Raises:
        TrialError: there are none, or a folder's name says neither load nor work.
        StoreError: a file is bad.
    """
    pool: Pool = {}
    for folder in sorted((trial / FOLDER).glob("*/")):
        key = _key(folder)
        moments = [moment for path in sorted(folder.glob("*.jsonl")) for moment in _moments(path)]
        if moments:
            pool[key] = moments
    if not pool:
        raise TrialError(
            f"{trial}: no sessions in {FOLDER}/*/*.jsonl; name a folder of perfsuite field-trial --out"
        )
    return pool


def _key(folder: Path) -> tuple[Load, int]:
    found = re.fullmatch(rf"({'|'.join(LOADS)})-(\d+)", folder.name)
    if found is None:
        raise TrialError(
            f"{folder}: wanted a load ({', '.join(LOADS)}) and a percentage, such as burst-0; rename it"
        )
    load = next(load for load in LOADS if load == found[1])
    return load, int(found[2])


def _moments(path: Path) -> list[Moment]:
    """Those of one file, one a workload; none where nothing was measured."""
    run = read_results(path)
    measured = [(result, result.session) for result in run.results if result.session is not None]
    found = []
    for workload, protocol in dict.fromkeys((result.workload, result.protocol) for result, _ in measured):
        of_it = {r.variant: s for r, s in measured if (r.workload, r.protocol) == (workload, protocol)}
        found.append(Moment(str(path), run.device.kind, workload, protocol, of_it))
    return found


def keep(trial: Path, load: Load, slower: int, name: str, ran: Ran, *, recording: bool) -> None:
    """Keep what a step measured, one file a moment: stored sessions by their number, and those not stored.

    Raises:
        StoreError: a file cannot be written.
    """
    if ran.run is None:
        return
    measured = {r.variant: r for r in ran.run.results if r.session is not None}
    moments: list[dict[str, Session]] = []
    known: set[str] = set()
    for entry in ran.entries if recording else ():
        for number, session in enumerate(entry.sessions):
            while len(moments) <= number:
                moments.append({})
            moments[number][entry.variant] = session
            known.add(session.id)
    loose = {v: r.session for v, r in measured.items() if r.session is not None and r.session.id not in known}
    folder = folder_of(trial, load, slower)
    for path in folder.glob(f"{name}-*.jsonl"):
        path.unlink()  # of the same step, when it was interrupted
    for number, sessions in enumerate(filter(None, [*moments, loose]), 1):
        path = folder / f"{name}-{number}.jsonl"
        writer = ResultsWriter(path, f"{ran.run.id}-{number}", ran.run.date, ran.run.device)
        for variant, session in sessions.items():
            if variant in measured:
                found = measured[variant]
                writer.add(Result(found.workload, variant, found.protocol, session=session))


def write_traces(trial: Path) -> list[Path]:
    """Write all kept sessions as traces, for other tools: ``traces/<load>-<percent>-<unit>.npz``.

    Seconds, and ratios to the reference variant; benchmarks are variants, cut to the sessions and samples
    that every one has.

    Raises:
        TrialError: nothing is kept.
        StoreError: a file is bad or cannot be written.
    """
    paths = []
    for (load, slower), moments in read_pool(trial).items():
        for unit in UNITS:
            found: dict[str, list[tuple[float, ...]]] = {}
            for moment in moments:
                for variant, session in moment.sessions.items():
                    samples = _samples(session, unit)
                    if samples:
                        found.setdefault(variant, []).append(samples)
            if found:
                path = trial / "traces" / f"{load}-{slower}-{unit}.npz"
                write(path, _rectangle(found), list(found), [f"{load}, +{slower} %"] * len(found))
                paths.append(path)
    return paths


def _samples(session: Session, unit: str) -> tuple[float, ...]:
    """None where a session has no ratios."""
    if unit == "seconds":
        return session.latency_s
    return session.relative.ratio if session.relative is not None else ()


def _rectangle(found: Mapping[str, list[tuple[float, ...]]]) -> NDArray[np.float32]:
    import numpy as np

    sessions = min(map(len, found.values()))
    samples = min(len(each) for group in found.values() for each in group)
    return np.array([[s[:samples] for s in group[:sessions]] for group in found.values()], dtype=np.float32)
