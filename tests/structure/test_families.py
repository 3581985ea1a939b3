"""Every family on a real tiny pipeline: techniques take hold, gates pass, and what is planted is found."""

import dataclasses

import numpy as np
import pytest
from gates import finds, passes
from machine import here

from perfsuite.measuring.arithmetic import work_of
from perfsuite.pipelines import NotEngagedError, UnsupportedError, prepare, release, workloads
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import attention_modules
from perfsuite.pipelines.optimizations.processors import plain_processor
from perfsuite.pipelines.schedules import calls
from perfsuite.pipelines.watching.stepwise import without_cache
from perfsuite.quality.components import measure_components
from perfsuite.quality.generation import record
from perfsuite.quality.loop import measure_loop, run_freely
from perfsuite.quality.modules import measure_modules, record_modules
from perfsuite.quality.several import measure_batch, measure_several
from perfsuite.structure.counting import count

TINY = ("tiny-sd15", "tiny-pixart", "tiny-sd3", "tiny-flux", "tiny-kandinsky")
FUSES = TINY[:-1]


def smaller(name):
    """Two prompts of two steps are enough for all that is looked at."""
    workload = workloads.get(name)
    return dataclasses.replace(workload, steps=2, prompts=workload.prompts[:2])


@pytest.fixture
def built():
    """A function from workload and variant to a pipeline whose techniques are proven."""
    open_ = []

    def build(name, variant):
        prepared = prepare(smaller(name), variant, "cpu")
        open_.append(prepared.pipe)
        return prepared

    yield build
    for pipe in open_:
        release(pipe)


@pytest.mark.parametrize("name", TINY)
def test_techniques_take_hold_and_gates_pass(built, name):
    """SDPA in every attention module, fused projections where they fuse; no wait, no leak, one dtype, one
    layout, of which a text encoder's masks have none."""
    prepared = built(name, here(f"bf16+sdpa+channels-last{'+qkv' if name in FUSES else ''}"))
    facts = passes("engagement", prepared)
    family = family_of(prepared.pipe)
    assert f"in the {family.denoiser}, " in facts
    assert f" in the {family.decoder} with {len(_running(prepared.pipe))} attention modules" in facts
    for gate in ("dtypes", "layout", "syncs", "leaks", "recompilations"):
        passes(gate, prepared)


def _running(pipe):
    """The attention modules that take part: an encoder of pictures takes none."""
    return [name for name in attention_modules(pipe) if ".encoder." not in name]


@pytest.mark.selftest
@pytest.mark.parametrize("name", TINY)
def test_plain_attention_and_sdpa_draw_the_same_picture(built, name):
    """Joint attention has a plain form of our making; it must differ in rounding alone."""
    plain, sdpa = built(name, "fp32"), built(name, "fp32+sdpa")
    pictures = [prepared.generate() for prepared in (plain, sdpa)]
    assert pictures[0].shape == (64, 64, 3)
    assert pictures[0].std() > 0.05
    # Kandinsky's decoder, untrained, leaves most pixels black or white, and multiplies what is between.
    assert np.abs(pictures[0] - pictures[1]).max() < 1e-2
    assert not np.array_equal(plain.generate(0), plain.generate(1))
    assert np.array_equal(plain.generate(1), plain.generate(1))


@pytest.mark.parametrize("name", TINY)
def test_one_module_without_sdpa_is_found(built, name):
    """By the exact number of the architecture."""
    prepared = built(name, "fp32+sdpa")
    family = family_of(prepared.pipe)
    last = [n for n in attention_modules(prepared.pipe) if n.startswith(family.denoiser)][-1]
    module = attention_modules(prepared.pipe)[last]
    module.set_processor(plain_processor(module))
    assert f"SDPA calls in one pass of the {family.denoiser}, wanted" in finds("engagement", prepared)


@pytest.mark.selftest
@pytest.mark.parametrize("name", FUSES)
def test_one_module_that_is_not_fused_is_found(built, name):
    """The fused projection is there and nothing calls it."""
    fused, plain = built(name, "fp32+sdpa+qkv"), built(name, "fp32+sdpa")
    name = [n for n in attention_modules(fused.pipe) if n.startswith(family_of(fused.pipe).denoiser)][-1]
    module = attention_modules(fused.pipe)[name]
    module.set_processor(attention_modules(plain.pipe)[name].processor)
    module.fused_projections = False
    said = finds("engagement", fused)
    assert name in said
    assert "not fused" in said


