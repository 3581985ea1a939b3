"""Whether two sessions may be compared at all, and what of their surroundings differs where they may."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite.records import Cause, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import Entry, Session, Verdict

DECISIVE = (
    "instruction_set", "onednn_max_cpu_isa", "dnnl_max_cpu_isa", "mkl_enable_instructions", "threads",
    "cpu_quota",
)  # fmt: skip
"""Of `Session.environment`: what makes another machine of the same processor. No figure survives it."""
_BAD = (Status.REGRESSED, Status.INCONCLUSIVE)


def apart(one: Mapping[str, str], two: Mapping[str, str]) -> str:
    """What makes sessions of two environments incomparable, in words; empty where nothing does.

    An environment that was not recorded, as in older files, is like every other.
    """
    if not one or not two:
        return ""
    names = [n for n in DECISIVE if one.get(n) != two.get(n)]
    return _said(names, one, two)


def strange(stored: Session, session: Session) -> str:
    """What makes two sessions incomparable, in words; empty where nothing does."""
    return apart(stored.environment, session.environment)


def alike(entry: Entry, session: Session) -> Entry | None:
    """The entry with those sessions alone that the new one may be compared with; None if there is none."""
    kept = tuple(s for s in entry.sessions if not strange(s, session))
    return replace(entry, sessions=kept) if kept else None


def moved(stored: Sequence[Session], session: Session) -> str:
    """What of the surroundings is as in none of the stored sessions, in words: the environment, and the
    variables that libraries read."""
    now = _surroundings(session)
    known = [_surroundings(s) for s in stored if s.environment]
    if not known or not now:
        return ""
    names = sorted({*now, *(name for each in known for name in each)})
    strange = [name for name in names if now.get(name) not in [each.get(name) for each in known]]
    return _said(strange, known[-1], now)


def _surroundings(session: Session) -> dict[str, str]:
    if not session.environment:
        return {}
    variables = {k.removeprefix("env."): v for k, v in session.settings.items() if k.startswith("env.")}
    return {**session.environment, **variables}


def named_first(verdict: Verdict, stored: Sequence[Session], session: Session) -> Verdict:
    """The verdict, if it is a bad one with what of the surroundings moved before all else that it says."""
    said = moved(stored, session) if verdict.status in _BAD else ""
    if not said or Cause.ENVIRONMENT in verdict.causes:
        return verdict
    return replace(
        verdict,
        causes=(Cause.ENVIRONMENT, *verdict.causes),
        detail=f"the environment is not the baseline's ({said}); {verdict.detail}",
    )


def _said(names: Sequence[str], one: Mapping[str, str], two: Mapping[str, str]) -> str:
    def value(of: Mapping[str, str], name: str) -> str:
        return (of[name] or "empty") if name in of else "not set"

    return ", ".join(f"{name} {value(one, name)} -> {value(two, name)}" for name in names)
