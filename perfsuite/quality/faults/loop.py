"""Faults of the loop: pipeline and scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.quality.faults.fault import Fault, entering
from perfsuite.quality.faults.surgery import override, rounded_to_bf16, scale_property, stepped

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

FAULTS: dict[str, Fault] = {}
fault = entering(FAULTS)


@fault("sigmas-in-bf16", "loop", "the noise levels of the schedule are rounded to bfloat16")
def _sigmas_in_bf16(pipe: Any, context: Context) -> None:
    scheduler = pipe.scheduler

    def change(original: Any, *args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        scheduler.sigmas = rounded_to_bf16(scheduler.sigmas)

    override(scheduler, "set_timesteps", change)
    scheduler.sigmas = rounded_to_bf16(scheduler.sigmas)


@fault("scheduler-in-bf16", "loop", "the scheduler computes its step in bfloat16, without up-casting")
def _scheduler_in_bf16(pipe: Any, context: Context) -> None:
    import torch

    scheduler, low = pipe.scheduler, torch.bfloat16

    def change(original: Any, noise: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(noise, timestep, sample, *args, **kwargs)
        sigma, following = scheduler.sigmas[scheduler.step_index - 1 :][:2].to(low)
        start = sample.to(low)
        slope = (start - (start - sigma * noise.to(low))) / sigma
        return stepped(result, (start + slope * (following - sigma)).to(result[0].dtype))

    override(scheduler, "step", change)


@fault("scheduler-scale-skipped", "loop", "the UNet's input is not scaled to its noise level")
def _scheduler_scale_skipped(pipe: Any, context: Context) -> None:
    def change(original: Any, sample: Any, timestep: Any) -> Any:
        original(sample, timestep)
        return sample

    override(pipe.scheduler, "scale_model_input", change)


@fault("init-noise-off-by-1-percent", "loop", "the first latents are 1 % too large")
def _init_noise(pipe: Any, context: Context) -> None:
    scale_property(pipe.scheduler, "init_noise_sigma", 1.01)


@fault("step-lost", "loop", "the last step leaves the latents as they were")
def _step_lost(pipe: Any, context: Context) -> None:
    scheduler = pipe.scheduler

    def change(original: Any, noise: Any, timestep: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(noise, timestep, sample, *args, **kwargs)
        last = scheduler.step_index == len(scheduler.sigmas) - 1
        return stepped(result, sample.to(result[0].dtype)) if last else result

    override(scheduler, "step", change)


@fault("guidance-off-by-5-percent", "loop", "the guidance scale is 5 % too large")
def _guidance(pipe: Any, context: Context) -> None:
    scale_property(pipe, "guidance_scale", 1.05)


@fault("time-ids-swapped", "loop", "original size and crop offset change places in the conditioning")
def _time_ids_swapped(pipe: Any, context: Context) -> None:
    def change(original: Any, size: Any, crop: Any, *args: Any, **kwargs: Any) -> Any:
        return original(crop, size, *args, **kwargs)

    override(pipe, "_get_add_time_ids", change)


@fault(
    "pooled-tiled", "loop", "of several prompts with several pictures each the pooled embeddings alternate"
)
def _pooled_tiled(pipe: Any, context: Context) -> None:
    """diffusers#9215."""

    def change(original: Any, *args: Any, **kwargs: Any) -> Any:
        embeds, without, *pooled = original(*args, **kwargs)
        each = kwargs["num_images_per_prompt"]
        tiled = [t.unflatten(0, (-1, each)).transpose(0, 1).flatten(0, 1) for t in pooled]
        return (embeds, without, *tiled)

    override(pipe, "encode_prompt", change)
