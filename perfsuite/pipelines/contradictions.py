"""Why two techniques exclude each other, for the message of a variant that names both."""

from __future__ import annotations

_COMPILING = frozenset({"compile", "compile-regional", "dynamic", "aoti"})
_QUANTIZING = frozenset({"int8", "int8-weights", "fp8"})
_ADAPTERS = frozenset({"lcm", "lora", "lora-hotswap"})
_OFFLOADING = frozenset({"model-offload", "group-offload"})
_KERNELS = frozenset({"sdpa-flash", "sdpa-math", "sdpa-cudnn", "sdpa-fa3"})
_CACHES = frozenset({"first-block-cache", "taylorseer"})

_REASONS: tuple[tuple[frozenset[str], frozenset[str], str], ...] = (
    (
        frozenset({"deepcache"}), frozenset({"lcm"}),
        "DeepCache takes features over from step to step, and few steps differ too much from each other for "
        "that; fewer steps are the larger gain",
    ),
    (
        frozenset({"cfg-cutoff"}), frozenset({"lcm"}),
        "lcm draws without guidance, so there is none to end; lcm alone has the halved batch in every step",
    ),
    (_KERNELS, frozenset({"aoti"}), "an export keeps attention whole and loses the choice of its kernel"),
    (_KERNELS, _KERNELS, "attention runs one kernel"),
    (
        _COMPILING, frozenset({"channels-last"}),
        "it holds channels-last already, and two names would have two baselines",
    ),
    (_COMPILING, _CACHES, "the cache decides in every step by code that no whole graph holds"),
    (
        frozenset({"dynamic"}), frozenset({"cfg-cutoff"}),
        "the cutoff keeps one picture's rows, and one graph for all sizes is proven with two pictures a call",
    ),
    (
        frozenset({"dynamic"}), frozenset({"deepcache"}),
        "one graph for all sizes is proven for a whole UNet, and DeepCache calls a part of it; compile does "
        "for deepcache",
    ),
    (
        frozenset({"aoti"}), frozenset({"deepcache", "cfg-cutoff"}),
        "a package holds one whole call of the UNet at one batch, and this calls it otherwise in some steps",
    ),
    (
        frozenset({"aoti"}), frozenset({"lora-hotswap"}),
        "a package holds the weights of when it was made, so no adapter can be swapped in it; lora fuses one "
        "before",
    ),
    (frozenset({"aoti"}), _QUANTIZING, "quantized weights were not proven in a package; compile takes them"),
    (_COMPILING, _COMPILING, "the UNet is compiled in one way"),
    (
        frozenset({"layerwise-fp8"}), _COMPILING,
        "hooks cast each layer's weights around its call, which no whole graph holds",
    ),
    (frozenset({"layerwise-fp8"}), _QUANTIZING, "both want to hold the same weights in their own form"),
    (
        frozenset({"layerwise-fp8"}), frozenset({"tf32"}),
        "it casts to the pipeline's own type, which tf32 leaves; take fp32, bf16 or fp16",
    ),
    (
        frozenset({"layerwise-fp8"}), _ADAPTERS,
        "the adapter's proof reads the weights that it changed, which are stored in float8 then",
    ),
    (_QUANTIZING, _QUANTIZING, "a layer's weights are quantized in one form"),
    (
        frozenset({"lora-hotswap"}), _QUANTIZING | {"qkv"},
        "the adapter's places are beside plain layers, which this replaces; lora fuses the adapter before",
    ),
    (_ADAPTERS, _ADAPTERS, "each loads an adapter into the same layers, and nothing here judges two at once"),
    (
        frozenset({"tiny-vae"}), frozenset({"vae-tiling", "vae-slicing"}),
        "what they save is AutoencoderKL's memory, which the tiny decoder replaces; its own tiles and slices "
        "were not proven",
    ),
    (
        frozenset({"tiny-vae"}), _QUANTIZING,
        "what is quantized of a VAE is proven on AutoencoderKL's layers, and the tiny one has others; "
        "int8-weights leaves the VAE alone",
    ),
    (_OFFLOADING, _OFFLOADING, "both move the same weights"),
    (
        frozenset({"group-offload"}), _CACHES | {"deepcache"},
        "groups are fetched ahead in the order of the first step, and this leaves layers out of others",
    ),
    (
        _OFFLOADING, _COMPILING,
        "hooks move the weights around each call, which no whole graph holds",
    ),
    (
        _OFFLOADING, _QUANTIZING | {"layerwise-fp8"},
        "weights in another form than plain tensors were not proven to come back as they went",
    ),
    (
        _OFFLOADING, _ADAPTERS,
        "the adapter's proof reads the weights that it changed, which hooks move away",
    ),
    (
        frozenset({"model-offload"}), frozenset({"deepcache"}),
        "both stand for the UNet's forward",
    ),
    (_CACHES, _CACHES, "a transformer has one cache"),
)  # fmt: skip


def reason(one: str, other: str) -> str:
    """Why two techniques, by their names without value, exclude each other; empty where none is told."""
    for first, second, why in _REASONS:
        if (one in first and other in second) or (one in second and other in first):
            return why
    return ""
