"""A tiny VAE decoder in place of the model's own: less time and memory for detail that is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.optimizations.decoding import decodings
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, some
from perfsuite.pipelines.optimizations.layout import lays_out
from perfsuite.pipelines.promises import Card, Promise
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload

DECODERS: dict[str, Path] = {"shapes": shapes.TINY_VAE, "shapes-ssd": shapes.TINY_VAE}
"""By model: a folder of an `AutoencoderTiny` in diffusers' layout."""


def _apply(pipe: Any, context: Context) -> None:
    import torch
    from diffusers import AutoencoderTiny

    folder = DECODERS[context.workload.model]
    vae = AutoencoderTiny.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    vae = vae.to(device=context.device.kind, dtype=dtype_of(context.variant)).eval()
    pipe.vae = vae.to(memory_format=torch.channels_last) if lays_out(context.variant) else vae


def _verify(pipe: Any, context: Context) -> str:
    import numpy as np

    kind = type(pipe.vae).__name__
    if kind != "AutoencoderTiny":
        raise NotEngagedError(f"the VAE is {kind}, wanted AutoencoderTiny")
    other = _other_weights(pipe.vae, DECODERS[context.workload.model])
    if other:
        raise NotEngagedError(f"{len(other)} weights of its decoder are not those of its file: {some(other)}")
    picture, given = decodings(pipe, context)
    if len(given) != 1 or not np.ptp(picture) > 0:
        raise NotEngagedError(
            f"its decoder ran {len(given)} times, and the picture spans {np.ptp(picture):.2g}"
        )
    count = sum(p.numel() for p in pipe.vae.decoder.parameters())
    return f"{kind} decoded, with the {count} weights of its file"


def _other_weights(vae: Any, folder: Path) -> list[str]:
    """Names of the decoder's weights that are not what the folder holds, in the decoder's own type."""
    import torch
    from diffusers import AutoencoderTiny

    filed = AutoencoderTiny.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    wanted = filed.decoder.state_dict()
    found = vae.decoder.state_dict()
    return [
        name
        for name in sorted({*wanted, *found})
        if name not in found or name not in wanted
        or not torch.equal(found[name].cpu(), wanted[name].to(found[name].dtype))
    ]  # fmt: skip


def _fits(workload: Workload, variant: Variant) -> str | None:
    if workload.model not in DECODERS:
        return (
            f"there is no tiny VAE for the model {workload.model} of {workload.name}, but for "
            f"{', '.join(DECODERS)}; take a workload of these"
        )
    folder = DECODERS[workload.model]
    there = (folder / "config.json").is_file()
    return None if there else f"its tiny VAE {folder} is not there; train it, or name another folder"


TINY_VAE = Optimization(
    name="tiny-vae",
    summary="a tiny distilled VAE decoder in place of the model's own",
    apply=_apply,
    verify=_verify,
    loads=lambda model: (DECODERS[model],) if model in DECODERS else (),
    fits=_fits,
    phase=3,
    conflicts=("vae-tiling", "vae-slicing", "int8", "fp8"),
    promise=Promise.APPROXIMATE,
    task_margin=0.05,
    least_ssim=lambda value: 0.5,
    card=Card(
        where="models with a distilled decoder of their latents",
        proof="class and weights of the VAE; its decoder ran",
        measured="1.04x (n=5)",
    ),
)
