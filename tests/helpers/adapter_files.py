"""LoRA files for the small model, of random numbers."""

import math
from pathlib import Path
from typing import Any

LAYERS = (
    "down_blocks.1.resnets.0.conv1",
    *(
        f"down_blocks.1.attentions.0.transformer_blocks.0.{attention}.{part}"
        for attention in ("attn1", "attn2")
        for part in ("to_q", "to_k", "to_v", "to_out.0")
    ),
)
"""A convolution, and the layers of two attention modules."""


def write_adapter(path: Path, unet: Any, seed: int, rank: int = 4, scale: float = 0.2) -> Path:
    """An adapter of these layers of the UNet; `scale` 0 makes one that changes nothing."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name in LAYERS:
        out, *into = unet.get_submodule(name).weight.shape
        down = torch.randn(rank, *into, generator=generator) / math.prod(into) ** 0.5
        up = scale * torch.randn(out, rank, *(1 for _ in into[1:]), generator=generator)
        tensors |= {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}
    save_file(tensors, path)
    return path