def test_the_texts_projections_are_fused_too(built):
    """Of joint attention: three of the picture's and three of the text's, in each block."""
    prepared = built("tiny-sd3", "fp32+sdpa+qkv")
    facts = passes("engagement", prepared)
    blocks = prepared.pipe.transformer.config.num_layers
    assert f"{2 * blocks + 2} fused projections" in facts
    plain = built("tiny-sd3", "fp32+sdpa").pipe.transformer.transformer_blocks[0].attn.processor
    prepared.pipe.transformer.transformer_blocks[0].attn.set_processor(plain)
    said = finds("engagement", prepared)
    assert "transformer.transformer_blocks.0.attn.to_added_qkv" in said
    assert "did not run" in said


def test_kandinsky_refuses_fused_projections_as_diffusers_does(built):
    """The reason that is given is the true one: a real pipeline raises it."""
    prepared = built("tiny-kandinsky", "fp32+sdpa")
    with pytest.raises(ValueError, match="not supported for models having added KV projections"):
        prepared.pipe.unet.fuse_qkv_projections()
    with pytest.raises(UnsupportedError, match=r"qkv: not for Kandinsky 2\.2: .* raises ValueError"):
        prepare(smaller("tiny-kandinsky"), "fp32+sdpa+qkv", "cpu", forced=True)


def test_kandinsky_refuses_float8_storage_as_diffusers_does(built):
    """Its first call raises what the reason says."""
    import torch

    prepared = built("tiny-kandinsky", "bf16+sdpa")
    prepared.pipe.unet.enable_layerwise_casting(torch.float8_e4m3fn, torch.bfloat16)
    with pytest.raises(RuntimeError, match=r"must have the same dtype, but got Float8_e4m3fn"):
        prepared.generate()
    with pytest.raises(UnsupportedError, match=r"layerwise-fp8: not for Kandinsky 2\.2: .* RuntimeError"):
        prepare(smaller("tiny-kandinsky"), "bf16+sdpa+layerwise-fp8", "cpu", forced=True)


@pytest.mark.parametrize("name", ["tiny-pixart", "tiny-sd3", "tiny-kandinsky"])
def test_blocks_that_diffusers_does_not_name_are_refused_as_it_does(built, name):
    """`compile_repeated_blocks` raises; the refusal says so beforehand."""
    prepared = built(name, "fp32+sdpa")
    family = family_of(prepared.pipe)
    with pytest.raises(ValueError, match=r"_repeated_blocks|Regional compilation failed"):
        getattr(prepared.pipe, family.denoiser).compile_repeated_blocks(fullgraph=True)
    assert family.refusal("compile-regional") is not None


@pytest.mark.selftest
@pytest.mark.parametrize("name", TINY)
def test_counts_have_every_component(built, name):
    """Operators by block, arithmetic and bytes of each model, memory of each stage."""
    prepared = built(name, "fp32+sdpa")
    prepared.context.first_call(prepared.pipe)
    found = count(prepared)
    family = family_of(prepared.pipe)
    assert set(found.weights_bytes) == set(family.components)
    assert all(found.flop[component] > 0 for component in family.components)
    attention = [key for key in found.operators if "scaled_dot_product" in key]
    assert any(" of " not in key for key in attention), "none in the denoiser"
    assert found.peak_bytes["denoising"] > 0
    assert count(prepared).operators == found.operators
    # The arithmetic that a latency is held against is the same, counted on models without memory.
    text, step, decoding = work_of(prepared)
    assert text == sum(found.flop[name] for name in family.encoders)
    assert step * calls(prepared.pipe.scheduler) == found.flop[family.denoiser]
    assert decoding == found.flop[family.decoder]


