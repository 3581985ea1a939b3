"""Techniques beyond the ladder: other ways to be lost than those of `test_planted_each`, and refusals."""

import dataclasses
import functools
from functools import partial
from types import SimpleNamespace

import pytest
from proving import holds, refuses

from perfsuite.pipelines import building, variants, workloads
from perfsuite.pipelines.optimizations import (
    NotEngagedError,
    adapters,
    casting,
    tiny,
)
from perfsuite.pipelines.optimizations.deepcache import Cached
from perfsuite.pipelines.optimizations.evidence import is_compiled
from perfsuite.pipelines.optimizations.kernel_choice import ChosenKernel
from perfsuite.pipelines.optimizations.packaged import Packaged, weights_of
from perfsuite.pipelines.optimizations.proofs.kernels import ATTENTION, kernels_of_unet
from perfsuite.pipelines.watching.stepwise import stepwise_of

TEN = dataclasses.replace(workloads.SHAPES, steps=10)


# -- attention kernels -----------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["flash", "math"])
def test_a_chosen_kernel_is_what_runs(built, kernel):
    """Of all 14 attentions of a UNet call."""
    holds(built(f"fp32+sdpa+sdpa-{kernel}"), "all 14 attentions of a UNet call ran aten::_scaled_dot_product")


def test_set_attention_backend_changes_no_kernel(built):
    """diffusers takes it, reports it, and runs what it ran before: why it is refused."""
    pipe, context, _ = built("fp32+sdpa")
    before = kernels_of_unet(pipe, context)
    pipe.unet.set_attention_backend("_native_math")
    after = kernels_of_unet(pipe, context)
    assert before[f"{ATTENTION}flash_attention_for_cpu"] == after[f"{ATTENTION}flash_attention_for_cpu"] == 14
    assert after[f"{ATTENTION}attention_math"] == 0


class Otherwise:
    """Stands for a block's compiled code, which was made with another kernel in one attention."""

    def __init__(self, block, kernel):
        self.block, self.kernel = block, kernel

    def __call__(self, *args, **kwargs):
        processor = self.block.attn1.processor
        self.block.attn1.set_processor(ChosenKernel(processor.processor, self.kernel))
        try:
            return self.block._call_impl(*args, **kwargs)
        finally:
            self.block.attn1.set_processor(processor)


@pytest.mark.parametrize(
    ("kernel", "found"),
    [
        ("flash", "1 .*math, 13 .*flash_attention_for_cpu; wanted 14"),
        ("math", "1 .*flash_attention_for_cpu; wanted none"),
    ],
)
def test_another_kernel_in_compiled_code_is_found(built, kernel, found):
    """All attentions choose it and run it eagerly; one of what is compiled runs another."""
    pipe, context, technique = built(f"fp32+sdpa+sdpa-{kernel}")
    assert technique.verify_last(pipe, context) is None
    blocks = [block for block in pipe.unet.modules() if hasattr(block, "attn1")]
    blocks[0]._compiled_call_impl = Otherwise(blocks[0], kernel)
    assert "compiled code" in technique.verify(pipe, context)
    assert "compiled code" in technique.verify_last(pipe, context)
    blocks[0]._compiled_call_impl = Otherwise(blocks[0], {"flash": "math", "math": "flash"}[kernel])
    for prove in (technique.verify, technique.verify_last):
        with pytest.raises(NotEngagedError, match=f"attention kernels of one UNet call: {found}"):
            prove(pipe, context)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (("_flash_attention.default(",) * 15, None),
        ((*["_flash_attention.default("] * 14, "_efficient_attention.default("), None),
        ((*["_flash_attention.default("] * 13, *["_efficient_attention("] * 2), "may be the decoder's"),
        (("[aten._flash_attention]",), "no compiled code calls flash_attention"),
    ],
)
def test_another_kernel_in_generated_code_is_found(built, sources, said):
    """On a GPU, where a graph that is replayed calls no operator; the decoder's one attention has its own."""
    pipe, context, technique = built("fp32+sdpa+sdpa-flash")
    context.device = dataclasses.replace(context.device, kind="cuda")
    code = tuple(source.replace("_", "torch.ops.aten._scaled_dot_product_", 1) for source in sources)
    context.compiled = SimpleNamespace(sources=code)
    pipe.unet.conv_in._compiled_call_impl = pipe.unet.conv_in._call_impl
    if said is None:
        assert "compiled code calls" in technique.verify_last(pipe, context)
        return
    with pytest.raises(NotEngagedError, match=said):
        technique.verify_last(pipe, context)


