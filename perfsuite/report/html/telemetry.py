"""The machine's state while the timed calls ran, with units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.report import format as show
from perfsuite.report.html.overview import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.records import Session

_UNITS = {"mhz": " MHz", "c": " °C", "w": " W", "busy": " cores"}
_READINGS = ("min", "median", "max")
_NAMES = {
    "control_s": "Control (fixed work)",
    "own_cores_busy": "Cores busy, this process",
    "other_cores_busy": "Cores busy, other processes",
}


def telemetry(session: Session) -> list[Fact]:
    """One line a condition; what was read before and after each round as least, middle and greatest."""
    seen = session.conditions
    found = []
    for name, value in seen.items():
        base, _, reading = name.rpartition("_")
        if reading in _READINGS and base:
            if reading == "min":
                found.append(_range(base, seen))
            elif f"{base}_min" not in seen:
                found.append(Fact(_label(name), _amount(base, value)))
            continue
        found.append(Fact(_label(name), _amount(name, value)))
    apart = {*session.throttled_s, *session.contended_s}
    rounds = len(session.latency_s) + len(apart - set(session.latency_s))
    return [*found, Fact("Rounds watched", f"n={rounds}"),
            Fact("All of this benchmark", show.seconds(session.wall_s))]  # fmt: skip


def _range(base: str, seen: Mapping[str, float | str]) -> Fact:
    values = [_amount(base, seen[f"{base}_{r}"]) for r in _READINGS if f"{base}_{r}" in seen]
    return Fact(f"{_label(base)} (least, middle, greatest)", " · ".join(values))


def _label(name: str) -> str:
    known = _NAMES.get(name)
    if known is not None:
        return known
    words = name.split("_")
    if len(words) > 1 and words[-1] in ("mhz", "c", "w", "s"):
        words.pop()
    return " ".join(words).capitalize()


def _amount(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if name.endswith("_s"):
        return show.seconds(value)
    return f"{value:.4g}{_UNITS.get(name.rpartition('_')[2], '')}"
