"""Kept sessions judged again: a change of the rule shows in seconds, without measuring."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.fieldtrial.outcomes import REFUSED, Judged
from perfsuite.fieldtrial.regimes import TrialError, is_slowed
from perfsuite.fieldtrial.rule import judge_run
from perfsuite.records import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from perfsuite.fieldtrial.regimes import Regime
    from perfsuite.fieldtrial.rule import Rule
    from perfsuite.fieldtrial.sessions import Moment, Pool
    from perfsuite.records import Session, Start


@dataclass(frozen=True)
class Replay:
    """What is drawn."""

    regimes: Sequence[Regime]
    slower: Sequence[int]
    variants: Sequence[str]
    stored: int = 3
    """Sessions of a baseline."""
    confirm: int = 4
    """Fresh sessions a suspect."""
    draws: int = 100
    """Runs a regime and amount of work."""
    seed: int = 1


@dataclass(frozen=True)
class Replayed:
    """What came of it."""

    judged: Sequence[Judged]
    left_out: Mapping[str, str]
    """Regimes and amounts of work that there are too few sessions for, with the reason."""
    planted: Sequence[str]
    """Loads and amounts of work whose sessions are those of unchanged code, lengthened."""


def replay(
    pool: Pool, plan: Replay, rule: Rule = judge_run, progress: Callable[[str], None] = lambda line: None
) -> Replayed:
    """Draw runs from kept sessions and judge them by the product's own rule.

    The baseline's sessions come from what was kept under the load of the regime's recording, unchanged; the
    candidate and the fresh sessions of a suspect under that of its checking, slowed. No session is on both
    sides. Where none was measured of that much more work, those of unchanged code are lengthened.

    Raises:
        TrialError: no regime has sessions enough, or they are of several workloads or kinds of device.
    """
    _check_alike(pool)
    judged: list[Judged] = []
    left_out: dict[str, str] = {}
    planted: dict[str, None] = {}
    for regime in plan.regimes:
        for slower in plan.slower:
            name = f"{regime.name} +{slower} %"
            stored = _with_all(pool.get((regime.recording, 0), []), plan.variants)
            fresh, lengthened = _slowed(pool, regime, slower, plan.variants)
            missing = _missing(regime, slower, stored, fresh, plan)
            if missing:
                left_out[name] = missing
                continue
            progress(f"{name}: {plan.draws} draws of {len(stored)} and {len(fresh)} moments")
            if lengthened:
                planted[f"{regime.checking} +{slower} %"] = None
            rng = random.Random(f"{plan.seed} {regime.name} {slower}")
            for number in range(plan.draws):
                draw = _draw(stored, fresh, plan, rng)
                judged += _judge(draw, plan, rule, regime, slower, number)
    if not judged:
        raise TrialError("nothing can be replayed: " + "; ".join(f"{k}: {v}" for k, v in left_out.items()))
    return Replayed(judged, left_out, tuple(planted))


def _check_alike(pool: Pool) -> None:
    kinds = {(m.device_kind, m.workload, m.protocol) for moments in pool.values() for m in moments}
    if len(kinds) > 1:
        said = "; ".join(sorted(", ".join(kind) for kind in kinds))
        raise TrialError(
            f"sessions that cannot be compared with each other: {said}; keep them in two folders"
        )


def _with_all(moments: Sequence[Moment], variants: Sequence[str]) -> list[Moment]:
    """Those with a session of every variant: rungs of one moment may be judged together."""
    return [moment for moment in moments if set(variants) <= moment.sessions.keys()]


def _slowed(
    pool: Pool, regime: Regime, slower: int, variants: Sequence[str]
) -> tuple[list[Moment], bool]:  # fmt: skip
    """Moments of slowed code under the load of checking, and whether they are lengthened ones."""
    measured = _with_all(pool.get((regime.checking, slower), []), variants)
    if measured:
        return measured, False
    unchanged = _with_all(pool.get((regime.checking, 0), []), variants)
    return [replace(m, sessions=_lengthened(m.sessions, slower)) for m in unchanged], bool(unchanged)


def _lengthened(sessions: Mapping[str, Session], slower: int) -> dict[str, Session]:
    return {v: lengthen(s, slower / 100) if is_slowed(v) else s for v, s in sessions.items()}


def lengthen(session: Session, share: float) -> Session:
    """The session as if its denoising steps, and each part of its start, had taken so much longer; without
    stages, the whole call."""
    stages, steps, start = session.stages, 1.0, session.start
    if stages is not None:
        in_steps = sum(stages.steps_s)
        steps = in_steps / (stages.text_encoders_s + in_steps + stages.vae_s + stages.other_s)
        stages = replace(stages, steps_s=tuple(s * (1 + share) for s in stages.steps_s))
    factor = 1 + share * steps
    relative = session.relative
    if relative is not None:
        relative = replace(relative, ratio=tuple(factor * r for r in relative.ratio))
    return replace(
        session,
        latency_s=tuple(factor * s for s in session.latency_s),
        throttled_s=tuple(factor * s for s in session.throttled_s),
        relative=relative,
        stages=stages,
        first_call_s=(1 + share) * session.first_call_s,
        compile_s=None if session.compile_s is None else (1 + share) * session.compile_s,
        start=None if start is None else _longer(start, 1 + share),
    )


def _longer(start: Start, factor: float) -> Start:
    imports_s = None if start.import_s is None else factor * start.import_s
    return replace(start, build_s=factor * start.build_s, import_s=imports_s)


def _missing(
    regime: Regime, slower: int, stored: Sequence[Moment], fresh: Sequence[Moment], plan: Replay
) -> str | None:
    """What there are too few of, or None."""
    checks = 1 + plan.confirm
    old, new = _roles(stored), _roles(fresh)
    enough = (
        _apart(stored, fresh, plan.stored, checks)
        and _apart(old.own, new.own, 1, 1)
        and _apart(old.alone, new.alone, plan.stored - 1, plan.confirm)
    )
    if enough:
        return None
    return (
        f"wanted {plan.stored} moments of {regime.recording}-0 and {checks} others of "
        f"{regime.checking}-{slower}, one on either side of a run's own process, found {_found(old)} and "
        f"{_found(new)}; measure more, or draw fewer with --sessions and --confirm"
    )


def _apart(one: Sequence[Moment], other: Sequence[Moment], of_one: int, of_other: int) -> bool:
    """Whether so many of each can be had, none twice."""
    sources = {moment.source for moment in (*one, *other)}
    return len(one) >= of_one and len(other) >= of_other and len(sources) >= of_one + of_other


def _found(roles: _Roles) -> str:
    if roles.own is roles.alone:
        return str(len(roles.own))
    return f"{len(roles.own)} + {len(roles.alone)}"


class _Roles(NamedTuple):
    """Moments by what a run takes them for; older sessions, which do not tell, serve for both."""

    own: Sequence[Moment]
    """Of the run's own process."""
    alone: Sequence[Moment]
    """Of fresh ones."""


