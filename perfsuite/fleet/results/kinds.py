"""Which devices of one class are alike: the figures of no others stand under one header.

A class is what a plan takes for equal, by a pattern of names. What tells more of its devices apart is what
tells baselines apart, the device's slug and what no figure survives, and the driver, with which a history
begins anew.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.decision.surroundings import DECISIVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Device, Run

Facts = tuple[tuple[str, str], ...]
"""Names and values, sorted."""
_DRIVER = "driver"
_IN_SLUG = ("threads", "power_limit_w")


def recorded(run: Run) -> Facts | None:
    """What tells its device from others of the same slug; None where the run did not record it."""
    details = run.device.details
    around = next((r.session.environment for r in run.results if r.session and r.session.environment), None)
    if around is None and _DRIVER not in details:
        return None
    told = {**(around or {}), **details}
    # The others of DECISIVE are in the slug of a CPU already.
    beside = [name for name in (_DRIVER, *DECISIVE) if name not in _IN_SLUG]
    return tuple((n, told[n]) for n in sorted(beside) if n in told and (n not in details or n == _DRIVER))


@dataclass(frozen=True)
class Kind:
    """Devices of one class whose figures may be compared."""

    of: str
    """Name of the class."""
    device: Device
    """One of them."""
    beside: Facts
    """What else tells them from others of the same slug."""

    @property
    def key(self) -> tuple[str, Facts]:
        """Equal for those that are alike."""
        return self.device.slug, self.beside

    @property
    def facts(self) -> dict[str, str]:
        """What may tell it from another, for a person; the device's own name has none."""
        known = (_DRIVER, *DECISIVE, "power_limit_w")
        threads = {"threads": str(self.device.count)} if self.device.kind == "cpu" else {}
        details = {name: value for name, value in self.device.details.items() if name in known}
        return {"": self.device.name, **threads, **details, **dict(self.beside)}


def labels(kinds: Sequence[Kind]) -> list[str]:
    """What tells each from the others of its class, for a header; empty where all are alike."""
    classes: dict[str, dict[tuple[str, Facts], Kind]] = defaultdict(dict)
    for kind in kinds:
        classes[kind.of][kind.key] = kind
    return [_label(kind, list(classes[kind.of].values())) for kind in kinds]


def _label(kind: Kind, all_kinds: Sequence[Kind]) -> str:
    """The facts in which not all are alike; the slug too where they do not tell this one from all others."""
    if len(all_kinds) < 2:
        return ""
    every = [each.facts for each in all_kinds]
    names = dict.fromkeys(name for facts in every for name in facts)
    said = [
        [_said(name, facts.get(name)) for name in names if len({each.get(name) for each in every}) > 1]
        for facts in every
    ]
    own = said[[each.key for each in all_kinds].index(kind.key)]
    return ", ".join(own if said.count(own) == 1 else [*own, kind.device.slug])


def _said(name: str, value: str | None) -> str:
    words = name.replace("_", " ")
    return f"{words} {value}".strip() if value is not None else f"no {words}"
