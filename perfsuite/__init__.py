"""Performance and quality gates for SDXL image generation with PyTorch and diffusers."""

__version__ = "0.1.0"