@pytest.mark.parametrize("name", ["sdpa-cudnn", "sdpa-fa3"])
def test_a_kernel_of_a_gpu_is_refused_on_a_cpu(built, name):
    """With the reason."""
    _, context, technique = built(f"fp32+sdpa+{name}", applied=False)
    assert "attention kernel for a cpu" in technique.supports(context.device)


# -- DeepCache -------------------------------------------------------------------------------------


def never_read(cached):
    """The counter does not go on: every step is the first."""
    cached.advance = lambda: None


def another_interval(cached):
    cached.interval = 2


def kept(cached):
    """Nothing is forgotten when a call ends."""
    cached.end = lambda: None


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (never_read, r"down_blocks\.2 ran in 5 of 5"),
        (another_interval, r"every 2\. step is whole, wanted every 3\."),
        (kept, "kept after its end"),
    ],
)
def test_a_cache_that_is_read_at_other_times_is_found(built, plant, said):
    """The honest one computes the deep layers in every third step, and the outermost in all."""
    honest = built("fp32+sdpa+deepcache:3")
    holds(honest, "down_blocks.2 ran in 2 of 5 UNet calls, up_blocks.2.resnets.1 in all")
    plant(stepwise_of(honest[0].unet))
    refuses(honest, said)


def test_interval_one_is_the_pipeline_itself(built):
    """Bit by bit: our forward computes what diffusers' does, in the same order."""
    import numpy as np

    pipe, context, _ = built("fp32+sdpa+deepcache:3", applied=False)
    wanted = context.generate(pipe, steps=3)
    pipe.unet.forward = Cached(pipe.unet, 1)
    assert np.array_equal(context.generate(pipe, steps=3), wanted)


# -- guidance --------------------------------------------------------------------------------------


def test_guidance_ends_after_its_share(built):
    """The callback comes after the step: the one at the cut is still double."""
    holds(built("fp32+sdpa+cfg-cutoff:0.4"), "[2, 2, 2, 1, 1]")


# -- memory ----------------------------------------------------------------------------------------


def test_tiles_are_decoded_one_by_one(built):
    """None is larger than the tile that was named."""
    holds(built("fp32+sdpa+vae-tiling:64"), "tiles of at most 8x8 latents")


def test_one_weight_in_the_type_of_use_is_found(built):
    """The others rest in float8 before and after a call, and are used in the pipeline's own type."""
    import torch

    pipe, context, technique = built("bf16+sdpa+layerwise-fp8")
    holds((pipe, context, technique), "rest in float8 and were used in bfloat16")
    name = sorted(casting.stored_elsewhere(pipe.unet))[0]
    weight = pipe.unet.get_parameter(name)
    weight.data = weight.data.to(torch.bfloat16)
    refuses((pipe, context, technique), "weights not in float8 before a call")


@pytest.mark.parametrize("name", ["model-offload", "group-offload"])
def test_offloading_on_a_cpu_is_refused(built, name):
    """There is nowhere to offload to, which is said."""
    _, context, technique = built(f"fp32+sdpa+{name}", applied=False)
    assert "nowhere to offload to" in technique.supports(context.device)


# -- dynamic shapes --------------------------------------------------------------------------------


def test_one_graph_serves_all_sizes(built):
    """And static ones are found by the size that compiles anew: one block, traced by Dynamo alone.

    One of diffusers: Dynamo skips torch's own modules where they are called alone.
    """
    import torch

    from perfsuite.pipelines.optimizations.dynamic import script
    from perfsuite.pipelines.optimizations.proofs.recompiling import check_compiles_nothing, compilations_of

    pipe, context, _ = built("fp32+sdpa+dynamic", applied=False)
    torch.fx.experimental._config.use_duck_shape = False
    calls = dict(list(script(pipe, context).items())[1:4])
    block = pipe.unet.down_blocks[0].resnets[0]
    block.compile(backend="eager", dynamic=True)
    assert compilations_of({"first": partial(context.generate, pipe, steps=2)})
    check_compiles_nothing(calls)
    torch._dynamo.reset()
    block.compile(backend="eager", dynamic=False)
    context.generate(pipe, steps=2)
    with pytest.raises(NotEngagedError, match="after the first call: 192x128, batch 1, compiled"):
        check_compiles_nothing(calls)


