"""One non-engagement for each technique: what may happen to an honest pipeline so that it does not take hold.

Each is done to a pipeline that its technique's own proof has just accepted.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import workloads

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines import Prepared
    from perfsuite.records import Workload

SHAPES = dataclasses.replace(workloads.SHAPES, steps=10)
TWO = dataclasses.replace(SHAPES, batch=2)
SMALL = dataclasses.replace(workloads.get("tiny-sd15"), steps=2)
FLUX = dataclasses.replace(workloads.get("tiny-flux"), steps=6)


@dataclass(frozen=True)
class Plant:
    """A variant whose last technique is to be lost, how it is lost, and what its proof then says."""

    variant: str
    said: str
    """A pattern."""
    does: Callable[[Prepared], None]
    workload: Workload = SHAPES


def _attention(prepared: Prepared) -> Any:
    return prepared.pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1


def _all_bits(prepared: Prepared) -> None:
    """Somebody else's line at the top of a script."""
    import torch

    torch.set_float32_matmul_precision("highest")


def _fewer_bits(prepared: Prepared) -> None:
    import torch

    torch.set_float32_matmul_precision("high")


def _wide(prepared: Prepared) -> None:
    """Weights brought back to float32, as a quick fix of an overflow does."""
    import torch

    prepared.pipe.unet.to(torch.float32)


def _one_fast(prepared: Prepared) -> None:
    from diffusers.models.attention_processor import AttnProcessor2_0

    _attention(prepared).set_processor(AttnProcessor2_0())


def _one_plain(prepared: Prepared) -> None:
    from diffusers.models.attention_processor import AttnProcessor

    _attention(prepared).set_processor(AttnProcessor())


def _another_processor(prepared: Prepared) -> None:
    """Somebody sets a processor for all, as many a recipe does."""
    from diffusers.models.attention_processor import AttnProcessor2_0

    prepared.pipe.unet.set_attn_processor(AttnProcessor2_0())


def _said_and_not_done(prepared: Prepared) -> None:
    """Processors still say the kernel, and no longer have torch choose it."""

    def plain(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.processor(*args, **kwargs)

    silent = type("ChosenKernel", (), {"__call__": plain})
    for module in prepared.pipe.unet.modules():
        if hasattr(getattr(module, "processor", None), "kernel"):
            module.processor.__class__ = silent


def _contiguous(prepared: Prepared) -> None:
    import torch

    prepared.pipe.unet.to(memory_format=torch.contiguous_format)


def _taken_out(prepared: Prepared) -> None:
    """What was compiled is thrown away, as by a helper that unwraps models to save them."""
    prepared.pipe.unet = prepared.pipe.unet._orig_mod


def _block_by_block(prepared: Prepared) -> None:
    for module in prepared.pipe.unet.modules():
        module._compiled_call_impl = None


def _one_size(prepared: Prepared) -> None:
    """Compiled anew without dynamic shapes; it has seen its first size."""
    import torch

    pipe = prepared.pipe
    pipe.unet = torch.compile(pipe.unet._orig_mod, fullgraph=True, dynamic=False)
    prepared.generate()


def _own_forward(prepared: Prepared) -> None:
    """What stood for the UNet's forward is taken away."""
    del prepared.pipe.unet.forward


def _unfused(prepared: Prepared) -> None:
    prepared.pipe.unfuse_qkv_projections()


def _layer_with_plain_weights(prepared: Prepared) -> None:
    """One layer is given weights of another checkpoint."""
    import torch

    layer = prepared.pipe.unet.mid_block.attentions[0].proj_in
    layer.weight = torch.nn.Parameter(torch.zeros(layer.weight.shape, dtype=layer.bias.dtype))


def _stored_as_used(prepared: Prepared) -> None:
    """A type for the whole model, asked for afterwards."""
    import torch

    for parameter in prepared.pipe.unet.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)


def _never_begun(prepared: Prepared) -> None:
    """Latents are prepared by the pipeline's own method, so no step is counted: all are whole."""
    del vars(prepared.pipe)["prepare_latents"]


def _another_callback(prepared: Prepared) -> None:
    """The variant's callback is not among those of the call."""
    context = prepared.context
    *others, cutoff = context.variant.optimizations
    lost = dataclasses.replace(cutoff, callback=None)
    context.variant = dataclasses.replace(context.variant, optimizations=(*others, lost))


def _weights_put_back(prepared: Prepared) -> None:
    """A checkpoint is loaded over the fused adapter."""
    with_adapter = prepared.pipe.unet.state_dict()
    prepared.pipe.unet.load_state_dict({name: 0.9 * tensor for name, tensor in with_adapter.items()})


def _switched_off(prepared: Prepared) -> None:
    """The adapter is there, and no layer adds it."""
    prepared.pipe.disable_lora()


def _own_tile(prepared: Prepared) -> None:
    """`enable_tiling` as anybody calls it: the VAE's own tile holds the whole picture."""
    vae = prepared.pipe.vae
    vae.tile_sample_min_size, vae.tile_latent_min_size = 128, 16
    vae.enable_tiling()


