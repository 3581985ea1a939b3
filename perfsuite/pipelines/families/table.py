"""The families that the suite knows; one more is a row here and its configuration among the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import spelling
from perfsuite.pipelines.families.family import Family

if TYPE_CHECKING:
    from perfsuite.records import Workload

_NO_REPEATED = (
    "its denoiser does not name the blocks that it repeats (_repeated_blocks is empty), so diffusers' "
    "compile_repeated_blocks raises ValueError; compile compiles it whole"
)
_KERNELS = ("sdpa-flash", "sdpa-math", "sdpa-cudnn", "sdpa-fa3")
_NOT_PROVEN = (
    "diffusers has a callback of its own for it here ({}), which was not proven; take a workload of SDXL"
)
_ONLY_UNETS = {
    "deepcache": (
        "it runs the outermost layer of a UNet on what the inner ones gave, and here is no UNet; on Flux.1 "
        "take first-block-cache or taylorseer"
    ),
    **dict.fromkeys(
        _KERNELS,
        "it chooses the kernel in a UNet's processors, which here are others; sdpa takes torch's choice",
    ),
    "dynamic": "one graph for all sizes was proven for UNets alone; compile makes one for each size",
    "aoti": "a package was proven for UNets alone; compile compiles in the process",
}

SDXL = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    pipeline="StableDiffusionXLPipeline",
    upcasts=True,
    construction={"add_watermarker": False},
)
SD15 = Family(
    name="sd15",
    title="Stable Diffusion 1.5",
    pipeline="StableDiffusionPipeline",
    spelling=spelling.SD15,
    encoders=("text_encoder",),
    tokenizers=("tokenizer",),
    others=("safety_checker", "feature_extractor", "image_encoder"),
    construction={"requires_safety_checker": False},
    # PNDM looks a number up on the host by the step's time, which is on the device.
    waits=("in _get_prev_sample:",),
    refusals={"cfg-cutoff": _NOT_PROVEN.format("SDCFGCutoffCallback")},
)
PIXART = Family(
    name="pixart",
    title="PixArt-alpha",
    pipeline="PixArtAlphaPipeline",
    spelling=spelling.PIXART,
    denoiser="transformer",
    encoders=("text_encoder",),
    tokenizers=("tokenizer",),
    multiple=16,
    # With one it takes the scheduler's second result, which only some schedulers give.
    least_steps=2,
    calls_back="callback",
    # Captions are taken as they are, and pictures at the size that was asked for.
    options={"clean_caption": False, "use_resolution_binning": False},
    refusals={
        **_ONLY_UNETS,
        "cfg-cutoff": "its pipeline has no callback_on_step_end, by which a callback changes what comes next",
        "compile-regional": _NO_REPEATED,
    },
)
SD3 = Family(
    name="sd3",
    title="Stable Diffusion 3",
    pipeline="StableDiffusion3Pipeline",
    spelling=spelling.SD3,
    denoiser="transformer",
    encoders=("text_encoder", "text_encoder_2", "text_encoder_3"),
    tokenizers=("tokenizer", "tokenizer_2", "tokenizer_3"),
    others=("image_encoder", "feature_extractor"),
    multiple=16,
    # Its pipeline does not say where the schedule begins, so the first step searches.
    waits=("in index_for_timestep:",),
    refusals={
        **_ONLY_UNETS,
        "cfg-cutoff": _NOT_PROVEN.format("SD3CFGCutoffCallback"),
        "compile-regional": _NO_REPEATED,
    },
)
FLUX = Family(
    name="flux",
    title="Flux.1",
    pipeline="FluxPipeline",
    spelling=spelling.FLUX,
    denoiser="transformer",
    others=("image_encoder", "feature_extractor"),
    attention=("Attention", "FluxAttention"),
    multiple=16,
    classifier_free=False,
    packed=True,
    refusals={
        **_ONLY_UNETS,
        "cfg-cutoff": "guidance is an input of its transformer: there are no rows without the prompt to cut",
    },
)


def _image_embeddings(pipe: Any, workload: Workload, prompt: int) -> dict[str, Any]:
    """Two embeddings in place of the prior's, standard normal, of the workload's seed."""
    import torch

    generator = torch.Generator("cpu").manual_seed(workload.seed + prompt)
    size = (2, 1, pipe.unet.config.encoder_hid_dim)
    drawn = torch.randn(size, generator=generator).to(pipe.unet.device, pipe.unet.dtype)
    return {"image_embeds": drawn[0], "negative_image_embeds": drawn[1]}


KANDINSKY = Family(
    name="kandinsky",
    title="Kandinsky 2.2",
    pipeline="KandinskyV22Pipeline",
    spelling=spelling.KANDINSKY,
    decoder="movq",
    encoders=(),
    tokenizers=(),
    inputs=_image_embeddings,
    # As PNDM.
    waits=("schedulers/scheduling_ddim.py:",),
    decoding={"force_not_quantize": True},
    refusals={
        "cfg-cutoff": "diffusers has no callback for it that knows image embeddings",
        **dict.fromkeys(_KERNELS, "its UNet's attention takes the image embedding beside"),
        "deepcache": "it spells the call of SDXL's UNet, whose conditions are a text's",
        "layerwise-fp8": (
            "its UNet casts the image embedding to the type in which a layer's weights rest, and no product "
            "takes float8 (ImageProjection), so the first call raises RuntimeError"
        ),
        "vae-tiling": "its decoder is a MoVQ, which has no tiles",
        "vae-slicing": "its decoder is a MoVQ, which has no slices",
        "qkv": (
            "its UNet's attention takes added key and value projections of the image embedding "
            "(AttnAddedKVProcessor), and diffusers' fuse_qkv_projections raises ValueError for these"
        ),
        "compile-regional": (
            "its UNet has no BasicTransformerBlock, which is the one block that diffusers would compile"
        ),
    },
)
FAMILIES: dict[str, Family] = {each.name: each for each in (SDXL, SD15, PIXART, SD3, FLUX, KANDINSKY)}
"""By name."""
_OF_CLASS = {each.pipeline: each for each in FAMILIES.values()}


def family_of(pipe: Any) -> Family:
    """The family of a pipeline, by its class or the nearest that this derives from.

    What stands for a pipeline may say it itself, as ``family``; what says nothing is SDXL's.
    """
    for kind in type(pipe).__mro__:
        if kind.__name__ in _OF_CLASS:
            return _OF_CLASS[kind.__name__]
    said: Family = getattr(pipe, "family", SDXL)
    return said
