"""Several prompts in one call, with several pictures of each: what belongs together stays together.

Whatever a call of one prompt gives, each row of a larger call must give, too. So nothing is recorded for it:
the rows are compared with float32's calls of one prompt, and a mistake that float32 shares is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.evidence import eager
from perfsuite.pipelines.schedules import drawing_noise
from perfsuite.quality.generation import unet_output
from perfsuite.quality.relative_errors import Errors, Place, relative_l2
from perfsuite.quality.taps import replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.pipelines.technique import Context
    from perfsuite.quality.generation import Trace

BATCH = "batch"
"""The UNet's output for two prompts at once."""
SEVERAL = "several prompts: "
"""Begins the names of the loop's values in a call of two prompts with two pictures each."""
EACH = 2
"""Pictures of each prompt."""


def _chosen(traces: Sequence[Trace]) -> list[int]:
    return [0, len(traces) - 1]  # of one prompt twice the same, which has a batch all the same


def _interleaved(tensors: Sequence[Any], halves: int, each: int = 1) -> Any:
    """Rows of several calls of one prompt as one call has them: first all without the prompt, then all with.

    `each` repeats the first row of each, so that the pictures of a prompt follow each other.
    """
    import torch

    rows = [tensor.chunk(halves) for tensor in tensors]
    return torch.cat([row[half][:1].repeat_interleave(each, 0) for half in range(halves) for row in rows])


def _halves(trace: Trace, context: Context) -> int:
    """Two where the UNet is called with and without the prompt at once, which guidance wants."""
    return 2 if len(trace["noise"][0]) == 2 * context.workload.batch else 1


def measure_batch(pipe: Any, context: Context, traces: Sequence[Trace]) -> Errors:
    """Error of the UNet's rows when it is given two prompts at once, on float32's inputs of the first step.

    Of a compiled UNet the eager form is asked, which another batch does not compile anew.
    """
    chosen = [traces[i] for i in _chosen(traces)]
    halves = _halves(chosen[0], context)

    def of(name: str) -> Any:
        first = [t[name][0] if name in ("samples", "noise") else t[name] for t in chosen]
        return _interleaved(first, halves)

    with eager(pipe):
        given = {name: of(name) for name in ("samples", "embeds", "pooled", "time_ids")}
        noise = unet_output(pipe, context, given, chosen[0]["timesteps"][0])
    return {Place("unet", BATCH, 0, 0): relative_l2(noise, of("noise"))}


def measure_several(pipe: Any, context: Context, traces: Sequence[Trace]) -> Errors:
    """Errors of what the UNet gets in a call of two prompts with two pictures each, and of the first step.

    The UNet is replaced by what it gave in float32, so that the call costs next to nothing.
    """
    import torch

    numbers = _chosen(traces)
    chosen, found = [traces[i] for i in numbers], Errors()
    halves = _halves(chosen[0], context)

    def compare(name: str, value: Any, wanted: Sequence[Any], parts: int) -> None:
        place = Place("loop", SEVERAL + name, 0, 0)
        found.setdefault(place, relative_l2(value, _interleaved(wanted, parts, EACH)))

    def unet(sample: Any, timestep: Any, *args: Any, **kwargs: Any) -> Any:
        conditions = kwargs.get("added_cond_kwargs") or {}
        compare("unet input", sample, [t["samples"][0] for t in chosen], halves)
        compare("embeds", kwargs.get("encoder_hidden_states"), [t["embeds"] for t in chosen], halves)
        compare("pooled", conditions.get("text_embeds"), [t["pooled"] for t in chosen], halves)
        compare("time_ids", conditions.get("time_ids"), [t["time_ids"] for t in chosen], halves)
        noise = _interleaved([t["noise"][0] for t in chosen], halves, EACH)
        return (noise.to(device=sample.device, dtype=sample.dtype),)

    def after_step(pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if torch.equal(generator.get_state(), before):  # else noise was added, of each row another
            compare("latents", values["latents"], [t["latents"][0] for t in chosen], 1)
        pipe._interrupt = True  # the other steps would say the same
        return {}

    first = torch.cat([context.latents(pipe, i)[:1].repeat_interleave(EACH, 0) for i in numbers])
    generator = torch.Generator(context.device.kind)
    before = generator.get_state()
    with replaced(pipe, unet=unet), drawing_noise(pipe.scheduler, generator):
        pipe(
            prompt=[context.workload.prompts[i] for i in numbers],
            latents=first,
            num_inference_steps=context.drawn.steps,
            guidance_scale=context.drawn.guidance,
            height=context.workload.height,
            width=context.workload.width,
            num_images_per_prompt=EACH,
            output_type="latent",
            return_dict=False,
            callback_on_step_end=after_step,
        )
    return found
