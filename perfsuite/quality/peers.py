"""The picture and tensor gates of other projects, on the same data, to be shown beside this suite's.

Each is that project's rule and default thresholds, applied to every prompt. Gates on encoded
pictures see 8 bits a channel, in which NaN is black.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.quality.metrics import psnr, ssim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.quality.metrics import Picture

TORCH_TOLERANCE = 1e-3
"""pytorch's benchmarks/dynamo, inference: huggingface.py and timm_models.py, in every precision.

Some models have 4e-3 or 5e-3. The third suite, torchbench.py, has 1e-3 for float16 and else 1e-4.
"""


@dataclass(frozen=True)
class Case:
    """What one variant drew, and what it is compared with; one entry a prompt."""

    pictures: tuple[Picture, ...]
    reference_pictures: tuple[Picture, ...]
    """Float arrays (height, width, 3) in [0, 1]: the variant's and the float32 run's."""
    latents: Sequence[Any]
    same_precision_latents: Sequence[Any]
    float64_latents: Sequence[Any]
    """Final latents as tensors: the variant's, an eager run's in its dtype, a float64 run's."""


@dataclass(frozen=True)
class Peer:
    """The gate of another project."""

    name: str
    summary: str
    source: str
    passes: Callable[[Case], bool]


def _pairs(*sides: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The sides prompt by prompt. Raises `ValueError` where one is missing, or all are."""
    found = list(zip(*sides, strict=True))
    if not found:
        raise ValueError("nothing to compare: no prompt was drawn")
    return found


def _encoded(picture: Picture) -> Picture:
    """The picture after a PNG file."""
    return np.rint(255.0 * np.clip(np.nan_to_num(picture, posinf=1.0, neginf=0.0), 0.0, 1.0)) / 255.0


def _pictures_similar(
    case: Case, least_ssim: float, least_psnr_db: float = 0.0, most_mean_levels: float = 255.0
) -> bool:
    """SSIM, PSNR and mean absolute difference (in levels of 255) of the encoded pictures."""
    pairs = [
        (_encoded(picture), _encoded(reference))
        for picture, reference in _pairs(case.pictures, case.reference_pictures)
    ]
    return all(
        ssim(picture, reference) >= least_ssim
        and psnr(picture, reference) >= least_psnr_db
        and 255.0 * float(np.abs(picture - reference).mean()) <= most_mean_levels
        for picture, reference in pairs
    )


def _pixels_equal(case: Case, tolerance: float) -> bool:
    """The greatest difference of any value; NaN is not below any tolerance."""
    return all(
        bool(np.abs(picture - reference).max() < tolerance)
        for picture, reference in _pairs(case.pictures, case.reference_pictures)
    )


def _torch_same(case: Case, *, cosine: bool) -> bool:
    """`torch._dynamo.utils.same` as the benchmarks call it; below float32 NaN may equal NaN."""
    import torch
    import torch._inductor.config
    from torch._dynamo.utils import same

    return all(
        same(
            eager,
            latents,
            fp64_ref=exact,
            cos_similarity=cosine,
            tol=TORCH_TOLERANCE,
            equal_nan=eager.dtype != torch.float32,
            log_error=lambda *args, **kwargs: None,
        )
        for eager, latents, exact in _pairs(case.same_precision_latents, case.latents, case.float64_latents)
    )


PEERS: tuple[Peer, ...] = (
    Peer(
        "ssim-0.95",
        "SSIM at least 0.95",
        "the customary threshold; SGLang's default for pictures",
        partial(_pictures_similar, least_ssim=0.95),
    ),
    Peer(
        "sglang",
        "SSIM at least 0.95, PSNR at least 28 dB, mean difference at most 8 of 255 levels",
        "sgl-project/sglang, multimodal_gen/test/server/consistency_threshold.json, without CLIP",
        partial(_pictures_similar, least_ssim=0.95, least_psnr_db=28.0, most_mean_levels=8.0),
    ),
    Peer(
        "vllm-omni",
        "SSIM at least 0.97, PSNR at least 30 dB",
        "vllm-project/vllm-omni, tests/e2e/accuracy; lowered for single models since (#5963)",
        partial(_pictures_similar, least_ssim=0.97, least_psnr_db=30.0),
    ),
    Peer(
        "diffusers",
        "no value of a picture differs by 1e-3",
        "huggingface/diffusers, tests/pipelines/test_pipelines_common.py, in float32 there",
        partial(_pixels_equal, tolerance=1e-3),
    ),
    Peer(
        "torch-cosine",
        "cosine similarity of the final latents with eager ones of the same precision at least 0.99",
        "pytorch/pytorch, benchmarks/dynamo with --cosine",
        partial(_torch_same, cosine=True),
    ),
    Peer(
        "torch-rmse",
        "latents equal to eager ones of the same precision within 1e-3, or their error against float64 "
        "at most 3 times (float32: 2 times) the eager one's",
        "pytorch/pytorch, benchmarks/dynamo",
        partial(_torch_same, cosine=False),
    ),
)
