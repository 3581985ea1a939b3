"""What pipeline classes differ in: names, shapes and calls, without a model."""

from types import SimpleNamespace

import pytest

from perfsuite.device import fingerprint
from perfsuite.pipelines import families, unsupported, variants, workloads
from perfsuite.pipelines.building import unfit
from perfsuite.pipelines.families import FAMILIES, FLUX, KANDINSKY, PIXART, SD3, SD15, SDXL, family_of


def test_a_pipeline_is_known_by_its_class_and_what_this_derives_from():
    """A user's own pipeline class derives from diffusers'."""
    flux = type("FluxPipeline", (), {})
    assert family_of(flux()) is FLUX
    assert family_of(type("OurFlux", (flux,), {})()) is FLUX
    assert family_of(SimpleNamespace(family=SD3)) is SD3
    assert family_of(SimpleNamespace(unet=None)) is SDXL


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_the_class_and_its_parts_are_diffusers_own(family):
    """Names that diffusers renames would be found here, and not in a run."""
    import inspect

    import diffusers

    taken = inspect.signature(getattr(diffusers, family.pipeline).__init__).parameters
    assert set(family.components) | set(family.tokenizers) | set(family.others) < set(taken)
    called = inspect.signature(getattr(diffusers, family.pipeline).__call__).parameters
    wanted = {
        *family.options,
        family.calls_back,
        "latents",
        "num_inference_steps",
        "guidance_scale",
        "height",
    }
    assert wanted <= set(called)


def test_the_batch_of_a_step_follows_guidance_but_for_flux():
    """Flux takes guidance as an input: one sample a picture."""
    workload = workloads.get("sd15@b3")
    assert [f.samples(workload) for f in (SD15, PIXART, FLUX)] == [6, 6, 3]
    assert SD15.samples(workloads.get("sd15@b3+g1")) == 3


def test_what_is_called_after_a_step_is_spelled_as_the_pipeline_spells_it():
    """PixArt's pipeline has an argument of its own, which cannot change the latents."""
    heard = []

    def doubled(step, latents):
        heard.append((step, latents))
        return 2 * latents

    pixart, sd15 = PIXART.on_latents(doubled), SD15.on_latents(doubled)
    assert pixart["callback"](3, 999, 1.5) is None
    assert sd15["callback_on_step_end"](None, 4, 999, {"latents": 2.5}) == {"latents": 5.0}
    assert heard == [(3, 1.5), (4, 2.5)]
    done = SD15.on_step(lambda: None)
    assert done["callback_on_step_end"](None, 0, 999, {}) == {}
    assert done["callback_on_step_end_tensor_inputs"] == []


@pytest.mark.parametrize(
    ("workload", "variant", "said"),
    [
        ("tiny-kandinsky", "bf16+sdpa+qkv", "qkv: not for Kandinsky 2.2: .*raises ValueError"),
        ("tiny-kandinsky", "fp32+sdpa+compile-regional", "not for Kandinsky 2.2: .*no BasicTransformerBlock"),
        ("pixart-alpha", "fp32+sdpa+compile-regional", "not for PixArt-alpha: .*_repeated_blocks is empty"),
        ("sd3", "fp32+sdpa+compile-regional", "not for Stable Diffusion 3: .*_repeated_blocks is empty"),
    ],
)
def test_what_has_no_meaning_is_refused_in_plain_words(workload, variant, said):
    """On any device, and whether or not the device could run it."""
    reason = unsupported(variant, fingerprint("cpu"), workloads.get(workload))
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(reason)


@pytest.mark.parametrize("family", [SD15, PIXART, SD3, KANDINSKY], ids=lambda family: family.name)
def test_what_is_said_of_callbacks_that_end_guidance_is_so(family):
    """Two families have one of diffusers, and two have none that fits."""
    import re

    import diffusers
    from diffusers import callbacks

    said = family.refusals["cfg-cutoff"]
    names = re.findall(r"\w+CFGCutoffCallback", said)
    takes = set(getattr(diffusers, family.pipeline)._callback_tensor_inputs if family is not PIXART else ())
    fitting = [
        name for name, kind in vars(callbacks).items()
        if name.endswith("CFGCutoffCallback") and set(kind.tensor_inputs) <= takes
    ]  # fmt: skip
    assert names == [name for name in fitting if name in names]
    assert bool(names) == bool(fitting)
    assert ("callback_on_step_end" in said) == (family.calls_back == "callback")


@pytest.mark.parametrize("model", ["sdxl-base", "ssd-1b", "sd15", "flux-dev"])
def test_what_has_meaning_is_not_refused(model):
    """The whole ladder, and compiled blocks where diffusers names them."""
    for variant in (*variants.LADDER, variants.get("fp32+sdpa+compile-regional")):
        assert unfit(workloads.get(model), variant) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flux-dev@1000x1024", "width must be a multiple of 16 for Flux.1, found 1000; nearest 992"),
        ("sd3@1024x520", "height must be a multiple of 16 for Stable Diffusion 3, found 520"),
        ("pixart-alpha@1steps", "PixArt-alpha needs at least 2 steps, found 1"),
    ],
)
def test_what_a_pipeline_cannot_draw_is_refused_by_its_name(name, said):
    """SDXL's multiples of 8 do not divide into the patches of transformers."""
    with pytest.raises(workloads.SizeError, match=said):
        workloads.get(name)


def test_a_call_of_kandinsky_takes_embeddings_in_place_of_a_prompt():
    """Those of a seed, so that two runs are comparable; every other takes the prompt."""
    import torch

    pipe = SimpleNamespace(
        unet=SimpleNamespace(
            config=SimpleNamespace(encoder_hid_dim=5), device=torch.device("cpu"), dtype=torch.float32
        )
    )
    workload = workloads.get("tiny-kandinsky")
    one, again = (KANDINSKY.arguments(pipe, workload, 0) for _ in range(2))
    assert one["image_embeds"].shape == (1, 5)
    assert torch.equal(one["image_embeds"], again["image_embeds"])
    assert not torch.equal(one["image_embeds"], one["negative_image_embeds"])
    assert "prompt" not in one
    assert families.SD3.arguments(pipe, workload, 1)["prompt"] == workload.prompts[1]
