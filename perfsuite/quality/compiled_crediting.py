"""Which planted mistake a value beyond its budget shows, and how near to where it was planted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from perfsuite.quality.faults.compiler.sites import Site
    from perfsuite.records import Deviation

OF_A_KIND = re.compile(r", all \d+ calls of (?P<operation>\S+) in ")
"""How a place names all values of one kind, which are judged together."""
_IN_A_MODULE = re.compile(r"\w+\.(?P<module>[^:,]+): ")


class Located(StrEnum):
    """How near a value beyond its budget is to where the mistake was planted."""

    YES = "yes"
    """In the module itself."""
    NEIGHBOUR = "neighbour"
    """In a module that reads what this one gives."""
    NO = "no"
    """It is seen farther on, or nowhere, or another mistake of the group may have caused it."""


@dataclass(frozen=True)
class Credit:
    """What of a look shows one mistake."""

    located: Located
    shown: tuple[Deviation, ...] = ()
    """What is beyond its budget at its module, or else beside it, or else where it can be seen first."""

    @property
    def worst(self) -> Deviation | None:
        """The farthest beyond its budget."""
        return max(self.shown, key=lambda each: each.ratio, default=None)


def credit(
    site: Site, others: Sequence[Site], found: Sequence[Deviation], honest: Collection[str] = ()
) -> Credit:
    """What shows one mistake and could show no other.

    `others`: what else was planted in the same code. `found`: what the look saw, in the order of a
    generation. `honest`: places that leave their budget where nothing is planted.
    """
    beyond = [
        each for each in found
        if each.ratio > 1 and each.place not in honest and component_in(each.place) == site.mistake.component
    ]  # fmt: skip
    places = [each.place for each in found]
    rivals = [other for other in others if other.mistake.component == site.mistake.component]
    tiers: tuple[tuple[Located, Collection[str]], ...] = (
        (Located.YES, site.modules),
        (Located.NEIGHBOUR, {*site.modules, *site.beside}),
        (Located.NO, site.around),
    )
    for located, modules in tiers:
        shown = tuple(each for each in beyond if _shows(each.place, modules, site, rivals, places))
        if shown:
            return Credit(located, shown)
    return Credit(Located.NO)


def _shows(
    place: str, modules: Collection[str], site: Site, rivals: Sequence[Site], places: Sequence[str]
) -> bool:
    """Whether a place is in these modules and no other mistake reaches it.

    All values of a kind show a mistake of several modules if each of them is in one of these.
    """
    kind = OF_A_KIND.search(place)
    if kind is None:
        return _in_one_of(module_in(place), modules) and not _reached(place, rivals)
    calls = [each for each in places if _is_call(each, kind["operation"], site.mistake.component)]
    several = bool(calls) and len(site.modules) > 1
    return several and all(
        _in_one_of(module_in(call), modules) and not _reached(call, rivals) for call in calls
    )


def _is_call(place: str, operation: str, component: str) -> bool:
    called = re.search(rf": {re.escape(operation)}\b", place)
    return called is not None and component_in(place) == component


def _reached(place: str, rivals: Sequence[Site]) -> bool:
    return any(_in_one_of(module_in(place), rival.around) for rival in rivals)


def _in_one_of(module: str, names: Collection[str]) -> bool:
    return any(is_same(module, name) for name in names)


def is_same(module: str, name: str) -> bool:
    """Whether a module has this name, in its component or within a block that is compiled alone."""
    return module == name or (bool(name) and module.endswith(f".{name}"))


def component_in(place: str) -> str:
    """The component's name, with which a place begins."""
    return re.split(r"\W", place, maxsplit=1)[0]


def module_in(place: str) -> str:
    """The module's name in a place; empty: the component itself."""
    match = _IN_A_MODULE.match(place)
    return match["module"] if match else ""
