"""Every planted fault changes what it says it changes, there, and in that pipeline alone.

Where bfloat16 is emulated its variants stand for those in float32, unless the precision is the point.
"""

import copy
import functools

import numpy as np
import pytest
from machine import here, needs_bfloat16
from selftest import all_but

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.quality.faults import FAULTS, NotApplicableError, plant

STEPS = 3
WEIGHTS = ("int4-weights", "int8-scale-clipped", "fp8-weights", "keys-replaced-by-values")
# One a component, and two of the loop: asked every time, all others by the self-test.
KEPT = (
    "vae-attention-zero", "vae-scaling-off-by-1-percent", "step-lost", "stale-output", "causal-mask-lost",
    "pooled-text-zero",
)  # fmt: skip
OF_SEVERAL = "pooled-tiled"
# The pipeline divides the latents; `vae.decode` alone is right.
BEFORE_THE_VAE = "vae-scaling-off-by-1-percent"


def built(variant, *, forced=False):
    """A pipeline of the small model and its context, built once; never plant in it, but in a copy."""
    return _built(variant if forced else here(variant))


@functools.cache
def _built(variant):
    from perfsuite.pipelines import prepare, release

    prepared = prepare("shapes", variant, "cpu", forced=True)
    release(prepared.pipe)
    return prepared.pipe, prepared.context


@pytest.fixture(scope="module", autouse=True)
def _forget_after():
    yield
    _built.cache_clear()
    honest.cache_clear()


def faulty(name, variant="bf16-sdpa", *, forced=False):
    pipe, context = built(variant, forced=forced)
    pipe = copy.deepcopy(pipe)
    plant(name, pipe, context)
    return pipe


def variant_for(name):
    """The plainest bfloat16 variant in which the fault can be planted."""
    if FAULTS[name].applies(variants.get(here("bf16-sdpa-qkv"))) is not None:
        needs_bfloat16()  # what rounding does in float32 is no fault
    return next(v for v in ("bf16-sdpa", "bf16+sdpa+qkv") if FAULTS[name].applies(variants.get(v)) is None)


def takes(variant):
    """Names of the faults that can be planted in a variant."""
    return [name for name, fault in FAULTS.items() if fault.applies(variant) is None]


def latents_and_picture(pipe, context):
    """Of a short generation, as two arrays."""
    latents = []

    def keep(pipe, step, timestep, values):
        latents.append(values["latents"].float().numpy())
        return {}

    picture = context.generate(pipe, steps=STEPS, callback_on_step_end=keep)
    return latents[-1], picture


def outputs(pipe):
    """What each component gives when it is called alone, on fixed inputs, as one flat array each."""
    import torch

    generator = torch.Generator().manual_seed(7)
    unet, dtype = pipe.unet, pipe.vae.dtype

    def draw(*shape):
        return torch.randn(shape, generator=generator).to(dtype)

    size = workloads.SHAPES.height // pipe.vae_scale_factor
    found = {}
    with torch.no_grad():
        for key in ("text_encoder", "text_encoder_2"):
            encoder = getattr(pipe, key)
            tokens = pipe.tokenizer(
                workloads.SHAPES.prompts[0],
                padding="max_length",
                max_length=pipe.tokenizer.model_max_length,
                return_tensors="pt",
            )
            result = encoder(tokens.input_ids, output_hidden_states=True)
            found[key] = [result.hidden_states[-2]]
            if key == "text_encoder_2":
                found[key].append(result.text_embeds)
        embeds = draw(2, 8, unet.config.cross_attention_dim)
        conditions = {
            "text_embeds": draw(2, pipe.text_encoder_2.config.projection_dim),
            "time_ids": torch.tensor([[128.0, 128.0, 0.0, 0.0, 128.0, 128.0]] * 2),
        }
        # Twice: a stale result shows only in the second call. 750 is no bfloat16.
        found["unet"] = [
            unet(
                draw(2, unet.config.in_channels, size, size),
                torch.tensor(750.0),
                embeds,
                added_cond_kwargs=conditions,
                return_dict=False,
            )[0]
            for _ in range(2)
        ]
        found["vae"] = [pipe.vae.decode(draw(1, unet.config.in_channels, size, size), return_dict=False)[0]]
    return {key: np.concatenate([v.float().numpy().ravel() for v in values]) for key, values in found.items()}


