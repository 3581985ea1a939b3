"""Each component alone, fed with what it was fed in float32 (teacher forcing): errors cannot grow.

Along a trajectory of many steps honest rounding grows too, so a fault hides behind it; a single call on
equal inputs shows either as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import eager, is_compiled
from perfsuite.quality.generation import call_denoiser, call_encoder, call_vae
from perfsuite.quality.relative_errors import Errors, Place, relative_l2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.pipelines.technique import Context
    from perfsuite.quality.generation import Trace

STEPS = 8
"""Calls of the denoiser a prompt; prompts take different steps, so that together they cover the schedule."""
COMPILED = "compiled against eager"
GUIDED = "guided"


def chosen_steps(steps: int, prompt: int, prompts: int) -> list[int]:
    """The steps at which the UNet is called for this prompt: first and last, and evenly between."""
    count = min(STEPS, steps)
    shift = prompt / prompts
    between = {min(steps - 1, int((i + shift) * steps / count)) for i in range(count)}
    return sorted({0, steps - 1} | between)


def guided(noise: Any, guidance: float) -> Any:
    """Classifier-free guidance of a batch (without, with the prompt): (2n, ...) to (n, ...)."""
    without, with_prompt = noise.float().chunk(2)
    return without + guidance * (with_prompt - without)


def measure_components(pipe: Any, context: Context, traces: Sequence[Trace]) -> Errors:
    """Relative L2 error of every component's output on float32's inputs, by component, prompt, step.

    ``unet`` (or ``transformer``) is the raw output (both halves of the batch), ``unet.guided`` the output
    after guidance, which multiplies the difference of the halves and its error. Where the denoiser is
    compiled, ``unet.compiled against eager`` is the distance of the compiled form from the form it was made
    of.
    """
    found: Errors = {}
    family = family_of(pipe)
    denoiser, decoder = family.models
    compiled = is_compiled(getattr(pipe, denoiser))
    guidance = context.drawn.guidance
    for prompt, trace in enumerate(traces):
        for name in family.encoders:
            hidden, first = call_encoder(pipe, context, trace, name)
            found[Place(name, "", prompt)] = relative_l2(hidden, trace[f"{name}.hidden"])
            # Of the second encoder this is the pooled projection.
            found[Place(name, "output", prompt)] = relative_l2(first, trace[f"{name}.first"])
        for step in chosen_steps(trace.steps, prompt, len(traces)):
            noise, wanted = call_denoiser(pipe, context, trace, step), trace.whole(step)
            found[Place(denoiser, "", prompt, step)] = relative_l2(noise, wanted)
            if noise.shape == wanted.shape and len(noise) == 2 * context.workload.batch:
                found[Place(denoiser, GUIDED, prompt, step)] = relative_l2(
                    guided(noise, guidance), guided(wanted, guidance)
                )
            if compiled and step == 0:
                with eager(pipe):
                    plain = call_denoiser(pipe, context, trace, step)
                found[Place(denoiser, COMPILED, prompt, step)] = relative_l2(noise, plain)
        decoded = call_vae(pipe, context, trace)
        found[Place(decoder, "", prompt)] = relative_l2(decoded, trace["decoded"])
        if prompt == 0 and hasattr(getattr(pipe, decoder).decode, "_torchdynamo_orig_callable"):
            with eager(pipe):
                plain = call_vae(pipe, context, trace)
            found[Place(decoder, COMPILED, prompt)] = relative_l2(decoded, plain)
    return found
