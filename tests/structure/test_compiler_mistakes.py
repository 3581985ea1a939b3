"""Every mistake of a compiler finds its place in the graphs of the small model and changes what they give.

Captured once a variant and run operator by operator: seconds, where compiling each would take a minute.
"""

import functools
import itertools

import pytest
from machine import needs_bfloat16

from perfsuite.pipelines import prepare, release, variants
from perfsuite.quality.faults.compiler import MISTAKES
from perfsuite.quality.faults.compiler.captured import captured, distance, interpreted
from perfsuite.quality.faults.compiler.sites import apart, in_groups, site_of

WHOLE, REGIONAL = "bf16-sdpa-compile", "bf16-sdpa-compile-regional-qkv-int8"
TRIED = {
    name: next(v for v in (WHOLE, REGIONAL) if mistake.applies(variants.get(v)) is None)
    for name, mistake in MISTAKES.items()
}
"""Each mistake in the plainest variant that takes it; int8 in blocks alone, whose graphs are small."""
CASES = [(variant, name) for name, variant in TRIED.items()]


@functools.cache
def graphs(variant):
    """Of a variant, by what they are; of equal blocks the first."""
    needs_bfloat16()
    prepared = prepare("shapes", variants.get(variant), "cpu", forced=True)
    try:
        found = {}
        for each in captured(prepared):
            found.setdefault(each.component, each)
        return found
    finally:
        release(prepared.pipe)


@pytest.fixture(scope="module", autouse=True)
def _forget_after():
    yield
    graphs.cache_clear()


@pytest.mark.selftest
@pytest.mark.parametrize(("variant", "name"), CASES)
def test_it_has_a_place_and_changes_the_output(variant, name):
    """The modules are the model's own, and each new node says of its tensor what Inductor lowers by."""
    mistake = MISTAKES[name]
    graph = graphs(variant)["block" if variant == REGIONAL else mistake.component]
    planted, made, changed = graph.with_mistake(mistake)
    assert planted
    assert all("[" not in module and module for module in planted)
    assert distance(made, graph.outputs) > 0
    called = [node for node in changed.graph.nodes if node.op == "call_function"]
    assert all("val" in node.meta for node in called)
    assert not [node.name for node in called if not lowered(node.target)]


def lowered(target):
    """Whether Inductor still knows the operator where the mistake is planted, behind all decompositions."""
    from torch._inductor.decomposition import decompositions
    from torch._inductor.lowering import lowerings

    return target in lowerings or target not in decompositions


def test_an_operator_that_would_have_been_decomposed_is_not_lowered():
    """`flip` is written with others before a mistake is planted; slices and their joining stay."""
    import torch

    aten = torch.ops.aten
    assert not lowered(aten.flip.default)
    assert lowered(aten.slice.Tensor)
    assert lowered(aten.cat.default)


@pytest.mark.selftest
def test_those_of_blocks_stand_in_groups():
    """Int8 included: each once, and nothing that shows one is caused by another."""
    mistakes = [m for m in MISTAKES.values() if m.applies(variants.get(REGIONAL)) is None]
    blocks = list(graphs(REGIONAL).values())
    groups = in_groups([site_of(mistake, blocks) for mistake in mistakes], blocks)
    assert sorted(s.mistake.name for group in groups for s in group) == sorted(m.name for m in mistakes)
    assert len(groups) < len(mistakes)
    for group in groups:
        assert all(apart(one, other) for one, other in itertools.combinations(group, 2))


@pytest.mark.selftest
def test_nothing_planted_changes_nothing():
    """The same graph with the same inputs gives the same numbers, so what differs is the mistake's."""
    for graph in graphs(WHOLE).values():
        assert distance(interpreted(graph.module, graph.inputs), graph.outputs) == 0
