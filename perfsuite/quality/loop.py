"""The loop around the components: scheduler, guidance, conditions, scaling, the picture's conversion.

Looked at twice. *Forced*: the pipeline runs with denoiser and decoder replaced by what they gave in
float32, and starts every step from float32's latents (where the pipeline lets it), so that whatever differs
is the loop's doing.
*Free*: the real run's latents, step by step, where errors grow as they do for a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import family_of
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
    from diffusers.models.autoencoders.vae import DecoderOutput

    dtype, family = dtype_of(context.variant), family_of(pipe)
    exact = [name for name in family.spelling.conditions if name in EXACT]
    found: Errors = {}
    for prompt, trace in enumerate(traces):
        calls: list[int] = []

        def denoiser(
            *args: Any, prompt: int = prompt, trace: Trace = trace, calls: list[int] = calls, **kwargs: Any
        ) -> Any:
            sample, timestep, conditions = family.spelling.read(args, kwargs)
            step = len(calls)
            calls.append(step)
            if step >= trace.steps:
                return (torch.zeros_like(sample),)
            if step == 0:
                for name in family.spelling.conditions:
                    if name not in trace.tensors:
                        continue
                    wanted = trace[name]
                    if name not in exact:
                        error = relative_l2(conditions.get(name), wanted)
                    else:
                        error = _exact(conditions[name], wanted) if name in conditions else float("inf")
                    found[Place("loop", name, prompt, step)] = error
                found[Place("loop", "sigmas", prompt, step)] = _exact(
                    schedule(pipe.scheduler), trace["sigmas"]
                )
            if not family.spelling.casts:  # else it is rounded to the precision
                found[Place("loop", "timesteps", prompt, step)] = _exact(
                    torch.as_tensor(timestep).reshape(-1)[:1], trace["timesteps"][step].reshape(1)
                )
            given, wanted = f"{family.denoiser} input", trace.of_step("samples", step)
            found[Place("loop", given, prompt, step)] = relative_l2(sample, wanted)
            noise = trace.of_step("noise", step).to(device=sample.device, dtype=dtype)
            fits = sample.shape == wanted.shape
            return (noise if fits else noise.new_zeros((len(sample), *noise.shape[1:])),)

        def decode(latents: Any, *args: Any, prompt: int = prompt, trace: Trace = trace, **kw: Any) -> Any:
            found[Place("loop", f"{family.decoder} input", prompt)] = relative_l2(
                latents, trace["decoder_input"]
            )
            # By place or by name, as the pipeline asks.
            return DecoderOutput(trace["decoded"].to(device=latents.device, dtype=latents.dtype))

        def after_step(step: int, latents: Any, prompt: int = prompt, trace: Trace = trace) -> Any:
            if step >= trace.steps:
                return None
            found[Place("loop", "latents", prompt, step)] = relative_l2(latents, trace["latents"][step])
            return trace["latents"][step].to(device=latents.device, dtype=latents.dtype)

        with replaced(pipe, decode=decode, **{family.denoiser: denoiser}):
            picture = context.generate(pipe, prompt, **family.on_latents(after_step))
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

        def after_step(step: int, latents: Any, prompt: int = prompt, trace: Trace = trace) -> None:
            nonlocal final
            final = latents
            if step < trace.steps:
                found[Place("loop", FREE, prompt, step)] = relative_l2(final, trace["latents"][step])

        pictures.append(context.generate(pipe, prompt, **family_of(pipe).on_latents(after_step)))
        last.append(final.detach().to("cpu", copy=True))
    return pictures, last, found
