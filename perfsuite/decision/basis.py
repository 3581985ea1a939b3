"""From sessions to a verdict: what is compared, and which side moved.

A latency is known three ways: in seconds, which drift with the machine; relative to a reference variant,
measured in turns with it, which is blind to what slows both; and in units of fixed work that is not made of
torch, measured in the same turns. The finest one decides. What contradicts it is heard: a variant that got
slower relative to float32, and not by its own latency, was left standing by a faster float32.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from perfsuite import decision
from perfsuite.decision.comparisons import MINIMUM_SESSIONS
from perfsuite.decision.estimates import compare_estimates
from perfsuite.decision.gpus import Sides
from perfsuite.decision.several import control_moved
from perfsuite.decision.verdicts import judge as judge_samples
from perfsuite.decision.wording import change, signed_change
from perfsuite.records import FIXED_WORK, Cause, Session, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import Entry

RATIO_TOLERANCE = 0.05
"""Slowdown of a ratio that is accepted on a CPU. With 4 % half of all unchanged code stays INCONCLUSIVE where
three stored sessions scatter by 2.6 %, as those of bf16 do."""


class Basis(NamedTuple):
    """One way to compare: what the sessions are made of, and what is believed of their spread."""

    name: str
    baseline: list[tuple[float, ...]]
    settings: decision.DecisionSettings
    reference: str | None
    """None: seconds."""
    gpus: tuple[str, ...]
    """Of each stored session."""

    def sides(self, sessions: Sequence[Session]) -> Sides:
        """The GPUs of what is stored, and of new sessions."""
        return Sides(self.gpus, tuple(s.gpu for s in sessions))

    def samples(self, session: Session) -> tuple[float, ...]:
        """What is compared of a session; nothing where it was not measured."""
        found = samples_of(session, self.reference)
        assert found, self.name
        return found

    def has(self, session: Session) -> bool:
        """Whether the session can be compared in this way."""
        return bool(samples_of(session, self.reference))

    def compare(self, sessions: Sequence[Session], alarm: float | None = None) -> Verdict:
        """Judge new sessions by what is stored; with a greatest p-value as a confirmation is judged.

        Raises:
            ValueError: samples that are not positive and finite.
        """
        fresh, gpus = [self.samples(s) for s in sessions], self.sides(sessions)
        if self.reference is not None:
            verdict = compare_estimates(self.baseline, fresh, self.settings, alarm, gpus)
        elif alarm is None:
            verdict = decision.compare(self.baseline, fresh, self.settings, gpus)
        else:
            verdict = judge_samples(self.baseline, fresh, self.settings, alarm, apart=True, gpus=gpus)
        return replace(verdict, basis=self.name)


def samples_of(session: Session, reference: str | None) -> tuple[float, ...]:
    """What is compared of a session: seconds, or units of a reference that was measured in turns with it."""
    if reference is None:
        return session.latency_s
    relative = session.relative
    if relative is None:
        return ()
    if relative.reference == reference:
        return relative.ratio
    if reference == FIXED_WORK:
        return tuple(
            ratio * reference_s / fixed_s
            for ratio, reference_s, fixed_s in zip(
                relative.ratio, relative.reference_s, relative.fixed_work_s, strict=False
            )
        )
    return ()


def bases(entry: Entry, session: Session, device_kind: str) -> list[Basis]:
    """Seconds, and where both sides have it the latency relative to a reference variant and to fixed work."""
    found = [_basis(entry, None, device_kind)]
    references = [session.relative.reference] if session.relative is not None else []
    for reference in dict.fromkeys([*references, FIXED_WORK]):
        basis = _basis(entry, reference, device_kind)
        if basis.baseline and basis.has(session):
            found.append(basis)
    return found


def _basis(entry: Entry, reference: str | None, device_kind: str) -> Basis:
    having = [s for s in entry.sessions if samples_of(s, reference)]
    stored, gpus = [samples_of(s, reference) for s in having], tuple(s.gpu for s in having)
    if reference is None:
        return Basis("seconds", stored, decision.DecisionSettings.for_device(device_kind), None, gpus)
    prior = "fixed-work" if reference == FIXED_WORK and device_kind == "cpu" else "relative"
    tolerance = RATIO_TOLERANCE if device_kind == "cpu" else decision.TOLERANCE
    settings = decision.DecisionSettings.for_device(f"{device_kind}-{prior}", tolerance=tolerance)
    return Basis(f"relative to {reference}", stored, settings, reference, gpus)


def judge(entry: Entry, session: Session, device_kind: str) -> tuple[Verdict, Basis]:
    """The verdict on one session, and the basis that it rests on; see `judge_sessions`.

    Raises:
        ValueError: samples that are not positive and finite.
    """
    return judge_sessions(entry, [session], device_kind)


def judge_sessions(
    entry: Entry, sessions: Sequence[Session], device_kind: str, alarm: float | None = None
) -> tuple[Verdict, Basis]:
    """Judge new sessions by the recent ones that are stored, and by those that were recorded first.

    Only fit sessions have a weight (`Session.unfit`). Where enough of the stored ones are of the new ones'
    GPU, they alone are compared; else what GPUs of one model differ by widens the interval. Slower than the
    first ones alone is DRIFT: each night's session must not carry its baseline along.

    Args:
        entry: what is stored.
        sessions: one new session or more; those without relative latency count in seconds only.
        device_kind: ``cpu`` or ``cuda``.
        alarm: greatest p-value of REGRESSED, as for a confirmation; that of a first look by default.

    Raises:
        ValueError: samples that are not positive and finite.
    """
    stored = [s for s in entry.sessions if not s.unfit]
    fresh = [s for s in sessions if not s.unfit]
    if not stored or not fresh:
        return _unfit(entry, sessions, device_kind, stored)
    usable = _of_the_same_gpu(replace(entry, sessions=tuple(stored)), fresh)
    verdict, basis = _judge_usable(usable, fresh, device_kind, alarm)
    if len(usable.sessions) < len(stored):
        same = f"of the stored sessions the {len(usable.sessions)} of {len(stored)} of the same GPU"
        verdict = replace(verdict, detail=f"{verdict.detail}; {same}")
    return verdict, basis


def _of_the_same_gpu(entry: Entry, fresh: Sequence[Session]) -> Entry:
    """With the stored sessions alone that are of the new ones' one GPU, where they are enough; else all."""
    gpus = {session.gpu for session in fresh}
    same = tuple(s for s in entry.sessions if s.gpu and {s.gpu} == gpus)
    return replace(entry, sessions=same) if len(same) >= MINIMUM_SESSIONS else entry


