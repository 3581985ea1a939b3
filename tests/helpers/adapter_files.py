"""LoRA files for the small model, of random numbers."""

from pathlib import Path
from typing import Any

LAYERS = tuple(
    f"down_blocks.1.attentions.0.transformer_blocks.0.{attention}.{part}"
    for attention in ("attn1", "attn2")
    for part in ("to_q", "to_k", "to_v", "to_out.0")
)


def write_adapter(path: Path, unet: Any, seed: int, rank: int = 4, scale: float = 0.2) -> Path:
    """An adapter of these layers of the UNet; `scale` 0 makes one that changes nothing."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name in LAYERS:
        out, into = unet.get_submodule(name).weight.shape
        down = torch.randn(rank, into, generator=generator) / into**0.5
        tensors[f"unet.{name}.lora_A.weight"] = down
        tensors[f"unet.{name}.lora_B.weight"] = scale * torch.randn(out, rank, generator=generator)
    save_file(tensors, path)
    return path