@functools.cache
def honest(variant):
    """Latents, picture and component outputs without a fault."""
    pipe, context = built(variant)
    return *latents_and_picture(copy.deepcopy(pipe), context), outputs(copy.deepcopy(pipe))


def equal(a, b):
    return np.array_equal(a, b)


def test_two_honest_copies_are_equal_to_the_bit():
    """What every other test here rests on."""
    for variant in ("bf16-sdpa", "bf16+sdpa+qkv+int8"):
        pipe, context = built(variant)
        latents, picture, alone = honest(variant)
        again = copy.deepcopy(pipe)
        assert all(map(equal, latents_and_picture(again, context), (latents, picture)))
        found = outputs(again)
        assert all(equal(found[key], alone[key]) for key in alone)


@pytest.mark.selftest
def test_one_prompt_alone_does_not_show_it():
    """What is wrong of several prompts in one call is right of one."""
    variant = variant_for(OF_SEVERAL)
    latents, picture = latents_and_picture(faulty(OF_SEVERAL, variant), built(variant)[1])
    assert equal(latents, honest(variant)[0])
    assert equal(picture, honest(variant)[1])


@pytest.mark.parametrize("name", all_but(KEPT, [name for name in FAULTS if name != OF_SEVERAL]))
def test_a_generation_shows_it(name):
    """Another picture; and other latents, unless the VAE comes after them."""
    variant = variant_for(name)
    latents, picture = latents_and_picture(faulty(name, variant), built(variant)[1])
    assert not equal(picture, honest(variant)[1])
    after_the_loop = FAULTS[name].component == "vae" or name == BEFORE_THE_VAE
    assert equal(latents, honest(variant)[0]) == after_the_loop


@pytest.mark.parametrize("name", all_but(KEPT, FAULTS))
def test_the_component_alone_shows_it(name):
    """Of all components the one that it is said to sit in; none for a fault of the loop."""
    variant = variant_for(name)
    alone, found = honest(variant)[2], outputs(faulty(name, variant))
    changed = {key for key in alone if not equal(found[key], alone[key])}
    inside = FAULTS[name].component != "loop" and name != BEFORE_THE_VAE
    # int8 takes the attention of the VAE too.
    too = {"vae"} if name in ("int4-weights", "int8-scale-clipped") else set()
    assert changed == ({FAULTS[name].component} | too if inside else set())


@pytest.mark.parametrize("name", [*WEIGHTS, "qkv-wrong-order"])
def test_quantized_weights_stay_quantized(name):
    """In an int8 variant the weights are wrong, and still int8: `verify` finds nothing."""
    variant = "bf16+sdpa+qkv+int8"
    pipe, context = faulty(name, variant), built(variant)[1]
    assert not equal(outputs(pipe)["unet"], honest(variant)[2]["unet"])
    assert "hold int8 weights" in OPTIMIZATIONS["int8"].verify(pipe, context)


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("attention-scale-doubled", "bf16"),
        ("attention-output-zero", "fp32"),
        ("rounding-kept", "fp32"),
        ("keys-replaced-by-values", "bf16+sdpa+qkv"),
        ("attention-scale-doubled", "bf16+sdpa+qkv"),
    ],
)
def test_other_precisions_and_processors_show_it(name, variant):
    """With plain and with fused attention, and in float32."""
    assert not equal(outputs(faulty(name, variant))["unet"], honest(variant)[2]["unet"])


def test_doubled_scale_is_the_same_with_and_without_sdpa():
    """Both ways of computing attention get the same wrong scale."""
    doubled = [outputs(faulty("attention-scale-doubled", v))["unet"] for v in ("fp32", "fp32+sdpa")]
    right = honest("fp32")[2]["unet"]
    # float32 rounds alike to five digits; the fault is far beyond.
    assert np.abs(doubled[0] - doubled[1]).max() < 1e-3 * np.abs(doubled[0] - right).max()


def test_other_pipelines_stay_as_they_are():
    """Every fault at once in one pipeline, and another of the same classes draws what it did."""
    variant = "bf16+sdpa+qkv"
    pipe, context = built(variant)
    other, victim = copy.deepcopy(pipe), copy.deepcopy(pipe)
    for name in takes(context.variant):
        plant(name, victim, context)
    latents_and_picture(victim, context)
    assert all(map(equal, latents_and_picture(other, context), honest(variant)))


