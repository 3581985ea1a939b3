"""Inductor's flags of the published recipe, set where this torch still has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

COMPILE_FLAGS = {
    "conv_1x1_as_mm": True,
    "coordinate_descent_tuning": True,
    "epilogue_fusion": False,
    "coordinate_descent_check_all_directions": True,
}
"""Source: github.com/huggingface/diffusion-fast, and the diffusers tutorial made from it."""
COMPILE_SETTINGS = (*(f"inductor.{flag}" for flag in COMPILE_FLAGS), "env.TRITON_*")
"""What compiling changes in the process, as of `Optimization.settings`; Inductor itself tells Triton
the folder of its cache, by the environment, when it times templates."""
INT8_FLAGS = {"force_fuse_int_mm_with_mul": True, "use_mixed_mm": True}
"""Additional flags of the same source for dynamic int8 quantization.

torch 2.13 has both names and does nothing with either: what would read the first is called by nothing, the
second says so itself.
"""


def set_flags(flags: dict[str, bool], context: Context) -> None:
    """Set Inductor flags; one that this torch does not have is noted, not an error."""
    import torch._inductor.config as config

    for name, value in flags.items():
        if hasattr(config, name):
            setattr(config, name, value)
        else:
            context.note(f"this torch has no Inductor flag {name}")


def wrong_flags(flags: dict[str, bool]) -> list[str]:
    """The flags that this torch has and that are not set as wanted."""
    import torch._inductor.config as config

    return [
        f"{name} is {getattr(config, name)}"
        for name, value in flags.items()
        if hasattr(config, name) and getattr(config, name) != value
    ]
