"""What a results file or a baseline file holds of each variant, in one form: to explain a difference by."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perfsuite.records import Counts, Device, Session
from perfsuite.store.baselines import read_baselines
from perfsuite.store.counts import CountsStore, minor
from perfsuite.store.errors import StoreError
from perfsuite.store.files import read_bytes
from perfsuite.store.results import read_results


@dataclass(frozen=True)
class Evidence:
    """What is known of one variant of one workload."""

    workload: str
    variant: str
    protocol: str
    sessions: tuple[Session, ...]
    """Oldest first; none where only counts or pictures were taken."""
    counts: Counts | None

    @property
    def key(self) -> str:
        """``<workload>/<variant>``."""
        return f"{self.workload}/{self.variant}"


@dataclass(frozen=True)
class Side:
    """One file."""

    path: Path
    device: Device
    evidence: Mapping[str, Evidence]
    """By `Evidence.key`; only what has a session or counts."""


def read_side(path: str | Path) -> Side:
    """Read a file that ``--perf-results`` wrote, or a baseline file of any name.

    A baseline file's counts are those of ``counts/<kind>.json`` beside it, of its newest session's torch.

    Raises:
        StoreError: if there is no such file, it is neither, anything in it is wrong, or it holds nothing.
    """
    path = Path(path)
    raw = read_bytes(path)
    if raw is None:
        raise StoreError(
            f"{path}: there is no such file; name one that --perf-results wrote, or a baseline file"
        )
    side = _of_results(path) if _is_results(raw) else _of_baselines(path)
    if not side.evidence:
        raise StoreError(f"{path}: holds no latency and no counts of any variant; run the suite again")
    return side


def _is_results(raw: bytes) -> bool:
    """Whether the first line is the head of a results file."""
    try:
        first = json.loads(raw.split(b"\n", 1)[0])
    except ValueError:
        return False
    return isinstance(first, dict) and first.get("kind") == "run"


def _of_results(path: Path) -> Side:
    run = read_results(path)
    found = [
        Evidence(r.workload, r.variant, r.protocol, (r.session,) if r.session else (), r.counts)
        for r in run.results
        if r.session is not None or r.counts is not None
    ]
    return Side(path, run.device, {each.key: each for each in found})


def _of_baselines(path: Path) -> Side:
    stored = read_baselines(path)
    assert stored is not None
    counted = CountsStore(path.parent, stored.device.kind).load()
    found = {}
    for key, entry in stored.entries.items():
        version = minor(entry.sessions[-1].versions.get("torch", ""))
        counts = counted[key].counts.get(version) if key in counted else None
        found[key] = Evidence(entry.workload, entry.variant, entry.protocol, entry.sessions, counts)
    return Side(path, stored.device, found)
