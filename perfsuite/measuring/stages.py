"""Where one call spends its time: text encoders, each denoising step, VAE.

Measured in a call of its own, beside the timed ones: they run bare.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.records import Stages

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines import Prepared


class _Marks:
    """Points in time: CUDA events, which cost no synchronisation, or the wall clock."""

    def __init__(self, kind: str) -> None:
        self._cuda = kind == "cuda"
        self._points: list[tuple[str, Any]] = []

    def add(self, name: str) -> None:
        if self._cuda:
            import torch

            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._points.append((name, event))
        else:
            self._points.append((name, time.perf_counter()))

    def spans(self) -> list[tuple[str, float]]:
        """Seconds that end at each point but the first, in order, with the point's name."""
        if self._cuda:
            import torch

            torch.cuda.synchronize()
            pairs = zip(self._points, self._points[1:], strict=False)
            return [(name, start.elapsed_time(end) / 1e3) for (_, start), (name, end) in pairs]
        pairs = zip(self._points, self._points[1:], strict=False)
        return [(name, end - start) for (_, start), (name, end) in pairs]


def _marked(function: Callable[..., Any], marks: _Marks, name: str) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        marks.add("other")
        result = function(*args, **kwargs)
        marks.add(name)
        return result

    return wrapper


def measure_stages(prepared: Prepared) -> Stages:
    """One generation with marks between its stages.

    What happens between the text encoders and the end of the first step (preparing latents and
    timesteps) counts as part of that step.
    """
    pipe, context = prepared.pipe, prepared.context
    marks, family = _Marks(context.device.kind), family_of(pipe)
    decoder = getattr(pipe, family.decoder)
    decode = decoder.__dict__.get("decode")
    try:
        if family.encoders:
            pipe.encode_prompt = _marked(pipe.encode_prompt, marks, "text")
        decoder.decode = _marked(decoder.decode, marks, "vae")
        marks.add("start")
        context.generate(pipe, **family.on_step(lambda: marks.add("step")))
        marks.add("other")
    finally:
        vars(pipe).pop("encode_prompt", None)
        del decoder.decode
        if decode is not None:
            decoder.decode = decode
    spans = marks.spans()

    def total(name: str) -> float:
        return sum(seconds for n, seconds in spans if n == name)

    return Stages(
        text_encoders_s=total("text"),
        steps_s=tuple(seconds for name, seconds in spans if name == "step"),
        vae_s=total("vae"),
        other_s=total("other"),
    )
