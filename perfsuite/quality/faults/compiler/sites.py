"""Where mistakes have their place in a variant's graphs, and which of them can stand in one graph."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.quality.compiled.graph import WITHOUT_END, module_of, taps_of
from perfsuite.quality.faults.compiler.captured import distance

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from perfsuite.quality.faults.compiler.captured import Captured
    from perfsuite.quality.faults.compiler.mistake import Mistake


@dataclass(frozen=True)
class Site:
    """A mistake in the graphs of one variant."""

    mistake: Mistake
    modules: tuple[str, ...]
    """In which it is planted; in a block that is compiled alone by their name within it."""
    beside: frozenset[str] = frozenset()
    """Modules that read directly what those compute: a value that is looked at there may show it too."""
    reached: frozenset[str] = frozenset()
    """Of the values behind it that are looked at first, and so may show it."""
    change: float = 0.0
    """Relative L2 distance that it alone makes at the graph's outputs, run operator by operator."""

    @property
    def around(self) -> frozenset[str]:
        """All modules in which it may be seen."""
        return self.beside | self.reached | set(self.modules)


def site_of(mistake: Mistake, graphs: Sequence[Captured]) -> Site | None:
    """Plant a mistake in copies of the graphs and see what it changes; None where it has no place."""
    modules: list[str] = []
    beside: set[str] = set()
    reached: set[str] = set()
    change = 0.0
    for graph in graphs:
        if mistake.changes(graph.component):
            planted, made, _ = graph.with_mistake(mistake)
            modules += planted
            beside |= readers(graph.traced, planted)
            reached |= first_seen(graph.traced, planted)
            change = max(change, distance(made, graph.outputs))
    if not modules:
        return None
    return Site(mistake, tuple(dict.fromkeys(modules)), frozenset(beside), frozenset(reached), change)


def readers(graph: Any, modules: Collection[str]) -> set[str]:
    """Modules other than these that take what one of these gives."""
    own = [node for node in graph.nodes if _computes(node) and module_of(node) in modules]
    return {module_of(user) for node in own for user in node.users if _computes(user)} - set(modules)


def first_seen(graph: Any, modules: Collection[str]) -> set[str]:
    """Modules of the taps that are passed first on any way from one of these modules."""
    taps = {tap.name for tap in taps_of(graph, WITHOUT_END)}
    left = [node for node in graph.nodes if _computes(node) and module_of(node) in modules]
    known, found = set(left), set()
    while left:
        node = left.pop()
        if node.name in taps:
            found.add(module_of(node))
            continue
        left += [user for user in node.users if user not in known]
        known.update(node.users)
    return found


def _computes(node: Any) -> bool:
    return node.op in ("call_function", "call_method", "call_module")


def apart(one: Site, other: Site) -> bool:
    """Whether nothing that shows one could have been caused by the other."""
    same_model = one.mistake.component == other.mistake.component
    return not (same_model and one.around & other.around)


def in_groups(sites: Sequence[Site], graphs: Sequence[Captured]) -> list[tuple[Site, ...]]:
    """Mistakes that can stand in one graph: apart pairwise, and each planted there where it is alone.

    Those that are seen in most modules come first, so that others fill what is left. Equal mistakes and
    graphs give equal groups.
    """
    groups: list[list[Site]] = []
    for site in sorted(sites, key=lambda each: (-len(each.around), each.mistake.name)):
        for group in groups:
            if all(apart(site, other) for other in group) and _stand([*group, site], graphs):
                group.append(site)
                break
        else:
            groups.append([site])
    return [tuple(group) for group in groups]


def _stand(group: Sequence[Site], graphs: Sequence[Captured]) -> bool:
    """Whether each is planted where it is planted alone: one may take away what another looks for."""
    together: dict[str, list[str]] = {site.mistake.name: [] for site in group}
    for name, modules in _planted(group, graphs):
        together[name] += modules
    return all(set(together[site.mistake.name]) == set(site.modules) for site in group)


def _planted(group: Sequence[Site], graphs: Sequence[Captured]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for graph in graphs:
        concerned = [site.mistake for site in group if site.mistake.changes(graph.component)]
        changed = copy.deepcopy(graph.module.graph) if concerned else None
        for mistake in concerned:
            yield mistake.name, mistake.plant(changed)
