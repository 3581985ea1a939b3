"""How far a call is from what the device can do: its arithmetic, and the rate of a large matrix product.

Arithmetic is counted on tensors without data, from the components' configurations, so it is that of the
mathematics: what a variant fuses, compiles or quantizes has the same.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from perfsuite.device.clock import now
from perfsuite.device.memory import free_bytes
from perfsuite.measuring.arithmetic import work_of
from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import SDXL, family_of
from perfsuite.pipelines.optimizations.evidence import models
from perfsuite.records import Limits

if TYPE_CHECKING:
    from perfsuite.pipelines import Prepared

MATRIX = {"cuda": 8192, "cpu": 1024}
"""Rows and columns of the product: on a GPU 1.1 TFLOP, on a CPU 2.1 GFLOP."""
BLOCK_BYTES = {"cuda": 1 << 30, "cpu": 64 << 20}
"""Of the copy, at most: far beyond the last cache."""
TRIALS = 5


def limits(prepared: Prepared) -> Limits | None:
    """The work of each piece of a call, and the device's rates in the variant's precision; None where a
    technique leaves some of the work out, of which the configurations do not tell how much.

    To be measured while the variant's global settings hold: whether float32 may use TF32 is one.
    """
    pipe, context = prepared.pipe, prepared.context
    if context.variant.lossy:
        return None
    product, copy = rates(context.device.kind, dtype_of(context.variant))
    # SDXL's calls are known; what others give their models is looked at.
    text, step, vae = work(pipe, context.workload) if family_of(pipe) is SDXL else work_of(prepared)
    return Limits(
        text_flop=text, step_flop=step, vae_flop=vae, product_flop_per_s=product, copy_bytes_per_s=copy
    )


def work(pipe: Any, workload: Any) -> tuple[int, int, int]:
    """Floating point operations of the text encoders, of one denoising step, and of the VAE decoder.

    A multiplication and an addition are two. Counted by `torch.utils.flop_counter`: matrix products,
    convolutions and attention; what is left is a thousandth.
    """
    encoders = [e for e in (pipe.text_encoder, pipe.text_encoder_2) if e is not None]
    guided = workload.guidance > 1
    # Without a negative prompt SDXL's are zeros, which no encoder is needed for.
    passes = 1 if pipe.config.force_zeros_for_empty_prompt or not guided else 2
    unet, vae = (json.dumps(dict(model.config), default=str) for model in models(pipe).values())
    factor = pipe.vae_scale_factor
    size = (workload.height // factor, workload.width // factor)
    tokens = pipe.tokenizer_2.model_max_length
    described: list[tuple[Any, str]] = [(type(e), e.config.to_json_string(use_diff=False)) for e in encoders]
    text = sum(_encoder_flop(kind, config, tokens) for kind, config in described)
    pooled = pipe.text_encoder_2.config.projection_dim
    kinds: list[Any] = [type(model) for model in models(pipe).values()]
    return (
        text * passes,  # one prompt, however many pictures
        _unet_flop(kinds[0], unet, ((2 if guided else 1) * workload.batch, *size), tokens, pooled),
        _vae_flop(kinds[1], vae, size) * workload.batch,
    )


def _counted(call: Any) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def _on_meta(kind: Any, config: dict[str, Any]) -> Any:
    import torch

    with torch.device("meta"):
        return kind.from_config(config).eval()


@cache
def _encoder_flop(kind: Any, config: str, tokens: int) -> int:
    import torch

    with torch.device("meta"):
        model = kind(kind.config_class(**json.loads(config))).eval()
    return _counted(lambda: model(torch.zeros((1, tokens), dtype=torch.long)))


@cache
def _unet_flop(kind: Any, config: str, size: tuple[int, int, int], tokens: int, pooled: int) -> int:
    import torch

    model = _on_meta(kind, json.loads(config))
    batch, height, width = size

    def call() -> None:
        model(
            torch.empty((batch, model.config.in_channels, height, width)),
            torch.zeros(()),
            torch.empty((batch, tokens, model.config.cross_attention_dim)),
            added_cond_kwargs={
                "text_embeds": torch.empty((batch, pooled)),
                "time_ids": torch.empty((batch, 6)),
            },
        )

    return _counted(call)


@cache
def _vae_flop(kind: Any, config: str, size: tuple[int, int]) -> int:
    import torch

    model = _on_meta(kind, json.loads(config))
    return _counted(lambda: model.decode(torch.empty((1, model.config.latent_channels, *size))))


def rates(kind: str, dtype: Any) -> tuple[float, float]:
    """Operations per second of a large matrix product, and bytes per second of a large copy.

    The best of a few, as both are ceilings. A copy reads each byte and writes it: that is two.

    Args:
        kind: ``cpu`` or ``cuda``.
        dtype: torch dtype of the matrices.
    """
    import torch

    size = MATRIX[kind]
    generator = torch.Generator().manual_seed(0)
    small = torch.randn((64, 64), generator=generator)
    matrix = small.repeat(size // 64, size // 64).to(device=kind, dtype=dtype)
    target = torch.empty_like(matrix)
    product_s = _least(lambda: torch.mm(matrix, matrix, out=target))
    # Two blocks beside a pipeline that may fill the device: what was measured must not be lost to them.
    count = min(BLOCK_BYTES[kind], free_bytes(kind) // 8)
    source = torch.zeros(count, dtype=torch.uint8, device=kind)
    block = torch.empty_like(source)
    copy_s = _least(lambda: block.copy_(source))
    return 2.0 * size**3 / product_s, 2.0 * count / copy_s


def _least(call: Any) -> float:
    taken = []
    for _ in range(1 + TRIALS):
        start = now()
        call()
        taken.append(now() - start)
    return min(taken[1:])
