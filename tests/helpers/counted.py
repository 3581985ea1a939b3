"""Counts of plain figures, for tests of what is done with counts."""

from typing import Any

from perfsuite.records import Counts


def make_counts(**changes: Any) -> Counts:
    """Counts of an eager variant, with these fields in place of the usual ones."""
    usual: dict[str, Any] = {
        "versions": {"torch": "2.13.0+cpu", "diffusers": "0.42.1"},
        "code_for": "AVX512, 2 threads",
        "operators": {"aten.addmm in BasicTransformerBlock": 120, "aten.clone in BasicTransformerBlock": 12},
        "flop": {"unet": 1_000_000_000, "vae": 500_000_000},
        "weights_bytes": {"unet": 2**24, "vae": 2**20},
        "kernels": None,
        "peak_bytes": {"denoising": 2**22, "VAE": 2**23},
        "code_bytes": None,
    }
    return Counts(**{**usual, **changes})


def compiled(**changes: Any) -> Counts:
    """Counts of a compiled variant, likewise."""
    usual: dict[str, Any] = {
        "kernels": {"C++ kernels generated": 30, "cpp_fused_silu": 40, "extern_kernels.mm": 9},
        "code_bytes": {"generated source": 100_000},
    }
    return make_counts(**{**usual, **changes})
