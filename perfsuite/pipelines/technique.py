"""A technique, the variants that are made of techniques, and what a technique may know of its pipeline.

The three name each other, so they are one file; nothing else of this room is known here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from perfsuite.device import flash_attention
from perfsuite.device.clock import now
from perfsuite.device.load import Stretch
from perfsuite.device.load import watching as watching_load
from perfsuite.pipelines.contradictions import reason
from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.promises import Card, ContradictionError, Parameter, ParameterError, Promise
from perfsuite.pipelines.schedules import check_steps, drawing_noise, least_steps
from perfsuite.pipelines.watching.caches import uncounted, watching
from perfsuite.pipelines.watching.graphs import recording
from perfsuite.pipelines.watching.stepwise import forget_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from perfsuite.pipelines.watching.graphs import Graphs
    from perfsuite.records import Compilation, Device, Workload


def _as_it_is(workload: Workload, value: float | None) -> Workload:
    """How most techniques draw a workload."""
    return workload


def _equal(value: float | None) -> float:
    """The least similarity of what is not approximate, which nobody asks for."""
    return 1.0


@dataclass(frozen=True)
class Optimization:
    """One technique: how to apply it, how to prove that it took hold, and where it makes sense."""

    name: str
    summary: str
    apply: Callable[[Any, Context], None]
    """Change the pipeline in place."""
    verify: Callable[[Any, Context], str]
    """Return the evidence as one line of text, or raise `NotEngagedError`."""
    supports: Callable[[Device], str | None] = lambda device: None
    """None, or the reason why the device cannot run it or should not."""
    verify_last: Callable[[Any, Context], str | None] = lambda pipe, context: None
    """As `verify`, once all techniques are applied and what compiles is compiled; None adds nothing."""
    phase: int = 0
    """Steps are applied in ascending phase."""
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Names of other optimizations, with which this one makes no sense."""
    hidden: bool = False
    """True for a step that stands for the absence of another and is not part of a variant's name."""
    compiles: bool = False
    """True if the first call compiles, which is then measured."""
    error_factor: float = 1.0
    """By how much it may raise the error of a component (text encoder, UNet, VAE) over that of the
    eager pipeline of the same precision; see `perfsuite.quality.budgets`."""
    layer_error: float = 0.0
    """Relative L2 error that it may add to the layers that it changes, and to what holds them."""
    layer_factor: float = 1.0
    """By how much it may raise the error of the layers that it changes, and of what holds them, over that of
    the eager pipeline of the same precision: of layers whose results are rounded more often."""
    settings: tuple[str, ...] = ()
    """Global settings that it changes while the pipeline lives, as patterns of the names in
    `perfsuite.device.Snapshot`; any other that changes is a leak."""
    like: str = ""
    """The technique of the suite of whose kind it is, for the reason why it goes with no other."""
    waits: tuple[str, ...] = ()
    """What the places have in their text where diffusers' own code waits for the device in a step because of
    it: a scheduler that looks a number up, a cache that decides by one."""
    flash_attention: str | None = None
    """Which implementation torch's flash attention is re-routed to during its calls, as ``FA3``."""
    promise: Promise = Promise.EXACT
    same_as: str = ""
    """Of an exact one that makes another model of the model: the technique whose numbers are the same in
    eager float32, which its own are compared with. Nothing of the task is lost by it."""
    task_margin: float = 0.0
    """Share of held-out captions that one which is not exact may lose, of those that are right without."""
    clip_margin: float = 0.5
    """Points of 100 that its pictures' CLIP score may lose on average, where a CLIP model reads them."""
    least_ssim: Callable[[float | None], float] = _equal
    """Of an approximate one by its value: the least similarity of its float32 pictures to float32's."""
    loads: Callable[[str], tuple[Path, ...]] = lambda model: ()
    """By a model's name: the files and folders that it reads beside the model's own. Others are another
    technique: nothing that is stored of these is compared with it."""
    fits: Callable[[Workload, Variant], str | None] = lambda workload, variant: None
    """None, or the reason why it has no meaning for the workload's pipeline, or in a call of the workload."""
    draws: Callable[[Workload, float | None], Workload] = _as_it_is
    """The workload as it is drawn: of one that takes another number of steps, or another guidance."""
    callback: Callable[[float | None], Any] | None = None
    """By its value: a `diffusers.callbacks.PipelineCallback` that every call is given."""
    parameter: Parameter | None = None
    """The number that is part of its name."""
    value: float | None = None
    card: Card | None = None
    """What the table of techniques says of it."""

    def __post_init__(self) -> None:
        if self.promise not in list(Promise):
            raise ValueError(
                f"optimization {self.name!r} has the promise {self.promise!r}; give one of "
                f"{', '.join(f'Promise.{each.name}' for each in Promise)}"
            )
        # A text that spells one is no member, which is what gates ask for.
        object.__setattr__(self, "promise", Promise(self.promise))
        if self.promise is not Promise.EXACT and not 0.0 < self.task_margin < 1.0:
            raise ValueError(
                f"optimization {self.name!r} is {self.promise} and has task_margin {self.task_margin}; "
                "give the share of captions that it may lose, as in task_margin=0.1"
            )
        if self.promise is Promise.APPROXIMATE and self.least_ssim is _equal:
            raise ValueError(
                f"optimization {self.name!r} is approximate and has no least_ssim, so no picture could pass; "
                "give how similar its pictures are to float32's at least, as in least_ssim=lambda value: 0.9"
            )

    @property
    def base(self) -> str:
        """Its name without the value."""
        return self.name.partition(":")[0]

    def at(self, text: str = "") -> Optimization:
        """It with the value that a text spells, without one its default. Raises `ParameterError`."""
        if self.parameter is None:
            if text:
                raise ParameterError(f"{self.base}:{text}: {self.base} takes no value; write {self.base}")
            return self
        given = text or str(self.parameter.default)
        value = self.parameter.read(self.base, given)
        spelled = str(int(value)) if self.parameter.whole else f"{value:g}"
        return replace(self, name=f"{self.base}:{spelled}", value=float(spelled))