def test_unknown_faults_are_refused():
    """The nearest name is given."""
    with pytest.raises(variants.UnknownNameError, match="did you mean 'int4-weights'"):
        plant("int4-weight", *built("bf16-sdpa"))


@pytest.mark.parametrize(
    ("name", "variant", "reason"),
    [
        ("qkv-wrong-order", "bf16-sdpa", "not fused"),
        ("rounding-dropped", "fp32", "no rounding"),
        ("int4-weights", "bf16-sdpa-compile", "compiled code"),
    ],
)
def test_what_cannot_be_planted_is_refused(name, variant, reason):
    """Rather than planted without effect; the pipeline is not touched."""
    import dataclasses

    context = dataclasses.replace(built("bf16-sdpa")[1], variant=variants.get(variant))
    with pytest.raises(NotApplicableError, match=reason):
        plant(name, object(), context)


def _modules(pipe, kind):
    return [m for m in pipe.unet.modules() if type(m).__name__ == kind]


def _resnets_on_noise(pipe):
    """Input, and output of the first ResNet, its first norm, and its activation, of a UNet."""
    import torch

    block = _modules(pipe, "ResnetBlock2D")[0]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, block.in_channels, 8, 8, generator=generator)
    embedding = torch.randn(1, block.time_emb_proj.in_features, generator=generator)
    # Numbers that bfloat16 holds exactly, so that both precisions see the same.
    x, embedding = (t.to(torch.bfloat16).to(block.conv1.weight.dtype) for t in (x, embedding))
    with torch.no_grad():
        return x, block(x, embedding).float(), block.norm1(x), block.nonlinearity(x)


def test_a_dropped_rounding_is_nearer_to_float32():
    """The ResNet's bits change, for the better; its norm and its activation alone do not."""
    import torch

    pipe = built("bf16-sdpa", forced=True)[0]
    exact_pipe = copy.deepcopy(pipe)
    exact_pipe.unet.to(torch.float64)
    _, exact, _, _ = _resnets_on_noise(exact_pipe)
    _, eager, norm, silu = _resnets_on_noise(copy.deepcopy(pipe))
    _, fused, fused_norm, fused_silu = _resnets_on_noise(faulty("rounding-dropped", forced=True))
    assert torch.equal(norm, fused_norm)
    assert torch.equal(silu, fused_silu)
    assert 0 < (fused - exact).norm() < (eager - exact).norm()


def test_a_kept_rounding_changes_every_layer_norm():
    """In float32 by about a rounding to bfloat16, in bfloat16 in some bits."""
    import torch

    x = torch.randn(4, 4096, generator=torch.Generator().manual_seed(2))
    for variant, least, most in (("fp32", 1e-4, 4e-3), ("bf16-sdpa", 1e-5, 8e-3)):
        pairs = zip(
            _modules(built(variant, forced=True)[0], "LayerNorm"),
            _modules(faulty("rounding-kept", variant, forced=True), "LayerNorm"),
            strict=True,
        )
        for right, wrong in pairs:
            given = x[:, : right.normalized_shape[0]].to(right.weight.dtype)
            with torch.no_grad():
                a, b = right(given).float(), wrong(given).float()
            assert least < (a - b).norm() / a.norm() < most


def test_750_becomes_752():
    """The UNet alone is told so; the schedule is right."""
    import torch

    pipe, right = faulty("timesteps-in-bf16"), built("bf16-sdpa")[0]
    t = torch.tensor([750.0, 752.0])
    wrong, wanted = pipe.unet.time_proj(t), right.unet.time_proj(t)
    assert torch.equal(wrong[0], wanted[1])
    assert torch.equal(wrong[1], wanted[1])
    assert not torch.equal(wanted[0], wanted[1])
    pipe.scheduler.set_timesteps(30)
    assert pipe.scheduler.timesteps[0] == 958


def test_stale_output_is_one_call_late():
    """The first call is right, each other returns the result before it."""
    halves = [np.split(outputs(pipe)["unet"], 2) for pipe in (built("bf16-sdpa")[0], faulty("stale-output"))]
    (first, second), (now, late) = halves
    assert not equal(first, second)
    assert equal(now, first)
    assert equal(late, first)


