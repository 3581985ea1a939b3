"""Every technique beyond the ladder: found where it did not take hold, and accepted where it did."""

import dataclasses
import functools
from functools import partial

import pytest
from adapter_files import write_adapter

from perfsuite.pipelines import optimizations, variants, workloads
from perfsuite.pipelines.optimizations import NotEngagedError, adapters, casting, hotswap
from perfsuite.pipelines.optimizations.deepcache import Cached
from perfsuite.pipelines.watching.stepwise import stepwise_of

TEN = dataclasses.replace(workloads.SHAPES, steps=10)


@pytest.fixture
def built(bench):
    """A function from a variant to its pipeline, its context, and the technique that was named last."""
    pipe, make = bench

    def build(name, workload=TEN, *, applied=True):
        context = dataclasses.replace(make(name), workload=workload)
        technique = optimizations.named(name.rpartition("+")[2], optimizations.known())
        for step in context.variant.optimizations:
            if applied or step.base != technique.base:
                step.apply(pipe, context)
        return pipe, context, technique

    return build


@pytest.fixture
def adapter(bench, tmp_path, monkeypatch):
    """Three adapters of random numbers in the places of the trained ones."""
    pytest.importorskip("peft")
    pipe, _ = bench
    made = {
        (name, "shapes"): write_adapter(tmp_path / f"{name}.safetensors", pipe.unet, seed)
        for seed, name in enumerate(("lcm-lora", "lora-a", "lora-b"))
    }
    monkeypatch.setattr(adapters, "ADAPTERS", made)
    return made


def refuses(built, match):
    pipe, context, technique = built
    with pytest.raises(NotEngagedError, match=match):
        technique.verify(pipe, context)


def holds(built, said):
    pipe, context, technique = built
    assert said in technique.verify(pipe, context)


# -- attention kernels -----------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["flash", "math"])
def test_a_chosen_kernel_is_what_runs(built, kernel):
    """Of all 14 attentions of a UNet call."""
    holds(built(f"fp32+sdpa+sdpa-{kernel}"), "all 14 attentions of a UNet call ran aten::_scaled_dot_product")


def test_a_kernel_that_nobody_chose_is_found(built):
    """SDPA alone takes torch's own choice, which may be the same today."""
    refuses(built("fp32+sdpa+sdpa-flash", applied=False), "14 of 14 attentions choose no kernel")


def test_a_backend_that_is_set_but_not_used_is_found(built):
    """The registry's word is no proof: processors say math, and flash runs."""

    class Said:
        def __call__(self, *args, **kwargs):
            return self.processor(*args, **kwargs)

    pipe, context, technique = built("fp32+sdpa+sdpa-math")
    for module in pipe.unet.modules():
        if hasattr(getattr(module, "processor", None), "kernel"):
            plain = module.processor.processor
            module.processor.__class__ = type(
                "Said", (), {"__call__": lambda self, *a, **k: self.processor(*a, **k)}
            )
            assert module.processor.processor is plain
    refuses(
        (pipe, context, technique), "14 aten::_scaled_dot_product_flash_attention_for_cpu; wanted 14 .*math"
    )


def test_set_attention_backend_is_found(built):
    """diffusers takes it, reports it, and runs what it ran before."""
    pipe, context, technique = built("fp32+sdpa+sdpa-math", applied=False)
    pipe.unet.set_attention_backend("_native_math")
    refuses((pipe, context, technique), "choose no kernel")


@pytest.mark.parametrize("name", ["sdpa-cudnn", "sdpa-fa3"])
def test_a_kernel_of_a_gpu_is_refused_on_a_cpu(built, name):
    """With the reason."""
    _, context, technique = built(f"fp32+sdpa+{name}", applied=False)
    assert "attention kernel for a cpu" in technique.supports(context.device)


# -- DeepCache -------------------------------------------------------------------------------------


def test_deepcache_computes_the_deep_layers_in_every_third_step(built):
    """And the outermost in all; the features do not outlive the call."""
    holds(
        built("fp32+sdpa+deepcache:3"), "down_blocks.2 ran in 2 of 5 UNet calls, up_blocks.2.resnets.1 in all"
    )


def test_deepcache_that_is_not_there_is_found(built):
    """The UNet's own forward."""
    refuses(built("fp32+sdpa+deepcache:3", applied=False), "nothing is cached")


def test_a_cache_that_is_never_read_is_found(built):
    """Every step is whole: the counter does not go on."""
    pipe, context, technique = built("fp32+sdpa+deepcache:3")
    stepwise_of(pipe.unet).advance = lambda: None
    refuses((pipe, context, technique), r"down_blocks\.2 ran in 5 of 5")


def test_another_interval_is_found(built):
    """The helper was told another one."""
    pipe, context, technique = built("fp32+sdpa+deepcache:3")
    stepwise_of(pipe.unet).interval = 2
    refuses((pipe, context, technique), "every 2. step is whole, wanted every 3.")


