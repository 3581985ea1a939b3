"""Precisions by name, and the torch dtype of each."""

from __future__ import annotations

from typing import Any

NAMES = {"fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Precision to the torch dtype of weights and activations."""


def dtype_of(variant_or_names: Any) -> Any:
    """The torch dtype of a variant."""
    import torch

    for name, dtype in NAMES.items():
        if name in variant_or_names:
            return getattr(torch, dtype)
    raise ValueError(f"no precision in {variant_or_names!r}; one of {', '.join(NAMES)}")