# -- ahead of time ---------------------------------------------------------------------------------


def test_a_package_of_other_weights_is_found(built):
    """What it gives is not what the UNet gives. The UNet itself stands in for one, which takes minutes."""
    pipe, context, technique = built("fp32+sdpa+aoti", applied=False)
    forward = pipe.unet.forward

    def other(*args, **kwargs):
        return (2 * forward(*args, **kwargs)[0],)

    pipe.unet.forward = Packaged(forward, forward, "0123456789abcdef", weights_of(pipe.unet))
    holds((pipe, context, technique), "package 0123456789ab called 2 times, no Dynamo")
    assert is_compiled(pipe.unet)
    pipe.unet.forward.runner = other
    refuses((pipe, context, technique), "the package gives 1 from what the UNet gives")


# -- what has no meaning ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workload", "name", "said"),
    [
        ("shapes", "bf16+attention-backend", "does not reach a UNet"),
        ("shapes", "bf16+magcache", "attaches no hook"),
        ("shapes", "bf16+taylorseer", "misses the cache context"),
        ("shapes", "bf16+first-block-cache", "raises IndexError"),
        ("shapes", "bf16+fastercache", "raises RuntimeError"),
        ("shapes", "bf16+pab", "draws another picture"),
        ("shapes@4steps", "bf16+deepcache:5", "an interval of 5 is beyond the 4 steps"),
        ("flux-dev", "bf16+taylorseer:100", "an interval of 100 is beyond the 28 steps"),
        ("shapes@b2", "bf16+cfg-cutoff", "keeps the last prompt alone"),
        ("shapes@g1", "bf16+cfg-cutoff", "with the prompt alone from the first step on"),
        ("shapes", "bf16+vae-tiling:128", "holds the whole picture"),
        ("shapes", "bf16+vae-tiling:36", "no multiple of 8"),
        ("shapes", "bf16+vae-slicing", "take shapes@b2"),
        ("sdxl-base", "bf16+lcm", "no adapter lcm-lora for the model sdxl-base"),
    ],
)
def test_what_has_no_meaning_is_refused_before_anything_is_loaded(monkeypatch, workload, name, said):
    """With the reason, which names the remedy where there is one."""
    from perfsuite import pipelines

    monkeypatch.setattr(
        pipelines.building.models, "load", functools.partial(pytest.fail, "weights were loaded")
    )
    with pytest.raises(pipelines.UnsupportedError, match=said):
        pipelines.prepare(workload, name, "cpu", forced=True)


def test_a_file_that_is_not_there_is_said_before_anything_is_loaded(monkeypatch, tmp_path):
    """Of adapters and of decoders, with its path."""
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr(adapters, "ADAPTERS", dict.fromkeys(adapters.ADAPTERS, nowhere))
    monkeypatch.setattr(tiny, "DECODERS", dict.fromkeys(tiny.DECODERS, nowhere))
    for name in ("lcm", "lora", "lora-hotswap", "tiny-vae"):
        said = building.unfit(workloads.SHAPES, variants.get(f"fp32+sdpa+{name}"))
        assert f"{nowhere} is not there" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bf16+lcm+deepcache", "exclude each other"),
        ("bf16+lcm+cfg-cutoff", "exclude each other"),
        ("bf16+dynamic+cfg-cutoff", "exclude each other"),
        ("bf16+dynamic+model-offload", "exclude each other"),
        ("bf16+deepcache+group-offload", "exclude each other"),
        ("bf16+deepcache:1", "whole number from 2 to 100"),
        ("bf16+sdpa-flash", "requires sdpa"),
        ("bf16+sdpa+sdpa-flash+sdpa-math", "exclude each other"),
        ("bf16+sdpa+sdpa-math+aoti", "exclude each other"),
    ],
)
def test_what_does_not_go_together_is_no_variant(name, said):
    """Before a workload is asked."""
    with pytest.raises(variants.ContradictionError, match=said):
        variants.get(name)