def test_features_of_the_call_before_are_found(built):
    """What leaked state does: the first step of the next call is shallow."""
    pipe, context, technique = built("fp32+sdpa+deepcache:3")
    cached = stepwise_of(pipe.unet)
    cached.end = lambda: None
    refuses((pipe, context, technique), "kept after its end")


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


def test_guidance_that_does_not_end_is_found(built):
    """A callback that another one replaced."""
    pipe, context, technique = built("fp32+sdpa+cfg-cutoff:0.4")
    lost = dataclasses.replace(technique, callback=None)
    others = context.variant.optimizations[:-1]
    context = dataclasses.replace(context, variant=dataclasses.replace(
        context.variant, optimizations=(*others, lost)
    ))  # fmt: skip
    refuses((pipe, context, technique), r"batches \[2, 2, 2, 2, 2\], wanted \[2, 2, 2, 1, 1\]")


# -- memory ----------------------------------------------------------------------------------------


def test_tiles_are_decoded_one_by_one(built):
    """None is larger than the tile that was named."""
    holds(built("fp32+sdpa+vae-tiling:64"), "tiles of at most 8x8 latents")


def test_tiling_below_its_size_is_found(built):
    """What enable_tiling() does at the VAE's own size: nothing, without a word."""
    pipe, context, technique = built("fp32+sdpa+vae-tiling:64", applied=False)
    pipe.vae.enable_tiling()
    refuses((pipe, context, technique), "1 decodings of 16x16 latents.*not tiled")


def test_slices_of_a_batch(built):
    """Two pictures, two decodings of one."""
    two = dataclasses.replace(TEN, batch=2)
    holds(built("fp32+sdpa+vae-slicing", two), "2 pictures decoded one after another")
    pipe, context, technique = built("fp32+sdpa+vae-slicing", two)
    pipe.vae.disable_slicing()
    refuses((pipe, context, technique), r"decodings of \[2\] pictures, wanted 2 of one")


def test_float8_storage(built):
    """Weights rest in float8 before and after a call, and are used in the pipeline's own type."""
    holds(built("bf16+sdpa+layerwise-fp8"), "rest in float8 and were used in bfloat16")


def test_storage_in_the_type_of_use_is_found(built):
    """Not applied; and applied, but a layer's weight was put back wide."""
    import torch

    refuses(built("bf16+sdpa+layerwise-fp8", applied=False), "stored as they are used")
    pipe, context, technique = built("bf16+sdpa+layerwise-fp8")
    name = sorted(casting.stored_elsewhere(pipe.unet))[0]
    weight = pipe.unet.get_parameter(name)
    weight.data = weight.data.to(torch.bfloat16)
    refuses((pipe, context, technique), "weights not in float8 before a call")


@pytest.mark.parametrize("name", ["model-offload", "group-offload"])
def test_offloading_that_is_not_there_is_found(built, name):
    """No hooks; and on a CPU there is nowhere to offload to, which is said."""
    pipe, context, technique = built(f"fp32+sdpa+{name}", applied=False)
    refuses((pipe, context, technique), "hook that moves them|is offloaded")
    assert "nowhere to offload to" in technique.supports(context.device)


def test_hooks_of_groups_are_seen(built):
    """diffusers takes them on a CPU, where weights wait and are used in one place."""
    holds(built("fp32+sdpa+group-offload"), "modules of the UNet are moved when called")


def test_a_tiny_decoder(built, tmp_path, monkeypatch):
    """Its class and that it ran; the VAE of the model is found."""
    from diffusers import AutoencoderTiny

    from perfsuite.pipelines.optimizations import tiny

    blocks = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    AutoencoderTiny(**blocks, num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4).save_pretrained(
        tmp_path
    )
    monkeypatch.setattr(tiny, "DECODERS", {"shapes": tmp_path})
    refuses(built("fp32+sdpa+tiny-vae", applied=False), "the VAE is AutoencoderKL, wanted AutoencoderTiny")
    holds(built("fp32+sdpa+tiny-vae"), "AutoencoderTiny decoded, with")


# -- adapters --------------------------------------------------------------------------------------


def test_few_steps(built, adapter):
    """The scheduler's timesteps, one row a call, and layers that the adapter changed."""
    holds(
        built("fp32+sdpa+lcm:4"),
        "LCMScheduler, 4 UNet calls of 1 rows at timesteps [999.0, 759.0, 499.0, 259.0]",
    )


def test_the_scheduler_without_its_adapter_is_found(built, adapter):
    """It runs, and draws pictures that are not the adapter's."""
    from diffusers import LCMScheduler

    pipe, context, technique = built("fp32+sdpa+lcm:4", applied=False)
    refuses((pipe, context, technique), "the scheduler is .*, wanted LCMScheduler")
    pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    refuses((pipe, context, technique), "no adapter was fused")