def _judge_usable(
    usable: Entry, fresh: Sequence[Session], device_kind: str, alarm: float | None
) -> tuple[Verdict, Basis]:
    """Against the recent sessions, and those that were recorded first."""
    first = usable.first
    verdict, basis = _judge_fit(usable.recent, fresh, device_kind, alarm)
    if verdict.status is not Status.REGRESSED and first != usable.recent:
        since, by = _judge_fit(first, fresh, device_kind, alarm)
        if since.status is Status.REGRESSED:
            of = f"of {first.sessions[0].date[:10]} to {first.sessions[-1].date[:10]}"
            since = _because(since, Cause.DRIFT, f"against the sessions recorded first, {of}; against "
                             f"the recent ones {verdict.status}, {signed_change(verdict.ratio)}")  # fmt: skip
            return since, by
    return verdict, basis


def _judge_fit(
    entry: Entry, sessions: Sequence[Session], device_kind: str, alarm: float | None
) -> tuple[Verdict, Basis]:
    """The verdict by the basis that can find the smallest slowdown, unless another contradicts it."""
    # The last one says what the others are compared by.
    related = [s for s in sessions if s.relative is not None]
    judged: dict[str, tuple[Verdict, Basis]] = {}
    for basis in bases(entry, (related or sessions)[-1], device_kind):
        fresh = [s for s in sessions if basis.has(s)]
        verdict = _say(basis.compare(fresh, alarm), basis, entry)
        if basis.reference is None:
            verdict = _with_control(verdict, entry, fresh)
        judged[basis.name] = verdict, basis
    seconds, fixed = judged["seconds"], judged.get(f"relative to {FIXED_WORK}")
    own = fixed or seconds
    relative = next((v for b, v in judged.items() if v not in (seconds, fixed)), None)
    if fixed is not None:
        del judged["seconds"]  # the same latency, without what steadies it
    if relative is not None:
        judged[relative[1].name] = _heard(relative[0], own[0]), relative[1]
        relative = judged[relative[1].name]
    # The finest first, unless only another is REGRESSED.
    ordered = sorted(
        judged.values(),
        key=lambda found: (
            found[0].status is not Status.REGRESSED,
            found[0].minimum_detectable_effect or 0.0,
        ),
    )
    verdict, basis = ordered[0]
    if verdict.status is Status.REGRESSED and relative is not None and _stood(relative[0], verdict):
        verdict = _alike(verdict, relative[1], steady=fixed is not None or _control_stood(entry, sessions))
    if len(ordered) > 1:
        verdict = replace(
            verdict, detail=f"{verdict.detail}; judged by latency {_how(verdict)}, {_others(ordered[1:])}"
        )
    return verdict, basis


