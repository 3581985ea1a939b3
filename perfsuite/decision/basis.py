"""From sessions to a verdict: in seconds or relative to a variant, and fresh processes for suspects."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from perfsuite import decision
from perfsuite.decision.several import Spending, confirm, control_moved, is_suspect
from perfsuite.records import Cause, Session, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from perfsuite.records import Entry

    Measure = Callable[[], Session]
    """Measures one session in a fresh process; raises `perfsuite.workers.WorkerError`."""


class Basis(NamedTuple):
    """One way to compare: what the sessions are made of, and what is believed of their spread."""

    name: str
    baseline: list[tuple[float, ...]]
    settings: decision.DecisionSettings
    reference: str | None
    """None: seconds."""

    def samples(self, session: Session) -> tuple[float, ...]:
        """What is compared of a session."""
        if self.reference is None:
            return session.latency_s
        assert session.relative is not None
        return session.relative.ratio


def bases(entry: Entry, session: Session, device_kind: str) -> list[Basis]:
    """Seconds, and where both sides have it the latency relative to one reference variant."""
    found = [
        Basis(
            "seconds",
            [s.latency_s for s in entry.sessions],
            decision.DecisionSettings.for_device(device_kind),
            None,
        )
    ]
    if session.relative is not None:
        reference = session.relative.reference
        stored = [
            s.relative.ratio
            for s in entry.sessions
            if s.relative is not None and s.relative.reference == reference
        ]
        if stored:
            settings = decision.DecisionSettings.for_device(f"{device_kind}-relative")
            found.append(Basis(f"relative to {reference}", stored, settings, reference))
    return found


def judge(entry: Entry, session: Session, device_kind: str) -> tuple[Verdict, Basis]:
    """The verdict on one session by the basis that can find the smaller slowdown, and that basis.

    Where that one shows no regression but the other does, the other counts: what slows the reference
    variant as well shows in seconds alone.

    Raises:
        ValueError: samples that are not positive and finite.
    """
    return judge_sessions(entry, [session], device_kind)


def judge_sessions(entry: Entry, sessions: Sequence[Session], device_kind: str) -> tuple[Verdict, Basis]:
    """Do what `judge` does, with several new sessions; those without relative latency count in seconds only.

    Raises:
        ValueError: samples that are not positive and finite.
    """
    # The last one says what the others are compared by.
    related = [s for s in sessions if s.relative is not None]
    verdicts = []
    for basis in bases(entry, (related or sessions)[-1], device_kind):
        fresh = [
            s
            for s in sessions
            if basis.reference is None or (s.relative and s.relative.reference == basis.reference)
        ]
        verdict = decision.compare(basis.baseline, [basis.samples(s) for s in fresh], basis.settings)
        verdict = _with_control(_say(verdict, basis, entry), entry, fresh)
        verdicts.append((verdict, basis))
    verdicts.sort(key=lambda found: found[0].minimum_detectable_effect or 0.0)
    # A stable sort: the finer basis first, unless only the other is REGRESSED.
    verdicts.sort(key=lambda found: found[0].status is not Status.REGRESSED)
    verdict, basis = verdicts[0]
    if len(verdicts) > 1:
        other = verdicts[1][0]
        verdict = replace(
            verdict,
            detail=f"{verdict.detail}; judged by latency {_how(verdict)}, "
            f"{_how(other)} ({other.status}) finds {_percent(other.minimum_detectable_effect)} at the least",
        )
    return verdict, basis


BUSY_CORES = 0.5
"""Kept busy by others on average while the timed calls ran: on a CPU that is another process."""


def with_causes(verdict: Verdict, session: Session) -> Verdict:
    """The verdict with what the session itself says against its figures."""
    seen = session.conditions

    def number(name: str) -> float:
        value = seen.get(name, 0.0)
        return value if isinstance(value, float) else 0.0

    found = {
        Cause.NOT_STEADY: not session.warmup_steady,
        Cause.THROTTLED: bool(session.throttled_s) and set(session.throttled_s) <= set(session.latency_s),
        Cause.OTHER_PROCESS: number("other_processes_max") > 0
        or (not _on_gpu(seen) and number("other_cores_busy") > BUSY_CORES),
        Cause.HOST_BOUND: session.profile is not None and session.profile.host_bound,
    }
    causes = (*verdict.causes, *(cause for cause, holds in found.items() if holds))
    return replace(verdict, causes=tuple(dict.fromkeys(causes)))


def _on_gpu(seen: Mapping[str, float | str]) -> bool:
    """Whether the conditions are those of a GPU, also of one that tells nothing of itself."""
    return bool({"sm_clock_mhz_max", "nvml", "reserved_memory_bytes"} & seen.keys())


def _how(verdict: Verdict) -> str:
    return "in seconds" if verdict.basis == "seconds" else verdict.basis


def _percent(fraction: float | None) -> str:
    return "nothing" if fraction is None else f"{fraction * 100:.1f} %"


def _say(verdict: Verdict, basis: Basis, entry: Entry) -> Verdict:
    """Name the basis; the baseline's latency is in seconds in any case."""
    if basis.reference is None:
        return verdict
    seconds = statistics.fmean(statistics.median(s.latency_s) for s in entry.sessions)
    return replace(verdict, basis=basis.name, baseline_s=seconds, detail=f"{basis.name}: {verdict.detail}")