def test_weights_that_were_put_back_are_found(built, adapter):
    """An adapter unfused by somebody who came later."""
    pipe, context, technique = built("fp32+sdpa+lcm:4")
    weight = pipe.unet.get_parameter("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight")
    weight.data = weight.data * 0.9
    refuses((pipe, context, technique), "not as the adapter left them")


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda path: path.unlink(), "there is no such file"),
        (lambda path: path.write_bytes(b"\x80\x04"), "the adapter is damaged"),
        (lambda path: path.rename(path.with_suffix(".bin")), "may run code when they are read"),
    ],
)
def test_a_file_that_is_no_adapter_is_refused(bench, tmp_path, break_it, said):
    """With its name and the remedy."""
    pipe, _ = bench
    path = write_adapter(tmp_path / "a.safetensors", pipe.unet, 0)
    break_it(path)
    found = path if said != "may run code when they are read" else path.with_suffix(".bin")
    with pytest.raises(adapters.AdapterError, match=said):
        adapters.read(found, pipe)


def test_an_adapter_of_another_architecture_is_refused(bench, tmp_path):
    """Layers that are not there, none that is, other shapes, and one that changes nothing."""
    from safetensors.torch import load_file, save_file

    pipe, _ = bench
    path = write_adapter(tmp_path / "a.safetensors", pipe.unet, 0)
    tensors = load_file(path)
    none = {k.replace("down_blocks", "layers"): t for k, t in tensors.items()}
    some = tensors | {k.replace("down_blocks.1", "down_blocks.9"): t.clone() for k, t in tensors.items()}
    narrow = {k: t[:, :5].contiguous() if "lora_A" in k else t for k, t in tensors.items()}
    zero = {k: t * 0 if "lora_B" in k else t for k, t in tensors.items()}
    changes = {
        "it targets no layer of this UNet": none,
        "are no layers of this UNet": some,
        "have other shapes": narrow,
        "every lora_B is zero": zero,
    }
    for said, changed in changes.items():
        save_file(changed, path)
        with pytest.raises(adapters.AdapterError, match=said):
            adapters.read(path, pipe)


def test_an_adapter_swapped_in_place(built, adapter):
    """Each layer holds what either file holds; the pictures differ."""
    holds(built("fp32+sdpa+lora-hotswap"), "8 layers held what each file holds")


def test_a_swap_that_changes_nothing_is_found(built, adapter, monkeypatch):
    """No adapter, and a swap that is taken without a word."""
    refuses(built("fp32+sdpa+lora-hotswap", applied=False), "no layer of the UNet holds an adapter")
    pipe, context, technique = built("fp32+sdpa+lora-hotswap")
    monkeypatch.setattr(hotswap, "swap", lambda pipe, path: None)
    refuses((pipe, context, technique), "do not add what lora-b.safetensors holds")


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


def test_dynamic_shapes_that_are_not_there_are_found(built):
    """The UNet as it is."""
    refuses(built("fp32+sdpa+dynamic", applied=False), "not a compiled module")


# -- ahead of time ---------------------------------------------------------------------------------


def test_a_package_that_is_not_called_is_found(built):
    """The UNet's own forward."""
    refuses(built("fp32+sdpa+aoti", applied=False), "no package is called")


def test_a_package_is_what_is_called(built):
    """A stand-in of one: the UNet itself, for compiling it takes minutes."""
    from perfsuite.pipelines.optimizations.packaged import Packaged

    pipe, context, technique = built("fp32+sdpa+aoti", applied=False)
    forward = pipe.unet.forward
    pipe.unet.forward = Packaged(forward, forward, "0123456789abcdef")
    holds((pipe, context, technique), "package 0123456789ab called 2 times, no Dynamo")


def test_a_package_of_other_weights_is_found(built):
    """What it gives is not what the UNet gives."""
    from perfsuite.pipelines.optimizations.packaged import Packaged

    pipe, context, technique = built("fp32+sdpa+aoti", applied=False)
    forward = pipe.unet.forward

    def other(*args, **kwargs):
        return (2 * forward(*args, **kwargs)[0],)

    pipe.unet.forward = Packaged(forward, other, "0123456789abcdef")
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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bf16+lcm+deepcache", "exclude each other"),
        ("bf16+lcm+cfg-cutoff", "exclude each other"),
        ("bf16+deepcache:1", "whole number from 2 to 100"),
        ("bf16+sdpa-flash", "requires sdpa"),
        ("bf16+sdpa+sdpa-flash+sdpa-math", "exclude each other"),
    ],
)
def test_what_does_not_go_together_is_no_variant(name, said):
    """Before a workload is asked."""
    with pytest.raises(variants.ContradictionError, match=said):
        variants.get(name)
