"""All that one invocation of the suite found out."""

from __future__ import annotations

from dataclasses import dataclass

from perfsuite.records.counts import Counts, CountVerdict
from perfsuite.records.device import Device
from perfsuite.records.quality import Exhibits, PictureScore, Quality
from perfsuite.records.quantity import Quantity
from perfsuite.records.session import Session
from perfsuite.records.verdict import Verdict


@dataclass(frozen=True)
class Result:
    """All that one run found out about one variant of one workload."""

    workload: str
    variant: str
    protocol: str
    session: Session | None = None
    verdict: Verdict | None = None
    quality: Quality | None = None
    evidence: tuple[str, ...] = ()
    """One line an optimization: the proof that it took hold."""
    timed: PictureScore | None = None
    """The picture of the last timed call, where the run has a float32 reference."""
    counts: Counts | None = None
    counted: CountVerdict | None = None
    """On the counts; None where they were not judged."""
    memory: tuple[Quantity, ...] = ()
    """Peak, growth and what is left behind, judged; empty where they were not."""
    start: tuple[Quantity, ...] = ()
    """Import, build, first call and compiling, judged likewise."""
    exhibits: Exhibits | None = None
    """None unless a report was asked for."""
    repeats: tuple[Session, ...] = ()
    """Further sessions that a plan asked for, each perhaps on another GPU; the verdict is on all of them."""


@dataclass(frozen=True)
class Run:
    """One invocation of the suite on one device."""

    id: str
    date: str
    device: Device
    results: tuple[Result, ...]
    chosen: tuple[str, ...] = ()
    """``workload/variant`` of all that was to run, in order; empty in files of before it was recorded."""
    asked: tuple[str, ...] = ()
    """``workload/variant`` of all that the run was to judge, also of what the device cannot run; empty where
    nothing was, and in files of before it was recorded."""
    timed: bool = True
    """False for an untimed pass: what such a run leaves takes no ladder's place."""

    @property
    def cut_off(self) -> tuple[str, ...]:
        """``workload/variant`` of what was measured and never judged: the run ended in between, or its test
        was skipped."""
        waiting = [r for r in self.results if r.session is not None and r.verdict is None]
        return tuple(f"{r.workload}/{r.variant}" for r in waiting) if self.timed else ()
