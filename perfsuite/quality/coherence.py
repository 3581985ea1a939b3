"""Whether float32's own run hangs together, by what it passed on and by no stored number.

All that is compared with a reference inherits what is wrong in it: a text that nobody reads, a step that the
scheduler does not take, or a picture that is not what the decoder gave.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.quality.metrics import broken
from perfsuite.quality.relative_errors import QualityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.pipelines.technique import Context
    from perfsuite.quality.generation import Trace

NOT_CONDITIONS = {
    "sigmas", "timesteps", "samples", "noise", "latents", "decoder_input", "decoded", "rows", "whole",
}  # fmt: skip
"""Of a trace: what is of the loop or the decoder. What has a dot in its name is a text encoder's."""
STEPS_APART = 1e-3
"""Relative L2 of a step of Euler's method, computed in float64: float32 needs 1e-6."""
MOST_APART = 2.0 / 255.0
"""Mean difference of a picture and its decoder's output: what rounding to 8 bits leaves, several times."""


def check_coherent(pipe: Any, context: Context, prompts: Sequence[str], traces: Sequence[Trace]) -> None:
    """Raise `QualityError` for a float32 run of which something is destroyed for everybody."""
    for prompt, trace in zip(prompts, traces, strict=True):
        reason = broken(trace.picture) or _another_picture(pipe, trace)
        if reason is not None:
            raise QualityError(f"float32 itself draws no picture of {prompt!r}: {reason}")
        reason = _another_step(pipe, context, trace)
        if reason is not None:
            raise QualityError(f"float32 itself takes another way to {prompt!r}: {reason}")
    for (one, first), (two, second) in combinations(zip(prompts, traces, strict=True), 2):
        reason = None if one == two else _alike(first, second)
        if reason is not None:
            raise QualityError(f"float32 itself does not tell {one!r} from {two!r}: {reason}")


def _another_picture(pipe: Any, trace: Trace) -> str | None:
    """Why the picture is not what the decoder gave; None where it is, and where nobody can say."""
    processor = getattr(pipe, "image_processor", None)
    if processor is None or not getattr(processor.config, "do_normalize", False):
        return None
    decoded = np.asarray(trace["decoded"], dtype=np.float64)
    # A batch stands side by side.
    wanted = np.concatenate(list(np.clip(decoded / 2 + 0.5, 0.0, 1.0).transpose(0, 2, 3, 1)), axis=1)
    if wanted.shape != trace.picture.shape:
        return None  # it was given another size on purpose
    apart = float(np.abs(trace.picture - wanted).mean())
    if apart <= MOST_APART:
        return None
    return f"it is not what the decoder gave, but {apart:.3f} from it on average (allowed {MOST_APART:.3f})"


def _another_step(pipe: Any, context: Context, trace: Trace) -> str | None:
    """Why the latents are not what the scheduler should make of the noise; None where they are, and for
    schedulers but Euler's, or where the noise is something else."""
    scheduler: Any = getattr(pipe, "scheduler", None)
    if type(scheduler).__name__ != "EulerDiscreteScheduler" or scheduler.config.prediction_type != "epsilon":
        return None
    latents, sigmas = (np.asarray(trace[name], dtype=np.float64) for name in ("latents", "sigmas"))
    for step in range(1, min(len(latents), len(sigmas) - 1)):
        noise = np.asarray(trace.of_step("noise", step), dtype=np.float64)
        if len(noise) == 2 * len(latents[step]):
            without, with_text = np.split(noise, 2)
            noise = without + context.drawn.guidance * (with_text - without)
        if noise.shape != latents[step].shape:
            return None
        wanted = latents[step - 1] + (sigmas[step + 1] - sigmas[step]) * noise
        apart = float(np.linalg.norm(latents[step] - wanted) / np.linalg.norm(wanted))
        if not apart <= STEPS_APART:
            return f"step {step + 1} is {apart:.2g} from Euler's (relative L2, allowed {STEPS_APART:g})"
    return None


def _alike(one: Trace, two: Trace) -> str | None:
    """Why two prompts might as well be one; None where they are not."""
    if one.picture.shape == two.picture.shape and np.array_equal(one.picture, two.picture):
        return "both have the same picture, though their latents differ"
    names = [n for n in one.tensors if "." not in n and n not in NOT_CONDITIONS and n in two.tensors]
    if names and all(np.array_equal(one[name], two[name]) for name in names):
        return f"the denoiser was given the same {', '.join(names)}, so the text does not reach it"
    return None