def _roles(moments: Sequence[Moment]) -> _Roles:
    own = [moment for moment in moments if not moment.alone]
    alone = [moment for moment in moments if moment.alone]
    return _Roles(own, alone) if own and alone else _Roles(moments, moments)


@dataclass(frozen=True)
class _Draw:
    stored: Sequence[Moment]
    candidate: Moment
    fresh: Sequence[Moment]


def _draw(stored: Sequence[Moment], fresh: Sequence[Moment], plan: Replay, rng: random.Random) -> _Draw:
    """As a run makes them: the first session of either side comes from its own process, all further ones from
    fresh ones.

    All that is left of the candidate's side may be measured again; the rule takes what it needs. The side
    with fewer to choose from goes first, so that the other has enough left.
    """
    old, new = _roles(stored), _roles(fresh)
    candidate, first = _two(new.own, old.own, 1, 1, rng)
    kept = [*candidate, *first]
    again, others = _two(
        _without(new.alone, kept), _without(old.alone, kept), plan.confirm, plan.stored - 1, rng
    )
    left = _without(_without(new.alone, kept), [*again, *others])
    drawn = _in_order([*first, *others, *candidate, *again, *rng.sample(left, len(left))])
    return _Draw(drawn[: plan.stored], drawn[plan.stored], drawn[plan.stored + 1 :])


def _two(
    one: Sequence[Moment], other: Sequence[Moment], of_one: int, of_other: int, rng: random.Random
) -> tuple[list[Moment], list[Moment]]:
    """So many of each, none twice."""
    if len(other) <= len(one):
        second = rng.sample(list(other), of_other)
        return rng.sample(_without(one, second), of_one), second
    first = rng.sample(list(one), of_one)
    return first, rng.sample(_without(other, first), of_other)


def _in_order(moments: Sequence[Moment]) -> list[Moment]:
    """The moments with their dates handed out anew, so that the first is the oldest: rules look at them."""
    dates = sorted(min(s.date for s in moment.sessions.values()) for moment in moments)
    return [
        replace(moment, sessions={v: replace(s, date=date) for v, s in moment.sessions.items()})
        for moment, date in zip(moments, dates, strict=True)
    ]


def _without(moments: Sequence[Moment], taken: Sequence[Moment]) -> list[Moment]:
    sources = {moment.source for moment in taken}
    return [moment for moment in moments if moment.source not in sources]


def _next(moments: Iterator[Moment], variant: str) -> Session:
    moment = next(moments, None)
    if moment is None:
        raise TrialError(f"{variant}: the rule measures more often than there are kept sessions; keep more")
    return moment.sessions[variant]


def _judge(
    draw: _Draw, plan: Replay, rule: Rule, regime: Regime, slower: int, number: int
) -> Iterator[Judged]:
    fresh = {variant: iter(draw.fresh) for variant in plan.variants}
    baselines = {
        v: Entry(
            draw.candidate.workload, v, draw.candidate.protocol, tuple(m.sessions[v] for m in draw.stored)
        )
        for v in plan.variants
    }
    candidates = {v: draw.candidate.sessions[v] for v in plan.variants}
    verdicts = rule(
        baselines,
        candidates,
        lambda variant: _next(fresh[variant], variant),
        draw.candidate.device_kind,
        plan.confirm,
    )
    for variant in plan.variants:
        verdict = verdicts.get(variant)
        yield Judged(
            regime.name,
            slower,
            str(number),
            variant,
            slower > 0 and is_slowed(variant),
            REFUSED if verdict is None else verdict.status.value,
            None if verdict is None else verdict.minimum_detectable_effect,
        )