@pytest.mark.parametrize(("name", "gain"), [("noise-gain-1-percent", 1.01), ("noise-gain-5-percent", 1.05)])
def test_gain_on_the_noise(name, gain):
    """The least-squares factor between wrong and right is the one in the name."""
    right, wrong = honest("bf16-sdpa")[2]["unet"], outputs(faulty(name))["unet"]
    assert wrong @ right / (right @ right) == pytest.approx(gain, abs=5e-4)


def test_faults_of_the_schedule():
    """Noise levels in bfloat16, the first latents 1 % larger, the guidance scale 5 %."""
    import torch

    right = copy.deepcopy(built("bf16-sdpa")[0].scheduler)
    wrong = faulty("sigmas-in-bf16").scheduler
    for scheduler in (right, wrong):
        scheduler.set_timesteps(30)
    assert torch.equal(wrong.sigmas, right.sigmas.to(torch.bfloat16).float())
    assert not torch.equal(wrong.sigmas, right.sigmas)
    larger = faulty("init-noise-off-by-1-percent").scheduler
    larger.set_timesteps(30)
    assert float(larger.init_noise_sigma / right.init_noise_sigma) == pytest.approx(1.01, rel=1e-6)
    pipe = faulty("guidance-off-by-5-percent")
    built("bf16-sdpa")[1].generate(pipe, steps=1)
    assert pipe.guidance_scale == pytest.approx(1.05 * workloads.SHAPES.guidance)


def test_a_lost_step_is_the_last():
    """All latents but the last are right, and the last are those before them."""

    def run(pipe):
        latents = []

        def keep(pipe, step, timestep, values):
            latents.append(values["latents"].float().numpy())
            return {}

        built("bf16-sdpa")[1].generate(pipe, steps=STEPS, callback_on_step_end=keep)
        return latents

    right, wrong = run(copy.deepcopy(built("bf16-sdpa")[0])), run(faulty("step-lost"))
    assert len(wrong) == STEPS
    assert all(map(equal, right[:-1], wrong[:-1]))
    assert equal(wrong[-1], right[-2])
    assert not equal(wrong[-1], right[-1])


def test_no_more_than_int4():
    """At most 15 values a layer, in every layer that int8 would take."""
    from perfsuite.pipelines.optimizations.quantization import wants_linear

    for model in (faulty("int4-weights").unet, faulty("int4-weights").vae.decoder):
        layers = [m for m in model.modules() if wants_linear(m)]
        assert layers
        assert all(len(m.weight.unique()) <= 15 for m in layers)


@pytest.mark.selftest
def test_any_layout_of_the_unet_will_do():
    """Random weights in the proportions of the real SDXL: every fault of the UNet is planted and shows."""
    import torch
    from diffusers import UNet2DConditionModel

    from perfsuite.pipelines.models.shapes import architecture

    variant = "bf16+sdpa+qkv"
    pipe, context = built(variant)
    torch.manual_seed(0)
    config = {
        **architecture.UNET,
        "block_out_channels": (32, 64, 64),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 3),
        "attention_head_dim": (2, 4, 4),
        "cross_attention_dim": pipe.unet.config.cross_attention_dim,
        "projection_class_embeddings_input_dim": pipe.unet.config.projection_class_embeddings_input_dim,
        "addition_time_embed_dim": pipe.unet.config.addition_time_embed_dim,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    }
    pipe = copy.deepcopy(pipe)
    pipe.unet = UNet2DConditionModel(**config).eval()
    with torch.no_grad():
        for parameter in pipe.unet.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    pipe.unet.to(pipe.vae.dtype).fuse_qkv_projections()
    right = outputs(copy.deepcopy(pipe))["unet"]
    for name in [name for name in takes(context.variant) if FAULTS[name].component == "unet"]:
        victim = copy.deepcopy(pipe)
        plant(name, victim, context)
        assert not equal(outputs(victim)["unet"], right), name


def test_names_and_places():
    """Names are what a command line takes; places are the pipeline's components, or the loop."""
    for name, fault in FAULTS.items():
        assert name == fault.name == name.lower().replace(" ", "-")
        assert fault.component in {"loop", "unet", "vae", "text_encoder", "text_encoder_2"}
        assert fault.summary
        assert not fault.summary.endswith(".")
