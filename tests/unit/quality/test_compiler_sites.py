"""Where mistakes have their place, what reads from there, and which of them stand in one graph."""

from __future__ import annotations

import copy
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from perfsuite.quality.faults.compiler import OWN, Mistake
from perfsuite.quality.faults.compiler.sites import Site, apart, first_seen, in_groups, readers, site_of

F = torch.nn.functional


def graph_of(*steps: tuple[str, Any, str, tuple[Any, ...]]) -> Any:
    """Dynamo's graph of calls: name, function, module and arguments, of which text names other nodes."""
    graph = torch.fx.Graph()
    nodes = {"x": graph.placeholder("x")}
    for name, function, module, arguments in steps:
        given = tuple(nodes[a] if isinstance(a, str) else a for a in arguments)
        nodes[name] = graph.call_function(function, given)
        nodes[name].meta["nn_module_stack"] = {
            name: (f"L['self'].{module}" if module else "L['self']", object)
        }
    for node in graph.nodes:
        node.meta["example_value"] = torch.ones(2)
    graph.output((nodes[name],))
    return graph


BLOCK = graph_of(
    ("normed", F.layer_norm, "block.norm", ("x",)),
    ("bent", F.silu, "block.act", ("normed",)),
    ("kept", F.dropout, "block.drop", ("bent", 0.1, False, False)),
    ("product", F.linear, "block.proj", ("kept", "x")),
    ("sum", torch.add, "block", ("product", "x")),
    ("out", F.silu, "after", ("sum",)),
)


@pytest.mark.parametrize(
    ("module", "beside", "seen"),
    [
        ("block.norm", {"block.act"}, {"block.act"}),
        ("block.act", {"block.drop"}, {"block.act"}),
        ("block.proj", {"block"}, {"block.proj"}),
        ("block", {"after"}, {"after"}),
        ("nowhere", set(), set()),
    ],
)
def test_what_reads_from_a_module_and_where_it_is_seen_first(
    module: str, beside: set[str], seen: set[str]
) -> None:
    """Direct readers alone; on the way to what is looked at, whatever lies between."""
    assert readers(BLOCK, (module,)) == beside
    assert first_seen(BLOCK, (module,)) == seen


def test_a_dropout_in_training_is_no_view() -> None:
    """It computes something; outside of training what it is given is looked at in its place."""
    training = graph_of(
        ("bent", F.silu, "act", ("x",)),
        ("kept", F.dropout, "drop", ("bent", 0.1, True, False)),
        ("product", F.linear, "proj", ("kept", "x")),
    )
    assert first_seen(training, ("act",)) == {"drop"}


def site(name: str, *around: str, component: str = "unet", plant: Any = None) -> Site:
    mistake = Mistake(name, name, OWN, component, plant or (lambda graph: around[:1]))
    return Site(mistake, around[:1], frozenset(around[1:]))


def captured(component: str = "unet", **fields: Any) -> Any:
    return SimpleNamespace(component=component, module=SimpleNamespace(graph=SimpleNamespace(**fields)))


def test_nothing_that_shows_one_is_caused_by_another() -> None:
    """Neighbours of the same module are not apart; those in another component's graph are."""
    assert apart(site("a", "m", "n"), site("b", "o"))
    assert not apart(site("a", "m", "n"), site("b", "n"))
    assert not apart(site("a", "m", "n"), site("b", "o", "n"))
    assert apart(site("a", "m", "n"), site("b", "m", "n", component="vae"))


SITES = [
    site("everywhere", "m", "n", "o", "p"),
    *(site(f"one-{i}", f"m{i}", f"m{i + 1}") for i in range(6)),
    site("lone", "m"),
    site("decoder", "m", component="vae"),
]
GRAPHS = [captured(), captured("vae")]


def test_each_mistake_is_in_one_group_with_others_that_are_apart() -> None:
    """And the wide ones do not stand alone."""
    groups = in_groups(SITES, GRAPHS)
    assert sorted(s.mistake.name for group in groups for s in group) == sorted(s.mistake.name for s in SITES)
    for group in groups:
        assert all(apart(one, other) for one, other in itertools.combinations(group, 2))
    assert len(groups) == 2


def test_equal_mistakes_make_equal_groups() -> None:
    """In whatever order they come, for groups are chosen by their number."""
    assert in_groups(SITES[::-1], GRAPHS) == in_groups(SITES, GRAPHS)


def test_a_mistake_that_another_would_move_is_not_in_its_group() -> None:
    """One that adds a convolution changes which one is in the middle."""

    def adding(graph: Any) -> tuple[str, ...]:
        graph.convolutions += 1
        return ("a",)

    def choosing(graph: Any) -> tuple[str, ...]:
        return ("b",) if graph.convolutions == 1 else ("c",)

    first, moved, other = site("1", "a", plant=adding), site("2", "b", plant=choosing), site("3", "d")
    graph = captured(convolutions=1)
    assert in_groups([first, moved, other], [graph]) == [(first, other), (moved,)]
    assert graph.module.graph.convolutions == 1


def test_a_site_is_what_a_mistake_changes_in_all_graphs() -> None:
    """Blocks of two sizes are two graphs; those of another component are left alone."""

    def with_mistake(mistake: Mistake) -> tuple[tuple[str, ...], list[torch.Tensor], None]:
        return mistake.plant(None), [torch.tensor([3.0, 6.0])], None

    graphs: list[Any] = [
        SimpleNamespace(component=component, traced=copy.deepcopy(BLOCK), with_mistake=with_mistake,
                        outputs=[torch.tensor([3.0, 4.0])])
        for component in ("block", "block", "vae")
    ]  # fmt: skip
    mistake = Mistake("wrong", "wrong", OWN, "unet", lambda graph: ("block.norm",), in_blocks=True)
    found = site_of(mistake, graphs)
    assert found == Site(mistake, ("block.norm",), frozenset({"block.act"}), frozenset({"block.act"}), 0.4)
    assert site_of(Mistake("wrong", "wrong", OWN, "unet", lambda graph: ("block.norm",)), graphs) is None