@dataclass(frozen=True)
class Variant:
    """A name and the optimizations to apply, in order; a contradictory one cannot be made."""

    name: str
    optimizations: tuple[Optimization, ...]

    def __post_init__(self) -> None:
        names = [o.base for o in self.optimizations]
        phases = [o.phase for o in self.optimizations]
        for name in names:
            if names.count(name) > 1:
                raise ContradictionError(f"variant {self.name!r}: {name} is named twice; name it once")
        if phases.count(0) != 1:
            precisions = [n for n, p in zip(names, phases, strict=True) if p == 0]
            raise ContradictionError(
                f"variant {self.name!r}: name exactly one precision, got {' and '.join(precisions) or 'none'}"
            )
        for optimization in self.optimizations:
            for other in optimization.conflicts:
                if other in names:
                    raise ContradictionError(self._excluded(optimization, other))
            for other in optimization.requires:
                if other not in names:
                    raise ContradictionError(
                        f"variant {self.name!r}: {optimization.name} requires {other}; add it: "
                        f"{self._sum(*names, other)}"
                    )
        drawing = [o.name for o in self.optimizations if o.draws is not _as_it_is]
        if len(drawing) > 1:
            raise ContradictionError(
                f"variant {self.name!r}: {' and '.join(drawing)} each draw by steps of their own; name "
                "one of them"
            )
        for before, after in zip(self.optimizations, self.optimizations[1:], strict=False):
            if before.phase > after.phase:
                raise ContradictionError(
                    f"variant {self.name!r}: {after.name} must be applied before {before.name}"
                )

    def _sum(self, *names: str) -> str:
        """These techniques, as a sum of those that can be named."""
        hidden = [o.name for o in self.optimizations if o.hidden]
        return "+".join(name for name in names if name not in hidden)

    def _excluded(self, optimization: Optimization, other: str) -> str:
        """That two do not go together, why, and what does."""
        why = reason(optimization.base, other) or reason(optimization.like, other)
        names = [o.name for o in self.optimizations]
        without = [
            self._sum(*(n for n in names if n.partition(":")[0] != left))
            for left in (other, optimization.base)
        ]
        remedy = f"; write {without[0]} or {without[1]}" if optimization.phase else ""
        said = f"variant {self.name!r}: {optimization.name} and {other} exclude each other"
        return said + (f": {why}" if why else "") + remedy

    def __contains__(self, name: str) -> bool:
        return any(name in (o.name, o.base) for o in self.optimizations)

    def value(self, base: str) -> float | None:
        """The value of the optimization of this name; raises `KeyError` without one."""
        return {o.base: o.value for o in self.optimizations}[base]

    @property
    def promise(self) -> Promise:
        """The weakest of its optimizations'; of another model's pictures float32's own tell nothing."""
        found = max((o.promise for o in self.optimizations), key=list(Promise).index)
        another = any(o.same_as for o in self.optimizations)
        return Promise.RESAMPLED if another and found is Promise.APPROXIMATE else found

    @property
    def lossy(self) -> tuple[Optimization, ...]:
        """Its optimizations that are not exact."""
        return tuple(o for o in self.optimizations if o.promise is not Promise.EXACT)

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the techniques that its eager float32 form has."""
        changing = (o for o in self.optimizations if o.same_as or o.promise is not Promise.EXACT)
        return tuple(o.same_as or o.name for o in changing)

    def drawn(self, workload: Workload) -> Workload:
        """The workload as this variant draws it, under the same name."""
        for optimization in self.optimizations:
            workload = optimization.draws(workload, optimization.value)
        return workload

    @property
    def precision(self) -> str:
        """Name of the optimization that sets the precision."""
        return self.optimizations[0].name

    @property
    def flash_attention(self) -> str | None:
        """What torch's flash attention is re-routed to during its calls; None: to nothing."""
        return next((o.flash_attention for o in self.optimizations if o.flash_attention), None)

    @property
    def compiled(self) -> bool:
        """True if any of its code is compiled."""
        return any(o.compiles for o in self.optimizations)


