"""What float32 did in one generation: every component's inputs and outputs, the latents of each step."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.precision import is_upcast
from perfsuite.pipelines.schedules import schedule
from perfsuite.pipelines.watching.stepwise import cache_of, stepwise_of, without_cache
from perfsuite.quality.relative_errors import QualityError
from perfsuite.quality.taps import listening, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Workload


@dataclass(frozen=True)
class Trace:
    """One prompt's generation, all on the CPU in float32."""

    tensors: dict[str, Any]
    """``<encoder>.tokens`` (1, 77), ``<encoder>.mask`` where it is given one, ``<encoder>.hidden``
    (1, 77, width; penultimate), ``<encoder>.first`` (the encoder's first output), the conditions of the
    denoiser's calls by the names in `perfsuite.pipelines.families.spelling`, for SDXL ``embeds`` (2, 77,
    width), ``pooled`` (2, width), ``time_ids`` (2, 6); ``sigmas`` (steps + 1,), ``timesteps`` (steps,),
    ``samples`` and ``noise`` (steps, 2, 4, h, w): what the denoiser was given and gave; ``latents`` (steps,
    1, 4, h, w) after each step; ``decoder_input`` (1, 4, h, w) and ``decoded`` (1, 3, height, width). With a
    batch all but the encoders', ``sigmas`` and ``timesteps`` have so many times 1 or 2. ``rows`` (steps,): of
    ``samples`` and ``noise`` how many are a step's, where guidance ends early. Where a scheduler has no
    sigmas, what else is its schedule stands for them. ``whole`` (as ``noise``): where a cache of diffusers
    spares steps, what the denoiser gives for ``samples`` without it."""
    picture: np.ndarray

    def __getitem__(self, name: str) -> Any:
        return self.tensors[name]

    def of_step(self, name: str, step: int) -> Any:
        """``samples`` or ``noise`` of one call of the UNet, as many rows as it had."""
        return self.tensors[name][step][: int(self.tensors["rows"][step])]

    def whole(self, step: int) -> Any:
        """What `call_denoiser` is to give: a step's noise, or what it is where no cache spares it."""
        return self.of_step("whole" if "whole" in self.tensors else "noise", step)

    @property
    def steps(self) -> int:
        """Denoising steps."""
        return len(self.tensors["timesteps"])


class PromptError(QualityError):
    """A prompt that the model would not see as it is written."""


def check_prompts(pipe: Any, workload: Workload) -> None:
    """Raise `PromptError` for a prompt that is empty, or that the tokenizers would cut."""
    for prompt in workload.prompts:
        if not prompt.strip():
            raise PromptError(f"workload {workload.name!r}: a prompt is empty; write what to draw")
        for name in family_of(pipe).tokenizers:
            tokenizer = getattr(pipe, name, None)
            if tokenizer is None:
                continue
            count, most = len(tokenizer(prompt).input_ids), tokenizer.model_max_length
            if count > most:
                raise PromptError(
                    f"workload {workload.name!r}: {prompt[:60]!r}… has {count} tokens, {name} takes {most}: "
                    f"the rest would be cut; shorten it"
                )


def _kept(tensor: Any) -> Any:
    import torch

    if not isinstance(tensor, torch.Tensor):
        tensor = torch.tensor(tensor)
    tensor = tensor.detach().to("cpu", copy=True)
    return tensor.float() if tensor.is_floating_point() else tensor


def record(pipe: Any, context: Context, prompt: int) -> Trace:
    """Draw one prompt with the (eager) pipeline and keep what passed between its components."""
    import torch

    family = family_of(pipe)
    tensors: dict[str, Any] = {}
    rows: dict[str, list[Any]] = {"timesteps": [], "samples": [], "noise": [], "latents": []}

    def hear_encoder(name: str) -> Any:
        def heard(args: Any, kwargs: Any, output: Any) -> None:
            # The first call is the prompt's; a second would be the negative prompt's.
            tensors.setdefault(f"{name}.tokens", _kept(args[0]))
            if kwargs.get("attention_mask") is not None:
                tensors.setdefault(f"{name}.mask", _kept(kwargs["attention_mask"]))

        return heard

    def hear_denoiser(args: Any, kwargs: Any, output: Any) -> None:
        sample, timestep, conditions = family.spelling.read(args, kwargs)
        rows["samples"].append(_kept(sample))
        rows["timesteps"].append(_kept(timestep).reshape(-1)[0])
        rows["noise"].append(_kept(output[0]))
        for name, condition in conditions.items():
            tensors.setdefault(name, _kept(condition))
        tensors.setdefault("sigmas", _kept(schedule(pipe.scheduler)))

    def hear_decode(args: Any, kwargs: Any, output: Any) -> None:
        tensors["decoder_input"], tensors["decoded"] = _kept(args[0]), _kept(output[0])

    listeners = {name: listening(getattr(pipe, name), hear_encoder(name)) for name in family.encoders}
    listeners[family.denoiser] = listening(getattr(pipe, family.denoiser), hear_denoiser)
    decode = listening(getattr(pipe, family.decoder).decode, hear_decode)
    after_step = family.on_latents(lambda step, latents: rows["latents"].append(_kept(latents)))
    with replaced(pipe, decode=decode, **listeners):
        picture = context.generate(pipe, prompt, **after_step)
    tensors["rows"] = torch.tensor([len(sample) for sample in rows["samples"]])
    tensors.update({name: torch.stack(_padded(items)) for name, items in rows.items()})
    trace = Trace(tensors, picture)
    if cache_of(getattr(pipe, family.denoiser)) is not None:
        whole = [_kept(call_denoiser(pipe, context, trace, step)) for step in range(trace.steps)]
        tensors["whole"] = torch.stack(_padded(whole))
    for name in family.encoders:
        hidden, first = call_encoder(pipe, context, trace, name)
        tensors.update({f"{name}.hidden": _kept(hidden), f"{name}.first": _kept(first)})
    return trace