def _with_control(verdict: Verdict, entry: Entry, sessions: Sequence[Session]) -> Verdict:
    """A machine that got slower by as much as the benchmark is no regression of the code."""
    if verdict.status is not Status.REGRESSED or verdict.basis != "seconds" or verdict.interval is None:
        return verdict
    moved = control_moved(_controls(entry.sessions), _controls(sessions))
    if moved is None:
        return verdict
    lower = verdict.interval[0]
    verdict = replace(verdict, causes=tuple(dict.fromkeys((*verdict.causes, Cause.NOISY_MACHINE))))
    said = f"the control benchmark, fixed work, is {(moved - 1) * 100:.1f} % slower too"
    if lower > moved:
        return replace(verdict, detail=f"{verdict.detail}; {said}, which does not explain it")
    return replace(
        verdict, status=Status.INCONCLUSIVE, detail=f"{verdict.detail}; {said}: the machine has moved"
    )


def _controls(sessions: Sequence[Session]) -> list[float]:
    found = (s.conditions.get("control_s") for s in sessions)
    return [value for value in found if isinstance(value, float)]


class Confirmation:
    """Stage two over one run: suspects are measured again, at levels that keep the whole run's risk."""

    def __init__(self, count: int) -> None:
        """`count`: fresh sessions a suspect; with 0 nothing is confirmed."""
        self._count = count
        self._spending = Spending()

    def wanted(self, verdict: Verdict) -> bool:
        """Whether this verdict calls for fresh processes."""
        return self._count > 0 and is_suspect(verdict)

    def run(
        self,
        entry: Entry,
        first: Session,
        verdict: Verdict,
        basis: Basis,
        device_kind: str,
        measure: Measure,
        progress: Callable[[str], None],
    ) -> Verdict:
        """Measure fresh sessions of a suspect and judge by them.

        Raises:
            WorkerError: a fresh process failed; nothing is confirmed then.
        """
        fresh: list[Session] = []
        for number in range(1, self._count + 1):
            progress(f"suspect ({verdict.status}, {_change(verdict.ratio)}): "
                     f"fresh process {number} of {self._count}")  # fmt: skip
            fresh.append(measure())
        if basis.reference is not None and any(s.relative is None for s in fresh):
            basis = bases(entry, replace(first, relative=None), device_kind)[0]
        judged = confirm(
            basis.baseline,
            basis.samples(first),
            [basis.samples(s) for s in fresh],
            basis.settings,
            alpha=self._spending.level,
        )
        if judged.p_value is not None:
            self._spending.spend(min(max(judged.p_value, 0.0), 1.0))
        judged = _say(judged, basis, entry)
        judged = _with_control(judged, entry, fresh)
        progress(f"suspect: {judged.status} after {self._count} fresh processes")
        return replace(
            judged,
            detail=f"{judged.detail}; at first {verdict.status}, {_change(verdict.ratio)}",
        )


def _change(ratio: float | None) -> str:
    return "no ratio" if ratio is None else f"{(ratio - 1) * 100:+.1f} %"
