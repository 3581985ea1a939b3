"""To which pipelines techniques apply that are made for one kind of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfsuite.pipelines.families import Family


def only_unets(family: Family) -> str | None:
    """Why a technique that takes a UNet apart has no meaning, None where there is one."""
    if family.denoiser != "unet":
        return f"not for {family.title}: it takes a UNet apart, and this denoises with a transformer"
    return None


def only_sdxl(family: Family) -> str | None:
    """Why what was made for SDXL's call has no meaning, None for SDXL."""
    if family.name != "sdxl":
        return f"not for {family.title}: it was made for SDXL's conditions"
    return None