def _padded(tensors: list[Any]) -> list[Any]:
    """Tensors of as many rows, zeros behind those that have fewer."""
    import torch

    most = max(len(t) if t.dim() else 0 for t in tensors)
    return [t if not t.dim() or len(t) == most else torch.cat([t, t.new_zeros(most - len(t), *t.shape[1:])])
            for t in tensors]  # fmt: skip


def _cast(tensor: Any, context: Context) -> Any:
    dtype = dtype_of(context.variant) if tensor.is_floating_point() else tensor.dtype
    return tensor.to(device=context.device.kind, dtype=dtype)


def call_encoder(pipe: Any, context: Context, trace: Trace, name: str) -> tuple[Any, Any]:
    """Penultimate hidden states and first output of a text encoder on the recorded tokens."""
    import torch

    with torch.no_grad():
        tokens, mask = trace[f"{name}.tokens"], trace.tensors.get(f"{name}.mask")
        masked = {} if mask is None else {"attention_mask": mask.to(context.device.kind)}
        output = getattr(pipe, name)(tokens.to(context.device.kind), output_hidden_states=True, **masked)
    return output.hidden_states[-2], output[0]


def call_denoiser(pipe: Any, context: Context, trace: Trace, step: int) -> Any:
    """The denoiser's output, of SDXL (2, 4, h, w), on the inputs that float32 had in this step.

    The call is spelled as the pipeline spells it, so that compiled code is used as it is. A UNet that keeps
    something of a step before is given that step first. One that foretells a step from all before it, as
    diffusers' caches do, computes it whole.
    """
    family = family_of(pipe)
    stepwise = stepwise_of(getattr(pipe, family.denoiser))
    names = [name for name in family.spelling.conditions if name in trace.tensors]
    output = None
    for each in (step,) if stepwise is None else stepwise.calls_for(step):
        sample = trace.of_step("samples", each)
        # Where guidance has ended, the rows with the prompt, which come last, are left.
        given = {
            name: trace[name] if name in family.spelling.shared else trace[name][-len(sample) :]
            for name in names
        }
        output = denoiser_output(pipe, context, sample, given, trace["timesteps"][each], each)
    if stepwise is not None:
        stepwise.end()
    return output


def denoiser_output(
    pipe: Any, context: Context, sample: Any, conditions: Mapping[str, Any], timestep: Any,
    step: int | None = None,
) -> Any:  # fmt: skip
    """The denoiser's output on latents and conditions of any number of rows.

    `step`: for a denoiser that keeps something between steps; without one nothing is kept.
    """
    import torch

    family, device = family_of(pipe), context.device.kind
    kept, denoiser = family.spelling.kept, getattr(pipe, family.denoiser)
    stepwise = stepwise_of(denoiser)
    if stepwise is not None:
        stepwise.place(step)
    with torch.no_grad(), without_cache(denoiser):
        given = {n: v.to(device) if n in kept else _cast(v, context) for n, v in conditions.items()}
        output = family.spelling.call(denoiser, _cast(sample, context), timestep.to(device), given)
        return output.clone()  # a CUDA graph's next replay writes into it


def call_vae(pipe: Any, context: Context, trace: Trace, decode: Any = None) -> Any:
    """The VAE decoder's output (1, 3, height, width) on the latents that float32 decoded."""
    import torch

    with torch.no_grad(), decoding(pipe):
        family = family_of(pipe)
        decoder = getattr(pipe, family.decoder)
        latents = trace["decoder_input"].to(device=context.device.kind, dtype=decoder.dtype)
        return (decode or decoder.decode)(latents, **family.decoding)[0].clone()


@contextlib.contextmanager
def decoding(pipe: Any) -> Iterator[None]:
    """As the pipeline does: a float16 VAE whose config asks for it is in float32 while it decodes."""
    import torch

    upcast = is_upcast(pipe)
    if upcast:
        pipe.vae.to(dtype=torch.float32)
    try:
        yield
    finally:
        if upcast:
            pipe.vae.to(dtype=torch.float16)
