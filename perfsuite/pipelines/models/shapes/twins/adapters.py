"""Low-rank adapters of the UNet: put on, and written as `load_lora_weights` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
EVERYWHERE = (
    *ATTENTION, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv1", "conv2", "conv_shortcut",
    "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj",
)  # fmt: skip
"""What LCM-LoRA adapts: every layer of attention and of the residual blocks."""


def put_on(unet: Any, rank: int, modules: tuple[str, ...]) -> None:
    """Add an adapter that changes nothing yet; only its own weights are trained."""
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, target_modules=list(modules), init_lora_weights="gaussian")
    )


def write(unet: Any, path: Path) -> None:
    """Write the adapter as float16 safetensors, in peft's notation.

    `convert_state_dict_to_diffusers` renames attention's layers alone: of a file with both notations
    `load_lora_weights` leaves one out, with no more than a warning.
    """
    from diffusers import StableDiffusionXLPipeline
    from peft.utils import get_peft_model_state_dict

    layers = get_peft_model_state_dict(unet)
    StableDiffusionXLPipeline.save_lora_weights(
        path.parent,
        unet_lora_layers={name: weight.detach().to(torch.float16) for name, weight in layers.items()},
        weight_name=path.name,
    )