def _together(prepared: Prepared) -> None:
    prepared.pipe.vae.disable_slicing()


def _own_decoder(prepared: Prepared) -> None:
    """The VAE of the checkpoint, loaded after the tiny one."""
    from diffusers import AutoencoderKL

    prepared.pipe.vae = AutoencoderKL(latent_channels=4)


def _no_hooks(prepared: Prepared) -> None:
    """As `maybe_free_model_hooks` leaves a pipeline whose hooks it cannot put back."""
    prepared.pipe.remove_all_hooks()


def _no_groups(prepared: Prepared) -> None:
    for module in prepared.pipe.unet.modules():
        if hasattr(module, "_diffusers_hook"):
            module._diffusers_hook.remove_hook("group_offloading", recurse=False)


def _cache_without_hooks(prepared: Prepared) -> None:
    """The model says that its cache is on; no block has a hook."""
    transformer = prepared.pipe.transformer
    config = transformer._cache_config
    transformer.disable_cache()
    transformer._cache_config = config


PLANTS = {
    "fp32": Plant("fp32+sdpa", "float32 is not strict", _fewer_bits),
    "tf32": Plant("tf32+sdpa", "TF32 (is|may be) off", _all_bits),
    "bf16": Plant("bf16+sdpa", "float32", _wide),
    "no-sdpa": Plant("fp32", "scaled_dot_product_attention ran 1 times", _one_fast),
    "sdpa": Plant("fp32+sdpa", "SDPA", _one_plain),
    "sdpa-flash": Plant("fp32+sdpa+sdpa-flash", "14 of 14 attentions choose no kernel", _another_processor),
    "sdpa-math": Plant("fp32+sdpa+sdpa-math", "14 .*flash_attention_for_cpu; wanted 14 .*math",
                       _said_and_not_done),
    "channels-last": Plant("fp32+sdpa+channels-last", "are not channels_last", _contiguous),
    "compile": Plant("fp32+sdpa+compile", "not a compiled module", _taken_out, SMALL),
    "compile-regional": Plant("fp32+sdpa+compile-regional", "blocks not compiled", _block_by_block, SMALL),
    "dynamic": Plant("fp32+sdpa+dynamic", "after the first call: .*, batch .*, compiled", _one_size, SMALL),
    "aoti": Plant("fp32+sdpa+aoti", "no package is called", _own_forward, SMALL),
    "qkv": Plant("fp32+sdpa+qkv", "not fused|did not run", _unfused),
    "int8": Plant("fp32+sdpa+int8", "1 of [0-9]+ linear layers not quantized", _layer_with_plain_weights),
    "int8-weights": Plant("fp32+sdpa+int8-weights", "1 of [0-9]+ linear layers not quantized",
                          _layer_with_plain_weights),
    "fp8": Plant("bf16+sdpa+fp8", "1 of [0-9]+ linear layers not quantized", _layer_with_plain_weights),
    "layerwise-fp8": Plant("bf16+sdpa+layerwise-fp8", "weights not in float8 before a call", _stored_as_used),
    "deepcache": Plant("fp32+sdpa+deepcache:3", "down_blocks.2 ran in 5 of 5", _never_begun),
    "cfg-cutoff": Plant("fp32+sdpa+cfg-cutoff:0.4", r"batches \[2, 2, 2, 2, 2\]", _another_callback),
    "lcm": Plant("fp32+sdpa+lcm:4", "not as the adapter left them", _weights_put_back),
    "lora": Plant("fp32+sdpa+lora", "not as the adapter left them", _weights_put_back),
    "lora-hotswap": Plant("fp32+sdpa+lora-hotswap", "it is switched off", _switched_off),
    "vae-tiling": Plant("fp32+sdpa+vae-tiling:64", "1 decodings of 16x16 latents.*not tiled", _own_tile),
    "vae-slicing": Plant("fp32+sdpa+vae-slicing", r"decodings of \[2\] pictures", _together, TWO),
    "tiny-vae": Plant("fp32+sdpa+tiny-vae", "the VAE is AutoencoderKL", _own_decoder),
    "model-offload": Plant("fp32+sdpa+model-offload", "have no hook that moves them", _no_hooks),
    "group-offload": Plant("fp32+sdpa+group-offload", "is offloaded", _no_groups),
    "first-block-cache": Plant("fp32+sdpa+first-block-cache:2", "nothing was spared", _cache_without_hooks,
                               FLUX),
    "taylorseer": Plant("fp32+sdpa+taylorseer:2", "nothing was spared", _cache_without_hooks, FLUX),
}  # fmt: skip
"""By technique. Compiled code is that of a backend which costs nothing, and float8's products are a CPU's."""
ELSEWHERE = {
    "fp16": "drawn in emulated float16 it takes minutes; see tests/structure/test_techniques.py",
    "sdpa-cudnn": "a CPU has no such kernel",
    "sdpa-fa3": "a CPU has no such kernel",
}
"""Techniques without a plant here, and why."""
