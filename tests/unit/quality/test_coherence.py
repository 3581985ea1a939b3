"""A float32 run that is destroyed for everybody is no reference, whatever is stored."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from perfsuite.quality.coherence import check_coherent
from perfsuite.quality.generation import Trace
from perfsuite.quality.relative_errors import QualityError

PIPE = SimpleNamespace(image_processor=SimpleNamespace(config=SimpleNamespace(do_normalize=True)))
CONTEXT: Any = SimpleNamespace(drawn=SimpleNamespace(guidance=5.0))
PROMPTS = ("a red ring", "a blue cross")


def trace(seed: int, batch: int = 1) -> Trace:
    """What a decoder gave, its picture as 8-bit levels, and what the text became."""
    rng = np.random.default_rng(seed)
    decoded = rng.uniform(-1.2, 1.2, (batch, 3, 16, 16)).astype(np.float32)
    picture = np.concatenate([np.clip(each / 2 + 0.5, 0, 1).transpose(1, 2, 0) for each in decoded], axis=1)
    tensors: dict[str, Any] = {
        "decoded": decoded, "embeds": rng.random((2, 7, 4)), "time_ids": np.ones((2, 6)),
        "text_encoder.tokens": np.ones((1, 7)), "sigmas": np.ones(3),
    }  # fmt: skip
    return Trace(tensors, np.rint(picture * 255).astype(np.float32) / 255)


def half_black(picture: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(picture))[:, None, None] < len(picture) // 2, 0.0, picture)


def test_an_honest_run_is_coherent() -> None:
    check_coherent(PIPE, CONTEXT, PROMPTS, [trace(0), trace(1)])
    check_coherent(PIPE, CONTEXT, PROMPTS, [trace(0, batch=2), trace(1, batch=2)])
    check_coherent(
        SimpleNamespace(), CONTEXT, PROMPTS, [trace(0), replace(trace(1), picture=trace(2).picture)]
    )


@pytest.mark.parametrize(
    "change",
    [lambda p: p[..., ::-1], lambda p: p[:, ::-1], half_black, lambda p: p * 0.9, lambda p: 1 - p],
    ids=["swapped channels", "mirrored", "half black", "darker", "inverted"],
)
def test_a_picture_that_the_decoder_did_not_give(change: Callable[[np.ndarray], np.ndarray]) -> None:
    """SSIM against itself is 1, and no kernel is wrong."""
    other = trace(1)
    traces = [trace(0), replace(other, picture=change(other.picture))]
    with pytest.raises(QualityError, match=r"no picture of 'a blue cross': it is not what the decoder gave"):
        check_coherent(PIPE, CONTEXT, PROMPTS, traces)


def test_grey_and_nan_are_none_either() -> None:
    for value in (0.5, np.nan):
        grey = replace(trace(1), picture=np.full((16, 16, 3), value, np.float32))
        with pytest.raises(QualityError, match=r"no picture of 'a blue cross': (flat|768 of 768)"):
            check_coherent(SimpleNamespace(), CONTEXT, PROMPTS, [trace(0), grey])


def test_all_pictures_alike() -> None:
    """Only where the prompts are not."""
    same = [trace(0), replace(trace(1), tensors=trace(0).tensors, picture=trace(0).picture)]
    with pytest.raises(QualityError, match=r"tell 'a red ring' from 'a blue cross': both have the same pict"):
        check_coherent(PIPE, CONTEXT, PROMPTS, same)
    check_coherent(PIPE, CONTEXT, (PROMPTS[0],) * 2, same)


def test_a_text_that_does_not_reach_the_denoiser() -> None:
    """The latents differ, and so do the pictures."""
    deaf = trace(1)
    deaf.tensors["embeds"] = trace(0)["embeds"]
    with pytest.raises(QualityError, match="the same embeds, time_ids, so the text does not reach it"):
        check_coherent(PIPE, CONTEXT, PROMPTS, [trace(0), deaf])


class EulerDiscreteScheduler:
    """By its name alone it is known how its steps go."""

    config = SimpleNamespace(prediction_type="epsilon")


def walk(gain: float = 1.0, rows: int = 2) -> Trace:
    """Four steps by Euler's method, the noise of each multiplied by mistake."""
    rng = np.random.default_rng(3)
    sigmas, noise = np.array([9.0, 4.0, 2.0, 1.0, 0.0]), rng.standard_normal((4, rows, 4, 8, 8))
    latents, at = [], 9.0 * rng.standard_normal((1, 4, 8, 8))
    for step in range(4):
        guided = noise[step, :1] if rows == 1 else -4.0 * noise[step, :1] + 5.0 * noise[step, 1:]
        at = at + (sigmas[step + 1] - sigmas[step]) * gain * guided
        latents.append(at)
    found = trace(0)
    more = {"sigmas": sigmas, "noise": noise, "latents": np.stack(latents), "rows": np.full(4, rows)}
    return replace(found, tensors={**found.tensors, **more})


@pytest.mark.parametrize("rows", [1, 2])
def test_a_scheduler_that_is_wrong_for_everybody(rows: int) -> None:
    pipe = SimpleNamespace(scheduler=EulerDiscreteScheduler())
    check_coherent(pipe, CONTEXT, PROMPTS[:1], [walk(rows=rows)])
    with pytest.raises(QualityError, match=r"another way to 'a red ring': step 2 is 0\.\d+ from Euler's"):
        check_coherent(pipe, CONTEXT, PROMPTS[:1], [walk(1.05, rows)])
    unknown = SimpleNamespace(scheduler=SimpleNamespace())
    check_coherent(unknown, CONTEXT, PROMPTS[:1], [walk(1.05, rows)])
