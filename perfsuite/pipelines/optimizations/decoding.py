"""Decoding in parts, for memory: a picture in tiles, or a batch one picture after another.

diffusers takes both switches without a word where they do nothing: SDXL's own tile is as large as its
picture, and a batch of one has no slices. So the tile is part of the name here, and what would do nothing is
refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager
from perfsuite.pipelines.promises import Card, Parameter, Promise
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.records import Workload


def decodings(pipe: Any, context: Context) -> tuple[Any, list[tuple[int, ...]]]:
    """One picture, drawn eagerly in one step, and the shapes of the latents that the decoder was given."""
    given: list[tuple[int, ...]] = []

    def entering(module: Any, args: tuple[Any, ...]) -> None:
        given.append(tuple(args[0].shape))

    handle = pipe.vae.decoder.register_forward_pre_hook(entering)
    try:
        with eager(pipe):
            picture = context.generate(pipe, steps=1)
    finally:
        handle.remove()
    return picture, given


def _apply_tiling(pipe: Any, context: Context) -> None:
    side = context.variant.value("vae-tiling")
    assert side is not None
    pipe.vae.enable_tiling()
    pipe.vae.tile_sample_min_size = int(side)
    pipe.vae.tile_latent_min_size = int(side) // pipe.vae_scale_factor


def _verify_tiling(pipe: Any, context: Context) -> str:
    import numpy as np

    side = context.variant.value("vae-tiling")
    assert side is not None
    picture, given = decodings(pipe, context)
    most = int(side) // pipe.vae_scale_factor
    if len(given) < 2 or any(max(shape[2:]) > most for shape in given):
        sides = " and ".join(sorted({f"{shape[2]}x{shape[3]}" for shape in given}))
        raise NotEngagedError(
            f"{len(given)} decodings of {sides} latents, wanted several of at most {most}x{most}: not tiled"
        )
    pipe.vae.disable_tiling()
    try:
        whole, _ = decodings(pipe, context)
    finally:
        pipe.vae.enable_tiling()
    if np.array_equal(picture, whole):
        raise NotEngagedError("the picture is that of one decoding, bit by bit")
    return f"{len(given)} tiles of at most {most}x{most} latents decoded a picture"


def _fits_tiling(workload: Workload, variant: Variant) -> str | None:
    side = variant.value("vae-tiling")
    most = max(workload.width, workload.height)
    if side is not None and side >= most:
        return (
            f"a tile of {side:g} pixels holds the whole picture of {workload.name} "
            f"({workload.width}x{workload.height}), so nothing would be tiled; give less than {most}"
        )
    if side is not None and side % 8:
        return f"a tile of {side:g} pixels is no multiple of 8; give one"
    return None


VAE_TILING = Optimization(
    name="vae-tiling",
    summary="the VAE decodes in overlapping tiles of so many pixels, for less memory",
    apply=_apply_tiling,
    verify=_verify_tiling,
    phase=3,
    conflicts=("tiny-vae",),
    fits=_fits_tiling,
    promise=Promise.APPROXIMATE,
    task_margin=0.05,
    # Of four prompts the least was 0.920 with tiles of half a picture's side: seams are few, and seen.
    least_ssim=lambda side: 0.75 if side and side >= 64 else 0.5,
    parameter=Parameter("side of a tile in pixels", default=512, least=32, most=4096),
    card=Card(
        where="every AutoencoderKL, for pictures larger than the tile",
        proof="more than one decoder call a picture, none larger than the tile",
        measured="0.95x at 64 (n=9)",
    ),
)


def _apply_slicing(pipe: Any, context: Context) -> None:
    pipe.vae.enable_slicing()


def _verify_slicing(pipe: Any, context: Context) -> str:
    _, given = decodings(pipe, context)
    rows, pictures = [shape[0] for shape in given], context.workload.batch
    # Beside tiling each picture takes several.
    left = len(rows) % pictures if "vae-tiling" in context.variant else len(rows) - pictures
    if set(rows) != {1} or left:
        raise NotEngagedError(f"decodings of {rows} pictures, wanted {pictures} of one: not sliced")
    return f"{pictures} pictures decoded one after another"


def _fits_slicing(workload: Workload, variant: Variant) -> str | None:
    if workload.batch == 1:
        two = f"{workload.name}{'+' if '@' in workload.name else '@'}b2"
        return f"{workload.name} draws one picture a call, of which there are no slices; take {two}"
    return None


VAE_SLICING = Optimization(
    name="vae-slicing",
    summary="the VAE decodes the pictures of a batch one after another, for less memory",
    apply=_apply_slicing,
    verify=_verify_slicing,
    phase=3,
    fits=_fits_slicing,
    card=Card(
        where="every AutoencoderKL, for batches of two and more",
        proof="each decoder call of one picture; as many as pictures, or as tiles of these",
        measured="0.99x at batch 2 (n=9)",
    ),
)
