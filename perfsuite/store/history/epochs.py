"""Events that a history finds by itself: another driver, another machine, another protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perfsuite.decision.surroundings import DECISIVE
from perfsuite.records import HistoryEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MACHINE = (*DECISIVE, "allocator", "governor", "turbo", "code_for")
"""Surroundings that move a level. Kernel, cores and memory limit are kept with the environment and are no
events: on rented machines they change from night to night and hardly ever move a figure."""
_NO_MACHINE = ("index", "driver", "nvml", "cuda")
"""Details of a device that are none of the machine's, or have a kind of their own."""


class Ran(NamedTuple):
    """What a run tells of its machine."""

    night: str
    machine: Mapping[str, str]
    surroundings: Mapping[str, str]
    protocols: Mapping[str, str]
    """By workload; of variants that load files of their own also by ``workload/variant``."""


def events_of(device: str, runs: Sequence[Ran]) -> list[HistoryEvent]:
    """What changed from run to run of one device, in their order.

    What a run does not tell, as runs that measured nothing and older files, is as it was.
    """
    found: list[HistoryEvent] = []
    around: Mapping[str, str] = {}
    machine: Mapping[str, str] = {}
    protocols: dict[str, str] = {}
    for run in runs:
        found += (HistoryEvent(device, run.night, *what) for what in _surroundings(around, run.surroundings))
        # What is told twice is said once.
        names = [n for n in run.machine if n in machine and n not in (*_NO_MACHINE, *run.surroundings)]
        details = _said(machine, run.machine, names)
        if details:
            found.append(HistoryEvent(device, run.night, "machine", details))
        for workload, protocol in run.protocols.items():
            if protocols.get(workload, protocol) != protocol:
                text = f"{protocols[workload]} -> {protocol}"
                found.append(HistoryEvent(device, run.night, "protocol", text, workload))
        if _is_told(run.surroundings):
            around = run.surroundings
        machine = {**machine, **run.machine}
        protocols |= run.protocols
    return found


def _is_told(surroundings: Mapping[str, str]) -> bool:
    """Whether a session recorded them; each has an allocator."""
    return "allocator" in surroundings


def _surroundings(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if not (_is_told(then) and _is_told(now)):
        return
    for kind, names in (("driver", ("driver",)), ("machine", MACHINE)):
        # Code is generated for something only where something was counted.
        said = _said(then, now, [n for n in names if n != "code_for" or (n in then and n in now)])
        if said:
            yield kind, said


def _said(then: Mapping[str, str], now: Mapping[str, str], names: Sequence[str]) -> str:
    return ", ".join(
        f"{name} {then.get(name, 'not set')} -> {now.get(name, 'not set')}"
        for name in names
        if then.get(name) != now.get(name)
    )
