"""A compiler's mistakes have names, sources and places; how graphs are read and changed."""

import re

import pytest

from perfsuite.pipelines import variants
from perfsuite.quality.faults import FAULTS
from perfsuite.quality.faults.compiler import MISTAKES, OWN, Mistake, NotPlantedError, miscompiled
from perfsuite.quality.faults.compiler.graphs import behind, calls, chosen, module_of, rounded
from perfsuite.quality.faults.compiler.planting import component_of


def graph_of(function, *inputs):
    """As Inductor gets it, with what each node says of its tensor."""
    from torch.fx.experimental.proxy_tensor import make_fx

    return make_fx(function, tracing_mode="fake")(*inputs)


def test_names_are_unique_and_sources_told():
    """A name plants one thing, eager or compiled; no report is claimed without its address."""
    assert len(MISTAKES) >= 16
    assert not set(MISTAKES) & set(FAULTS)
    for name, mistake in MISTAKES.items():
        assert name == mistake.name
        assert mistake.summary
        assert mistake.component in ("unet", "vae")
        assert mistake.source == OWN or re.fullmatch(
            r"https://github\.com/[\w-]+/[\w-]+/(issues|pull)/\d+", mistake.source
        )
    assert sum(m.source != OWN for m in MISTAKES.values()) >= 16
    assert {m.component for m in MISTAKES.values()} == {"unet", "vae"}


@pytest.mark.parametrize(
    ("name", "variant", "reason"),
    [
        ("one-attention-scale-doubled", "bf16-sdpa", "nothing of it is compiled"),
        ("convolution-bias-lost", "bf16-sdpa-compile-regional", "only its transformer blocks"),
        ("decoder-upsampling-shifted", "bf16-sdpa-compile-regional", "only its transformer blocks"),
        ("int8-rounded-down", "bf16-sdpa-compile-qkv", "it has no int8"),
        ("linear-tail-lost", "bf16-sdpa-compile-qkv-int8", "int8 replaces"),
        ("one-attention-scale-doubled", "bf16-sdpa-compile-regional", None),
        ("int8-rounded-down", "bf16-sdpa-compile-qkv-int8", None),
        ("linear-tail-lost", "fp32-sdpa-compile", None),
    ],
)
def test_where_it_applies(name, variant, reason):
    """What a variant has no place for is said before anything is compiled."""
    found = MISTAKES[name].applies(variants.get(variant))
    assert (found is None) if reason is None else reason in found


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [
        ("L['self'].__dict__['_modules']['down_blocks'].1.attentions.0", "down_blocks.1.attentions.0"),
        ("L['self'].__dict__['_modules']['mid_block'].__dict__['_modules']['x'].0", "mid_block.x.0"),
        ("L['self']._modules['attn1'].to_out[0]", "attn1.to_out.0"),
        ("L['self']", ""),
    ],
)
def test_the_module_of_a_node(spelled, plain):
    """Dynamo's spellings become the name that `named_modules` gives."""
    import torch

    node = next(iter(graph_of(lambda x: x + 1, torch.ones(2)).graph.nodes))
    node.meta["nn_module_stack"] = {"outer": ("L['self']", object), "inner": (spelled, object)}
    assert module_of(node) == plain


def test_the_choice_does_not_depend_on_the_graphs_order():
    """More outputs of the same graph put its nodes in another order."""
    import torch

    nodes = calls(graph_of(lambda x: x.sin() + x.cos() + x.tan(), torch.ones(2)).graph, "aten.")[:3]
    for node, name in zip(nodes, "cab", strict=True):
        node.meta["nn_module_stack"] = {"": (f"L['self'].{name}", object)}
    for share, module in ((0.0, "a"), (0.5, "b"), (0.9, "c")):
        assert [module_of(n) for n in chosen(nodes, share)] == [module]
        assert chosen(nodes, share) == chosen(nodes[::-1], share)
    assert chosen([]) == []


def test_rounding_that_no_pass_drops():
    """Eight bits, as a conversion to bfloat16 and back gives, without the conversions."""
    import torch

    values = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    module = graph_of(lambda x: x.neg().neg(), values)
    (node, _) = calls(module.graph, "aten.neg")
    write = behind(node)
    write.instead(rounded(write, node))
    module.recompile()
    assert not calls(module.graph, "prims.convert")
    assert torch.equal(module(values), values.bfloat16().float())


def test_a_node_that_nobody_reads_is_gone():
    """And its successor says of its tensor what the node said."""
    import torch

    module = graph_of(lambda x: x.exp().neg(), torch.ones(2, 3))
    (node,) = calls(module.graph, "aten.exp")
    write = behind(node)
    write.instead(write(torch.ops.aten.sin.default, node.args[0]))
    module.graph.lint()
    assert not calls(module.graph, "aten.exp")
    (new,) = calls(module.graph, "aten.sin")
    assert new.meta["val"].shape == (2, 3)


def test_what_a_graph_is_of():
    """Cosines are the UNet's; convolutions alone the decoder's."""
    import torch

    picture, kernel = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)
    convolve = torch.nn.functional.conv2d
    assert component_of(graph_of(lambda x, k: convolve(x, k).cos(), picture, kernel).graph) == "unet"
    assert component_of(graph_of(convolve, picture, kernel).graph) == "vae"
    assert component_of(graph_of(torch.sin, picture).graph) == "other"


def compiled_meanwhile(mistake):
    """A sine of a cosine, which passes for a UNet, compiled with a mistake; what it gives of ones."""
    import torch

    torch._dynamo.reset()
    try:
        with miscompiled(mistake) as planted:
            found = torch.compile(lambda x: x.cos().sin())(torch.ones(4))
        return found, planted
    finally:
        torch._dynamo.reset()


@pytest.mark.selftest
def test_what_is_compiled_meanwhile_has_the_mistake():
    """The eager form is right, and what is compiled afterwards too."""
    import torch

    def plant(graph):
        for node in calls(graph, "aten.sin"):
            node.target = torch.ops.aten.neg.default
        return ("head",)

    found, planted = compiled_meanwhile(Mistake("wrong", "no sine", OWN, "unet", plant))
    ones = torch.ones(4)
    assert torch.allclose(found, -ones.cos())
    assert (planted.by_mistake, planted.graphs) == ({"wrong": ["head"]}, ["unet"])
    assert torch.allclose(torch.compile(lambda x: x.cos().sin())(ones), ones.cos().sin())
    torch._dynamo.reset()


@pytest.mark.selftest
def test_a_mistake_that_was_planted_nowhere_is_an_error():
    """Else compiled code that is right would count as one that nobody found wrong."""
    with pytest.raises(NotPlantedError, match="wrong has no place in what was compiled: unet"):
        compiled_meanwhile(Mistake("wrong", "nothing", OWN, "unet", lambda graph: ()))
