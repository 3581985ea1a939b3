"""Other pipelines' architectures without their weights: the configuration of every component.

The JSON files below hold what the named repositories publish of their architecture; `PARAMETERS` proves that
they build the published models. Those that begin with ``tiny`` are nobody's: a few small layers of every kind
that the large one of their class has, drawn in seconds on a CPU.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
CLIP_L, CLIP_L_PROJECTED, CLIP_G, T5_XXL = 123_060_480, 123_650_304, 694_659_840, 4_762_310_656
VAE, VAE_16_CHANNELS = 83_653_863, 83_819_683
PARAMETERS = {
    "ssd-1b": {
        "unet": 1_331_334_404, "vae": VAE, "text_encoder": CLIP_L, "text_encoder_2": CLIP_G
    },
    "sd15": {"unet": 859_520_964, "vae": VAE, "text_encoder": CLIP_L},
    "pixart-alpha": {"transformer": 611_349_152, "vae": VAE, "text_encoder": T5_XXL},
    "sd3": {
        "transformer": 2_028_328_000, "vae": VAE_16_CHANNELS, "text_encoder": CLIP_L_PROJECTED,
        "text_encoder_2": CLIP_G, "text_encoder_3": T5_XXL,
    },
    "flux-dev": {
        "transformer": 11_901_408_320, "vae": VAE_16_CHANNELS, "text_encoder": CLIP_L,
        "text_encoder_2": T5_XXL,
    },
    "tiny-sd15": {"unet": 792_964, "vae": 261_079, "text_encoder": 1_600_672},
    "tiny-pixart": {"transformer": 119_536, "vae": 261_079, "text_encoder": 1_048_864},
    "tiny-sd3": {
        "transformer": 82_816, "vae": 271_379, "text_encoder": 1_601_696, "text_encoder_2": 1_601_696,
        "text_encoder_3": 2_097_600,
    },
    "tiny-flux": {
        "transformer": 132_176, "vae": 260_987, "text_encoder": 1_600_672, "text_encoder_2": 1_048_864
    },
    "tiny-kandinsky": {"unet": 884_456, "movq": 715_327},
}  # fmt: skip
"""Number of parameters of each component, by model."""


def configs(model: str) -> Path:
    """The folder of a model, in diffusers' layout, without weights and tokenizers."""
    return FOLDER / model
