"""The sessions of trials on disk: ``sessions/<load>-<percent>/<name>.jsonl``, results files like any other.

The load is what else the machine did meanwhile, the percentage what more the slowed rungs did. One file is
one moment: sessions of several rungs that were measured one soon after the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.fieldtrial.regimes import LOADS, Load, TrialError
from perfsuite.store import read_results

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from perfsuite.records import Session

FOLDER = "sessions"


@dataclass(frozen=True)
class Moment:
    """Sessions of one run, by variant."""

    source: str
    device_kind: str
    workload: str
    protocol: str
    sessions: Mapping[str, Session]


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