@pytest.mark.selftest
@pytest.mark.parametrize("name", FUSES)
def test_components_modules_and_loop_are_measured(built, name):
    """Against float32's own run: exact in the loop, rounding in the models, and a fault stands out."""
    plain, sdpa = built(name, "fp32"), built(name, "fp32+sdpa")
    traces = [record(plain.pipe, plain.context, prompt) for prompt in range(2)]
    errors = {
        **measure_components(sdpa.pipe, sdpa.context, traces),
        **measure_batch(sdpa.pipe, sdpa.context, traces),
        **measure_loop(sdpa.pipe, sdpa.context, traces),
        **measure_several(sdpa.pipe, sdpa.context, traces),
    }
    family = family_of(sdpa.pipe)
    assert {place.component for place in errors} == {*family.components, "loop"}
    wrong = {str(place): error for place, error in errors.items() if not error < 1e-4}
    assert wrong == {}
    pictures, _, free = run_freely(sdpa.pipe, sdpa.context, traces)
    assert max(free.values()) < 1e-3
    assert np.abs(pictures[0] - traces[0].picture).max() < 1e-3

    denoiser = getattr(sdpa.pipe, family.denoiser)
    last = denoiser.proj_out if family.denoiser == "transformer" else denoiser.conv_out
    last.bias.data.add_(1.0)
    found = measure_components(sdpa.pipe, sdpa.context, traces)
    assert max(e for place, e in found.items() if place.component == family.denoiser) > 0.1


@pytest.fixture(scope="module", params=["first-block-cache:2", "taylorseer:2"])
def spared(request):
    """A pipeline of Flux whose steps are partly spared."""
    workload = dataclasses.replace(workloads.get("tiny-flux"), steps=6)
    prepared = prepare(workload, f"fp32+sdpa+{request.param}", "cpu")
    yield prepared
    release(prepared.pipe)


@pytest.mark.selftest
def test_caches_spare_steps_of_flux(spared):
    """By the run matrix; a cache that was taken off is found."""
    technique = spared.context.variant.optimizations[-1]
    assert " of 6 (x" in technique.verify(spared.pipe, spared.context)
    with without_cache(spared.pipe.transformer):
        with pytest.raises(NotEngagedError, match="the denoiser's cache is None"):
            technique.verify(spared.pipe, spared.context)


@pytest.mark.selftest
def test_what_a_cache_spares_is_judged_whole(spared, tmp_path):
    """A call out of a sequence has no meaning for it: components and modules compute each step, the real run
    does not. The cache stays as it was, and a fault stands out."""
    import torch

    pipe, context = spared.pipe, spared.context
    cache = pipe.transformer._cache_config
    traces = [record(pipe, context, 0)]
    assert not torch.equal(traces[0]["noise"], traces[0]["whole"]), "nothing was spared"
    records = record_modules(pipe, context, traces, tmp_path)

    errors = {
        **measure_components(pipe, context, traces),
        **measure_batch(pipe, context, traces),
        **measure_modules(pipe, context, traces, tmp_path, records),
        **run_freely(pipe, context, traces)[2],
    }
    assert pipe.transformer._cache_config is cache
    assert max(errors.values()) < 1e-5
    pipe.transformer.transformer_blocks[-1].ff.net[-1].weight.data.mul_(1.5)
    found = measure_components(pipe, context, traces)
    assert max(e for place, e in found.items() if place.component == "transformer") > 0.01


@pytest.mark.selftest
def test_a_cache_whose_threshold_nothing_falls_below_is_found():
    """It is on, costs its comparison in each step, and spares nothing."""
    workload = dataclasses.replace(workloads.get("tiny-flux"), steps=4)
    with pytest.raises(NotEngagedError, match="ran in all 4 calls: nothing was spared"):
        prepare(workload, "fp32+sdpa+first-block-cache:0.001", "cpu")


@pytest.mark.parametrize("name", ["tiny-sd3", "tiny-pixart"])
def test_a_cache_without_a_context_fails_as_the_refusal_says(built, name):
    """diffusers takes it, and the first call raises."""
    from diffusers.hooks import FirstBlockCacheConfig, apply_first_block_cache

    prepared = built(name, "fp32+sdpa")
    assert not hasattr(prepared.pipe.transformer, "enable_cache")
    apply_first_block_cache(prepared.pipe.transformer, FirstBlockCacheConfig(threshold=0.1))
    with pytest.raises(ValueError, match="context"):
        prepared.generate()
    with pytest.raises(UnsupportedError, match="raises ValueError in the first call"):
        prepare(smaller(name), "fp32+sdpa+first-block-cache", "cpu")