def _heard(relative: Verdict, own: Verdict) -> Verdict:
    """What relative latency says; where the variant's own contradicts it, it was the reference that moved."""
    if relative.ratio is None or own.interval is None or own.ratio is None:
        return relative
    slower = relative.status is Status.REGRESSED and own.interval[1] < relative.ratio
    faster = relative.status is Status.IMPROVED and own.interval[0] > relative.ratio
    if not (slower or faster):
        return relative
    status = Status.OK if own.status in (Status.OK, Status.IMPROVED) else Status.INCONCLUSIVE
    return _because(
        replace(relative, status=status),
        Cause.REFERENCE_MOVED,
        f"but {_how(own)} the variant is {change(own.ratio)}: it is the reference that "
        f"became {'faster' if slower else 'slower'}, or was disturbed when it was recorded; "
        "record the baselines anew (--perf-update=reset)",
    )


def _stood(relative: Verdict, slower: Verdict) -> bool:
    """Whether relative latency rules out a slowdown that is seen by another basis."""
    if relative.interval is None or slower.ratio is None or relative.basis == slower.basis:
        return False
    return relative.interval[1] < slower.ratio


def _alike(verdict: Verdict, relative: Basis, *, steady: bool) -> Verdict:
    """Slower, and the reference as well: REGRESSED only where something else is known to have stood still."""
    status = Status.REGRESSED if steady else Status.INCONCLUSIVE
    return _because(
        replace(verdict, status=status),
        Cause.EVERYTHING_SLOWER,
        f"{relative.reference} slowed down alike: what both are made of, or the machine; "
        "`perfsuite ab` tells",
    )


def _control_stood(entry: Entry, sessions: Sequence[Session]) -> bool:
    """Whether the control benchmark was measured on both sides; where it moved, no verdict came so far."""
    return bool(_controls(entry.sessions) and _controls(sessions))


def _unfit(
    entry: Entry, sessions: Sequence[Session], device_kind: str, stored: Sequence[Session]
) -> tuple[Verdict, Basis]:
    """INCONCLUSIVE, with the figures that there are, and why they have no weight."""
    basis = bases(entry, sessions[-1], device_kind)[0]
    verdict = _say(basis.compare(sessions), basis, entry)
    if stored:
        why = f"this session has no weight: {sessions[-1].unfit}"
    else:
        why = (
            f"no stored session has a weight: {entry.sessions[-1].unfit}; record again with --perf-update=new"
        )
    return _because(replace(verdict, status=Status.INCONCLUSIVE), Cause.UNFIT_SESSION, why), basis


def _because(verdict: Verdict, cause: Cause, why: str) -> Verdict:
    causes = tuple(dict.fromkeys((*verdict.causes, cause)))
    return replace(verdict, causes=causes, detail=f"{verdict.detail}; {why}")


def _others(judged: Sequence[tuple[Verdict, Basis]]) -> str:
    return ", ".join(
        f"{_how(verdict)} ({verdict.status}) finds {_percent(verdict.minimum_detectable_effect)} at the least"
        for verdict, _ in judged
    )


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
    return replace(verdict, baseline_s=seconds, detail=f"{basis.name}: {verdict.detail}")


def _with_control(verdict: Verdict, entry: Entry, sessions: Sequence[Session]) -> Verdict:
    """A machine that got slower by as much as the benchmark is no regression of the code."""
    if verdict.status is not Status.REGRESSED or verdict.interval is None:
        return verdict
    moved = control_moved(_controls(entry.sessions), _controls(sessions))
    if moved is None:
        return verdict
    lower = verdict.interval[0]
    said = f"the control benchmark, fixed work, is {(moved - 1) * 100:.1f} % slower too"
    if lower > moved:
        return _because(verdict, Cause.NOISY_MACHINE, f"{said}, which does not explain it")
    return _because(
        replace(verdict, status=Status.INCONCLUSIVE), Cause.NOISY_MACHINE, f"{said}: the machine has moved"
    )


def _controls(sessions: Sequence[Session]) -> list[float]:
    found = (s.conditions.get("control_s") for s in sessions)
    return [value for value in found if isinstance(value, float)]
