"""Several prompts in one call, with several pictures of each: what belongs together stays together.

Whatever a call of one prompt gives, each row of a larger call must give, too. So nothing is recorded for it:
the rows are compared with float32's calls of one prompt, and a mistake that float32 shares is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import eager
from perfsuite.pipelines.schedules import drawing_noise
from perfsuite.quality.generation import denoiser_output
from perfsuite.quality.relative_errors import Errors, Place, relative_l2
from perfsuite.quality.taps import replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.pipelines.families import Family
    from perfsuite.pipelines.technique import Context
    from perfsuite.quality.generation import Trace

BATCH = "batch"
"""The denoiser's output for two prompts at once."""
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
    """Two where the denoiser is called with and without the prompt at once, which guidance wants."""
    return 2 if len(trace["noise"][0]) == 2 * context.workload.batch else 1


def measure_batch(pipe: Any, context: Context, traces: Sequence[Trace]) -> Errors:
    """Error of the UNet's rows when it is given two prompts at once, on float32's inputs of the first step.

    Of a compiled UNet the eager form is asked, which another batch does not compile anew.
    """
    chosen = [traces[i] for i in _chosen(traces)]
    halves, family = _halves(chosen[0], context), family_of(pipe)

    def of(name: str) -> Any:
        if name in family.spelling.shared:
            return chosen[0][name]
        first = [t[name][0] if name in ("samples", "noise") else t[name] for t in chosen]
        return _interleaved(first, halves)

    with eager(pipe):
        given = {name: of(name) for name in _conditions(family, chosen[0])}
        noise = denoiser_output(pipe, context, of("samples"), given, chosen[0]["timesteps"][0])
    return {Place(family.denoiser, BATCH, 0, 0): relative_l2(noise, of("noise"))}


def _conditions(family: Family, trace: Trace) -> list[str]:
    return [name for name in family.spelling.conditions if name in trace.tensors]


def measure_several(pipe: Any, context: Context, traces: Sequence[Trace]) -> Errors:
    """Errors of what the UNet gets in a call of two prompts with two pictures each, and of the first step.

    The UNet is replaced by what it gave in float32, so that the call costs next to nothing.
    """
    import torch

    numbers, family = _chosen(traces), family_of(pipe)
    chosen, found = [traces[i] for i in numbers], Errors()
    if family.inputs is not None:
        return found  # it takes no prompts
    halves = _halves(chosen[0], context)

    def compare(name: str, value: Any, wanted: Sequence[Any], parts: int) -> None:
        place = Place("loop", SEVERAL + name, 0, 0)
        found.setdefault(place, relative_l2(value, _interleaved(wanted, parts, EACH)))

    def denoiser(*args: Any, **kwargs: Any) -> Any:
        sample, _, conditions = family.spelling.read(args, kwargs)
        compare(f"{family.denoiser} input", sample, [t["samples"][0] for t in chosen], halves)
        for name in _conditions(family, chosen[0]):
            if name not in family.spelling.shared:
                compare(name, conditions.get(name), [t[name] for t in chosen], halves)
        noise = _interleaved([t["noise"][0] for t in chosen], halves, EACH)
        return (noise.to(device=sample.device, dtype=sample.dtype),)

    def after_step(step: int, latents: Any) -> None:
        if torch.equal(generator.get_state(), before):  # else noise was added, of each row another
            compare("latents", latents, [t["latents"][0] for t in chosen], 1)
        pipe._interrupt = True  # the other steps would say the same

    first = torch.cat([context.latents(pipe, i)[:1].repeat_interleave(EACH, 0) for i in numbers])
    generator = torch.Generator(context.device.kind)
    before = generator.get_state()
    with replaced(pipe, **{family.denoiser: denoiser}), drawing_noise(pipe.scheduler, generator):
        given = {
            **family.arguments(pipe, context.drawn, 0),
            "prompt": [context.workload.prompts[i] for i in numbers],
            "num_images_per_prompt": EACH,
            "output_type": "latent",
        }
        pipe(
            latents=first,
            num_inference_steps=context.drawn.steps,
            **given,
            **family.on_latents(after_step),
        )
    return found
