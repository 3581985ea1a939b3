"""A small trained SDXL that draws captioned shapes; it ships with the package.

`drawing` makes the pictures, `train` the weights, and `check` measures how many held-out prompts
the model gets right. `WEIGHTS` is an ordinary diffusers folder.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""Folder of the trained pipeline: load it with `StableDiffusionXLPipeline.from_pretrained`."""
SUMS = WEIGHTS.with_name("weights.sha256")
"""SHA-256 of each file below it, as ``sha256sum`` writes and checks them."""

ADAPTERS = Path(__file__).parent / "adapters"
"""Low-rank adapters of its UNet, each a safetensors file."""
TINY_VAE = Path(__file__).parent / "tiny-vae"
"""An `AutoencoderTiny` for its latents."""
SSD = Path(__file__).parent / "ssd"
"""The same pipeline with a smaller UNet, distilled from it as SSD-1B is from SDXL."""


def shipped() -> dict[Path, Path]:
    """Every folder of weights, and the file of its sums."""
    companions = {folder: folder.with_name(f"{folder.name}.sha256") for folder in (ADAPTERS, TINY_VAE, SSD)}
    return {WEIGHTS: SUMS, **companions}
