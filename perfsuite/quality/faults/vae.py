"""Faults of the picture: the VAE's decoder, and how it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.quality.faults.fault import Fault, entering
from perfsuite.quality.faults.surgery import of_type, override, override_output, silence, with_argument

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

FAULTS: dict[str, Fault] = {}
fault = entering(FAULTS)


@fault(
    "nan-in-vae",
    "vae",
    "the VAE's last up block overflows as in float16 and gives NaN",
    "pytorch#116848, pytorch#95644",
)
def _nan_in_vae(pipe: Any, context: Context) -> None:
    override_output(pipe.vae.decoder.up_blocks[-1], lambda output: output * float("inf") * 0.0)


@fault("black-picture", "vae", "the VAE's decoder gives black", "ComfyUI#4572")
def _black_picture(pipe: Any, context: Context) -> None:
    override_output(pipe.vae.decoder, lambda output: output.new_full(output.shape, -1.0))


@fault("vae-scaling-off-by-1-percent", "loop", "the VAE's scaling factor is 1 % too large")
def _vae_scaling(pipe: Any, context: Context) -> None:
    pipe.vae.register_to_config(scaling_factor=1.01 * pipe.vae.config.scaling_factor)


@fault("vae-attention-zero", "vae", "the attention in the VAE's decoder contributes nothing")
def _vae_attention_zero(pipe: Any, context: Context) -> None:
    silence(of_type(pipe.vae.decoder, "Attention")[0])


@fault("vae-upsampling-bilinear", "vae", "one upsampling of the VAE's decoder blends neighbours")
def _vae_upsampling_bilinear(pipe: Any, context: Context) -> None:
    import torch

    bilinear = with_argument(torch.nn.functional.interpolate, mode="bilinear")

    def change(original: Any, *args: Any, **kwargs: Any) -> Any:
        with bilinear:
            return original(*args, **kwargs)

    override(of_type(pipe.vae.decoder, "Upsample2D")[0], "forward", change)


@fault("vae-tiles-without-overlap", "vae", "the VAE decodes four tiles that are not blended")
def _vae_tiles(pipe: Any, context: Context) -> None:
    size = max(context.workload.height, context.workload.width) // pipe.vae_scale_factor // 2
    pipe.vae.enable_tiling()
    pipe.vae.tile_latent_min_size = size
    pipe.vae.tile_sample_min_size = size * pipe.vae_scale_factor
    pipe.vae.tile_overlap_factor = 0.0