@dataclass
class Context:
    """What an optimization may know about the pipeline that it changes."""

    workload: Workload
    variant: Variant
    device: Device
    first_call_s: float | None = None
    """Seconds of the first whole generation, with compilation; None before it."""
    first_call_watched: Stretch = field(default_factory=Stretch)
    """What was seen of others and of the machine's speed during it."""
    compilation: Compilation | None = None
    """Where the compiled code of the first call came from."""
    compiled: Graphs | None = None
    """What the first call compiled; None before it, and where nothing is to be compiled."""
    graphs: int = 0
    """Graphs compiled so far for this pipeline."""
    notes: list[str] = field(default_factory=list)

    @property
    def drawn(self) -> Workload:
        """The workload as the variant draws it."""
        return self.variant.drawn(self.workload)

    @property
    def busy_threads(self) -> int:
        """That need a core at once while a pipeline is built or compiles: on a GPU's host it is one, and a
        compiler that Inductor starts needs another beside it."""
        return (self.device.count if self.device.kind == "cpu" else 1) + self.variant.compiled

    def note(self, text: str) -> None:
        """Remember something that the reader of the result should know."""
        self.notes.append(text)

    def latents(self, pipe: Any, prompt: int = 0) -> Any:
        """The first latents of a prompt: standard normal, drawn in float32 on the CPU.

        Shape (batch, channels, height/8, width/8), or as the pipeline packs these; equal on every device
        and, up to rounding, in every precision. The first of a batch are those of a batch of one.
        """
        import torch

        generator = torch.Generator("cpu").manual_seed(self.workload.seed + prompt)
        family = family_of(pipe)
        factor = family.scale(pipe)
        size = self.workload.height // factor, self.workload.width // factor
        shape = (1, family.channels(pipe), *size)
        # One after the other: a larger tensor is not filled in the same order.
        each = [
            torch.randn(shape, generator=generator, dtype=torch.float32) for _ in range(self.workload.batch)
        ]
        noise = family.latents(pipe, torch.cat(each))
        return noise.to(device=self.device.kind, dtype=dtype_of(self.variant))

    def generate(self, pipe: Any, prompt: int = 0, steps: int | None = None, **options: Any) -> np.ndarray:
        """Draw one picture: float32 array (height, width, 3) in [0, 1], NaN where the VAE gave NaN.

        With a batch the pictures stand side by side: (height, batch x width, 3). `steps` is raised to the
        fewest that scheduler and pipeline can take; the workload's own are not, see
        `perfsuite.pipelines.schedules.ScheduleError`.
        """
        import numpy as np

        forget_cache(getattr(pipe, family_of(pipe).denoiser, None))
        # What another pipeline of this process re-routed, or nobody did, is not this one's.
        with (
            flash_attention(self.variant.flash_attention),
            drawing_noise(pipe.scheduler, self._noise(prompt)),
        ):
            images = pipe(
                latents=self.latents(pipe, prompt),
                num_inference_steps=self._steps(pipe, steps),
                **family_of(pipe).arguments(pipe, self.drawn, prompt),
                **self._called(options),
            )[0]
        return images[0] if len(images) == 1 else np.concatenate(list(images), axis=1)

    def _called(self, options: dict[str, Any]) -> dict[str, Any]:
        """A call's options with the callbacks of the variant's techniques, which go first."""
        own = [o.callback(o.value) for o in self.variant.optimizations if o.callback is not None]
        if not own:
            return options
        last = options.get("callback_on_step_end")
        # diffusers' own callbacks say themselves which tensors they take.
        names = getattr(last, "tensor_inputs", options.get("callback_on_step_end_tensor_inputs", ["latents"]))
        wanted = [*dict.fromkeys([*names, *(name for each in own for name in each.tensor_inputs)])]

        def after_step(pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            for each in own:
                values = each(pipe, step, timestep, values)
            if last is not None:
                values = {**values, **last(pipe, step, timestep, values)}
            return values

        return {
            **options, "callback_on_step_end": after_step, "callback_on_step_end_tensor_inputs": wanted,
        }  # fmt: skip

    def _steps(self, pipe: Any, steps: int | None) -> int:
        if steps is not None:
            return max(steps, least_steps(pipe.scheduler), family_of(pipe).least_steps)
        wanted = self.drawn.steps
        check_steps(pipe.scheduler, wanted, f"workload {self.workload.name!r}")
        return wanted

    def _noise(self, prompt: int) -> Any:
        """Draws what the scheduler adds in its steps, on the device, which need not wait for it."""
        import torch

        return torch.Generator(self.device.kind).manual_seed(self.workload.seed + prompt)

    def first_call(self, pipe: Any) -> float:
        """Seconds of the first whole generation; made once, remembered after."""
        if self.first_call_s is None:
            with contextlib.ExitStack() as watchers:
                watch = watchers.enter_context(watching(compiles=self.variant.compiled))
                record = watchers.enter_context(recording()) if self.variant.compiled else None
                load = watchers.enter_context(watching_load(self.busy_threads))
                start = now()
                self.generate(pipe)
                self.first_call_s = now() - start
            self.first_call_watched = load
            if record is not None:
                self.compiled = record.found
                self.compilation = watch.found or uncounted(record.found.made)
                self.graphs += record.found.made or 0
        return self.first_call_s
