"""Whether float32's own run hangs together, by what it passed on and by no stored number.

All that is compared with a reference inherits what is wrong in it: a text that nobody reads, or a picture
that is not what the decoder gave.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from perfsuite.quality.metrics import broken
from perfsuite.quality.relative_errors import QualityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.quality.generation import Trace

NOT_CONDITIONS = {
    "sigmas", "timesteps", "samples", "noise", "latents", "decoder_input", "decoded", "rows", "whole",
}  # fmt: skip
"""Of a trace: what is of the loop or the decoder. What has a dot in its name is a text encoder's."""
MOST_APART = 2.0 / 255.0
"""Mean difference of a picture and its decoder's output: what rounding to 8 bits leaves, several times."""


def check_coherent(pipe: Any, prompts: Sequence[str], traces: Sequence[Trace]) -> None:
    """Raise `QualityError` for a float32 run of which something is destroyed for everybody."""
    for prompt, trace in zip(prompts, traces, strict=True):
        reason = broken(trace.picture) or _another_picture(pipe, trace)
        if reason is not None:
            raise QualityError(f"float32 itself draws no picture of {prompt!r}: {reason}")
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


def _alike(one: Trace, two: Trace) -> str | None:
    """Why two prompts might as well be one; None where they are not."""
    if one.picture.shape == two.picture.shape and np.array_equal(one.picture, two.picture):
        return "both have the same picture, though their latents differ"
    names = [n for n in one.tensors if "." not in n and n not in NOT_CONDITIONS and n in two.tensors]
    if names and all(np.array_equal(one[name], two[name]) for name in names):
        return f"the denoiser was given the same {', '.join(names)}, so the text does not reach it"
    return None
