"""A technique of our own, and a variant that uses it; installed, every project with perfsuite knows them."""

from __future__ import annotations

from typing import Any

from perfsuite.pipelines import Context, NotEngagedError, Optimization, Registry


def apply_slicing(pipe: Any, context: Context) -> None:
    """Decode the pictures of a batch one after the other."""
    pipe.vae.enable_slicing()


def verify_slicing(pipe: Any, context: Context) -> str:
    """Two latents are decoded in two calls of one picture each."""
    import torch

    seen: list[int] = []
    decoder, config = pipe.vae.decoder, pipe.vae.config
    hook = decoder.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    weight = next(decoder.parameters())
    try:
        with torch.no_grad():
            pipe.vae.decode(torch.zeros(2, config.latent_channels, 8, 8).to(weight))
    finally:
        hook.remove()
    if seen != [1, 1]:
        raise NotEngagedError(f"the decoder drew {seen} pictures a call, wanted one in each of two")
    return "the decoder draws one picture a call"


def register(registry: Registry) -> None:
    """What perfsuite calls, by the entry point."""
    registry.optimization(
        Optimization(
            name="one-by-one",
            summary="the VAE decodes the pictures of a batch one by one",
            apply=apply_slicing,
            verify=verify_slicing,
            phase=2,
        )
    )
    registry.variant("sliced", "fp32+sdpa+one-by-one")
