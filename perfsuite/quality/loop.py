"""The loop around the components: scheduler, guidance, conditions, scaling, the picture's conversion.

Looked at twice. *Forced*: the pipeline runs with UNet and VAE decoder replaced by what they gave in
float32, and starts every step from float32's latents, so that whatever differs is the loop's doing.
*Free*: the real run's latents, step by step, where errors grow as they do for a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.schedules import schedule
from perfsuite.quality.relative_errors import Errors, Place, relative_l2
from perfsuite.quality.taps import replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from perfsuite.pipelines.technique import Context
    from perfsuite.quality.generation import Trace

    Drawn = tuple[list[np.ndarray], list[Any], Errors]

EXACT = ("calls", "timesteps", "time_ids", "sigmas")
"""Values of the forced loop that no precision may change: numbers of calls, whole numbers, and the schedule,
which is float32 in every variant."""
FREE = "latents of the real run"


def _exact(value: Any, wanted: Any) -> float:
    """Largest relative difference of two small tensors; infinite where their shapes differ."""
    import torch

    value, wanted = value.detach().to("cpu", torch.float64), wanted.to(torch.float64)
    if value.shape != wanted.shape:
        return float("inf")
    return float(((value - wanted).abs() / wanted.abs().clamp(min=1.0)).max())


def measure_loop(pipe: Any, context: Context, traces: Sequence[Trace]) -> Errors:
    """Errors of the loop's values with the components' outputs forced to float32's."""
    import torch

    dtype = dtype_of(context.variant)
    found: Errors = {}
    for prompt, trace in enumerate(traces):
        calls: list[int] = []

        def unet(
            sample: Any, timestep: Any, *args: Any, prompt: int = prompt, trace: Trace = trace,
            calls: list[int] = calls, **kwargs: Any,
        ) -> Any:  # fmt: skip
            step = len(calls)
            calls.append(step)
            if step >= trace.steps:
                return (torch.zeros_like(sample),)
            conditions = kwargs.get("added_cond_kwargs") or {}
            if step == 0:
                given = (
                    ("embeds", kwargs.get("encoder_hidden_states")),
                    ("pooled", conditions.get("text_embeds")),
                )
                for name, value in given:
                    found[Place("loop", name, prompt, step)] = relative_l2(value, trace[name])
                found[Place("loop", "time_ids", prompt, step)] = (
                    float("inf")
                    if "time_ids" not in conditions
                    else _exact(conditions["time_ids"], trace["time_ids"])
                )
                found[Place("loop", "sigmas", prompt, step)] = _exact(
                    schedule(pipe.scheduler), trace["sigmas"]
                )
            found[Place("loop", "timesteps", prompt, step)] = _exact(
                torch.as_tensor(timestep).reshape(-1)[:1], trace["timesteps"][step].reshape(1)
            )
            wanted = trace.of_step("samples", step)
            found[Place("loop", "unet input", prompt, step)] = relative_l2(sample, wanted)
            noise = trace.of_step("noise", step).to(device=sample.device, dtype=dtype)
            return (noise if noise.shape == sample.shape else torch.zeros_like(sample),)

        def decode(latents: Any, *args: Any, prompt: int = prompt, trace: Trace = trace, **kw: Any) -> Any:
            found[Place("loop", "vae input", prompt)] = relative_l2(latents, trace["decoder_input"])
            return (trace["decoded"].to(device=latents.device, dtype=latents.dtype),)

        def after_step(
            pipe: Any, step: int, timestep: Any, values: dict[str, Any], prompt: int = prompt,
            trace: Trace = trace,
        ) -> dict[str, Any]:  # fmt: skip
            latents = values["latents"]
            if step >= trace.steps:
                return {}
            found[Place("loop", "latents", prompt, step)] = relative_l2(latents, trace["latents"][step])
            return {"latents": trace["latents"][step].to(device=latents.device, dtype=latents.dtype)}

        with replaced(pipe, unet=unet, decode=decode):
            picture = context.generate(pipe, prompt, callback_on_step_end=after_step)
        found[Place("loop", "picture", prompt)] = relative_l2(
            torch.from_numpy(picture), torch.from_numpy(trace.picture)
        )
        found[Place("loop", "calls", prompt)] = float(abs(len(calls) - trace.steps))
    return found


def run_freely(pipe: Any, context: Context, traces: Sequence[Trace]) -> Drawn:
    """The real pictures and final latents, and the latents' relative L2 error after every step."""
    pictures: list[np.ndarray] = []
    last: list[Any] = []
    found: Errors = {}
    for prompt, trace in enumerate(traces):
        final: Any = None

        def after_step(
            pipe: Any, step: int, timestep: Any, values: dict[str, Any], prompt: int = prompt,
            trace: Trace = trace,
        ) -> dict[str, Any]:  # fmt: skip
            nonlocal final
            final = values["latents"]
            if step < trace.steps:
                found[Place("loop", FREE, prompt, step)] = relative_l2(final, trace["latents"][step])
            return {}

        pictures.append(context.generate(pipe, prompt, callback_on_step_end=after_step))
        last.append(final.detach().to("cpu", copy=True))
    return pictures, last, found
