"""A value beyond its budget is credited to the mistake that caused it, and to no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perfsuite.quality.compiled_crediting import Credit, Located, component_in, credit, module_in
from perfsuite.quality.faults.compiler import OWN, Mistake
from perfsuite.quality.faults.compiler.sites import Site
from perfsuite.records import Deviation

BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"


def site(*modules: str, beside: tuple[str, ...] = (), component: str = "unet") -> Site:
    mistake = Mistake("wrong", "wrong", OWN, component, lambda graph: modules, in_blocks=True)
    return Site(mistake, modules, frozenset(beside))


def seen(place: str, ratio: float | None = 2.0) -> Deviation:
    return Deviation(f"{place}, step 5, prompt 0", ratio, 0.5, 1.0)


@pytest.mark.parametrize(
    ("place", "located"),
    [
        (f"unet.{BLOCK}.attn1: linear", Located.YES),
        (f"unet.{BLOCK}.norm2: layer_norm 2", Located.NEIGHBOUR),
        (f"unet.{BLOCK}.norm1: layer_norm", Located.NO),  # stands beside it, and reads nothing of it
        (f"unet.{BLOCK}: add", Located.NO),  # holds it
        (f"unet.{BLOCK}.attn1.to_out.0: linear", Located.NO),  # is held by it
        (f"vae.{BLOCK}.attn1: linear", Located.NO),
        ("unet.conv_out: conv2d", Located.NO),
        ("unet.attn1, all 14 calls of linear in Linear", Located.NO),
    ],
)
def test_at_the_module_or_beside_it(place: str, located: Located) -> None:
    """Beside it is what reads from it; the same name within a block that is compiled alone."""
    for prefix in (f"{BLOCK}.", ""):
        planted = site(f"{prefix}attn1", beside=(f"{prefix}norm2",))
        assert credit(planted, (), [seen(place)]).located is located


def test_the_module_itself_before_its_neighbour() -> None:
    """However far the neighbour is beyond its budget."""
    found = [seen("unet.a: linear", 1.5), seen("unet.b: linear", 90.0), seen("unet.a: mul", 3.0)]
    shown = credit(site("a", beside=("b",)), (), found)
    assert (shown.located, shown.shown, shown.worst) == (Located.YES, (found[0], found[2]), found[2])
    assert credit(site("c"), (), found).worst is None


def test_where_it_can_be_seen_first_shows_it_without_locating_it() -> None:
    """Two modules on, where nothing between is looked at."""
    planted = replace(site("a", beside=("b",)), reached=frozenset({"c"}))
    found = [seen("unet.c: linear")]
    assert credit(planted, (), found) == Credit(Located.NO, tuple(found))
    assert credit(planted, (site("c"),), found) == Credit(Located.NO)


def test_a_value_that_is_not_a_number_is_the_worst() -> None:
    """It has no ratio, and shows the mistake as well as any."""
    found = [seen("unet.a: linear", None), seen("unet.a: mul", 9.0)]
    assert credit(site("a"), (), found).worst is found[0]


def test_what_is_within_its_budget_shows_nothing() -> None:
    """Also at the place itself."""
    assert credit(site("a"), (), [seen("unet.a: linear", 1.0)]).located is Located.NO


def test_what_honest_code_shows_too_shows_nothing() -> None:
    """The same place without any mistake must be within its budget."""
    found = seen("unet.a: linear")
    assert credit(site("a"), (), [found], {found.place}).located is Located.NO
    assert credit(site("a"), (), [found], {"unet.b: linear, step 5, prompt 0"}).located is Located.YES


def test_what_another_mistake_may_have_caused_is_credited_to_neither() -> None:
    """Unless that one is in another component."""
    found = [seen("unet.b: linear")]
    one, other = site("a", beside=("b",)), site("b")
    assert credit(one, (other,), found).located is Located.NO
    assert credit(other, (one,), found).located is Located.NO
    assert credit(other, (site("a", beside=("b",), component="vae"),), found).located is Located.YES


PLACES = [
    seen("unet.blocks.0.ff: mul", 0.9),
    seen("unet.blocks.0.norm: layer_norm", 0.9),
    seen("unet.blocks.1.ff: mul", 0.9),
    Deviation("unet, all 2 calls of mul in GEGLU", 1.2, 0.5, 1.0),
]


def test_all_values_of_a_kind_show_what_is_in_all_of_their_modules() -> None:
    """One of them alone would be shown by its own place, and of more than these it says nothing."""
    both = site("blocks.0.ff", "blocks.1.ff")
    assert credit(both, (), PLACES).located is Located.YES
    assert credit(site("blocks.0.ff"), (), PLACES).located is Located.NO
    assert credit(site("blocks.0.ff", "conv_in"), (), PLACES).located is Located.NO
    beside = site("blocks.0.act", "blocks.1.act", beside=("blocks.0.ff", "blocks.1.ff"))
    assert credit(beside, (), PLACES).located is Located.NEIGHBOUR
    assert credit(both, (site("blocks.0.norm"),), PLACES).located is Located.YES
    assert credit(both, (site("blocks.0.norm", beside=("blocks.0.ff",)),), PLACES).located is Located.NO


@pytest.mark.parametrize(
    ("place", "component", "module"),
    [
        ("unet.down.0.conv1: conv2d, step 3, prompt 1", "unet", "down.0.conv1"),
        ("unet.down.0.conv1: conv2d 2, step 3, prompt 1", "unet", "down.0.conv1"),
        ("vae.decoder.conv_in: conv2d, prompt 0", "vae", "decoder.conv_in"),
        ("unet.add, step 0, prompt 0", "unet", ""),
        ("unet, step 0, prompt 0", "unet", ""),
        ("unet, all 14 calls of linear in Linear", "unet", ""),
    ],
)
def test_component_and_module_of_a_place(place: str, component: str, module: str) -> None:
    """Without operation, step and prompt; what the model itself computes belongs to none."""
    assert (component_in(place), module_in(place)) == (component, module)
