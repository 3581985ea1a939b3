"""What people said of changes: ``decisions.toml`` in a repository, reviewed there, and the database.

The file is a list of tables, each of one decision::

    [[decision]]
    change = "3f2a91c0de"
    state = "ignored"
    reason = "waits for the fix upstream"
    who = "ada"
    until = "torch>=2.14"

An entry is taken over into the database once. What is said later, in either, holds; to say the same again,
give the entry another ``date``.
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from perfsuite.records import Decision, State
from perfsuite.store.errors import Place, StoreError
from perfsuite.tracking.life.states import DECISIONS
from perfsuite.tracking.life.until import Until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from perfsuite.records import Change

_NEEDED = ("change", "state", "reason", "who")
_FIELDS = (*_NEEDED, "until", "date")
_REMEDY = "correct it; perfsuite guide tracking shows a file"


class DecisionError(ValueError):
    """A decision that makes no sense; the message says why and what would."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        self.field, self.problem, self.remedy = field, problem, remedy
        super().__init__(f"{field}: {problem}; {remedy}")


def decision(
    changes: Mapping[str, Change], change: str, state: str, who: str, when: str, reason: str,
    until: str | None = None,
) -> Decision:  # fmt: skip
    """One decision, checked.

    Args:
        changes: all that there are, by id.
        change: id, or the beginning of one.
        state: one of `DECISIONS`.
        who: said it.
        when: ISO date, or date and time.
        reason: why.
        until: with ``ignored`` alone: a date, or a version.

    Raises:
        DecisionError: it makes no sense.
    """
    id = known_id(changes, change)
    if state not in DECISIONS:
        raise DecisionError("state", f"{state!r} is none that a person can choose", f"choose {_choices()}")
    for field, text in (("reason", reason), ("who", who)):
        if not text.strip():
            raise DecisionError(field, "is empty", "say it: others will read it")
    if (state == State.IGNORED) != (until is not None):
        problem = "is missing" if until is None else f"{until!r} is given with state {state!r}"
        raise DecisionError("until", problem, 'it belongs to state "ignored", and must be there with it')
    if until is not None:
        try:
            Until.of(until)
        except ValueError as error:
            raise DecisionError("until", str(error), "give one of the two") from error
    return Decision(id, State(state), who, when, reason, until)


def _choices() -> str:
    return ", ".join(DECISIONS)


def known_id(changes: Mapping[str, Change], id: str) -> str:
    """The id that is meant by it or its beginning.

    Raises:
        DecisionError: none, or several; the message names those that are near.
    """
    if id in changes:
        return id
    begun = [each for each in changes if id and each.startswith(id)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise DecisionError("change", f"{id!r} may be {', '.join(sorted(begun)[:5])}", "give more of it")
    near = difflib.get_close_matches(id, changes, n=3, cutoff=0.5)
    said = "; ".join(f"{each} ({changes[each].series.name})" for each in near)
    hint = f"near are {said}" if near else "perfsuite track list shows those that there are"
    raise DecisionError("change", f"there is no change {id!r}", hint)


def read(path: Path, changes: Iterable[Change], now: str) -> tuple[Decision, ...]:
    """The decisions of a file, in its order; those without a date are of `now`.

    Raises:
        StoreError: the file cannot be read, or one of its entries makes no sense.
    """
    place = Place(path, _REMEDY)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise place.error(f"cannot be read ({error.strerror})", "name a file that is there") from error
    except ValueError as error:  # of TOML or of UTF-8
        raise place.error(f"is no TOML ({error})") from error
    for field in document:
        if field != "decision":
            raise place.at(field=field).error("is unknown", "each decision is a table [[decision]]")
    entries = document.get("decision", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise place.at(field="decision").error("is no list of tables", "begin each with [[decision]]")
    by_id = {change.id: change for change in changes}
    return tuple(_read(entry, place.at(entry=str(i)), by_id, now) for i, entry in enumerate(entries, 1))


def _read(entry: Mapping[str, Any], place: Place, changes: Mapping[str, Change], now: str) -> Decision:
    for field in entry:
        if field not in _FIELDS:
            near = difflib.get_close_matches(field, _FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_FIELDS)}"
            raise place.at(field=field).error("is unknown", hint)
    for field in _NEEDED:
        if field not in entry:
            raise place.at(field=field).error("is missing", "every decision has one")
    texts = {field: _text(value, place.at(field=field)) for field, value in entry.items()}
    when = texts.get("date", now)
    try:
        datetime.fromisoformat(when)
    except ValueError as error:
        raise place.at(field="date").error(f"{when!r} is no date", "write it as 2026-12-24") from error
    try:
        return decision(
            changes, texts["change"], texts["state"], texts["who"], when, texts["reason"], texts.get("until")
        )
    except DecisionError as error:
        raise place.at(field=error.field).error(error.problem, error.remedy) from error


def _text(value: object, place: Place) -> str:
    if isinstance(value, date):  # a date and time is one, too
        return value.isoformat()
    if not isinstance(value, str):
        raise place.error(f"{value!r} is no text", "write it in quotes")
    return value


def fresh(said: Sequence[Decision], stored: Iterable[Decision], now: str) -> tuple[Decision, ...]:
    """Those of a file that are not in the database yet.

    `now` is what `read` was given: an entry without a date of its own is the same whenever it was stored.
    """
    known = {_identity(each) for each in stored}
    dated = known | {(*_identity(each), each.date) for each in stored}
    found = []
    for each in said:
        identity = _identity(each) if each.date == now else (*_identity(each), each.date)
        if identity not in dated:
            found.append(each)
            dated |= {_identity(each), (*_identity(each), each.date)}
    return tuple(found)


def _identity(said: Decision) -> tuple[str, ...]:
    return said.change, said.state, said.who, said.reason, said.until or ""


__all__ = ["DecisionError", "StoreError", "decision", "fresh", "known_id", "read"]
