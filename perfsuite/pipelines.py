"""Build a pipeline for a variant: load, apply each optimization, prove that each took hold."""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite import models, variants, workloads
from perfsuite.device import Snapshot, errors, fingerprint
from perfsuite.measuring.clock import now
from perfsuite.measuring.compilation import watching
from perfsuite.measuring.graphs import recording
from perfsuite.optimizations.precision import dtype_of

if TYPE_CHECKING:
    import numpy as np

    from perfsuite.measuring.graphs import Graphs
    from perfsuite.records import Compilation, Device, Variant, Workload


class UnsupportedError(RuntimeError):
    """The device cannot run the variant, or should not; the message says why."""


@dataclass
class Context:
    """What an optimization may know about the pipeline that it changes."""

    workload: Workload
    variant: Variant
    device: Device
    first_call_s: float | None = None
    """Seconds of the first whole generation, with compilation; None before it."""
    compilation: Compilation | None = None
    """Where the compiled code of the first call came from."""
    compiled: Graphs | None = None
    """What the first call compiled; None before it, and where nothing is to be compiled."""
    graphs: int = 0
    """Graphs compiled so far for this pipeline."""
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Remember something that the reader of the result should know."""
        self.notes.append(text)

    def latents(self, pipe: Any, prompt: int = 0) -> Any:
        """The first latents of a prompt: standard normal, drawn in float32 on the CPU.

        Shape (batch, channels, height/8, width/8); equal on every device and, up to rounding, in every
        precision. The first of a batch are those of a batch of one.
        """
        import torch

        generator = torch.Generator("cpu").manual_seed(self.workload.seed + prompt)
        factor = pipe.vae_scale_factor
        shape = (
            1,
            pipe.unet.config.in_channels,
            self.workload.height // factor,
            self.workload.width // factor,
        )
        # One after the other: a larger tensor is not filled in the same order.
        each = [
            torch.randn(shape, generator=generator, dtype=torch.float32) for _ in range(self.workload.batch)
        ]
        noise = torch.cat(each)
        return noise.to(device=self.device.kind, dtype=dtype_of(self.variant))

    def generate(self, pipe: Any, prompt: int = 0, steps: int | None = None, **options: Any) -> np.ndarray:
        """Draw one picture: float32 array (height, width, 3) in [0, 1], NaN where the VAE gave NaN.

        With a batch the pictures stand side by side: (height, batch x width, 3).
        """
        import numpy as np

        images = pipe(
            prompt=self.workload.prompts[prompt],
            latents=self.latents(pipe, prompt),
            num_inference_steps=steps or self.workload.steps,
            guidance_scale=self.workload.guidance,
            height=self.workload.height,
            width=self.workload.width,
            num_images_per_prompt=self.workload.batch,
            output_type="np",
            return_dict=False,
            **options,
        )[0]
        return images[0] if len(images) == 1 else np.concatenate(list(images), axis=1)

    def first_call(self, pipe: Any) -> float:
        """Seconds of the first whole generation; made once, remembered after."""
        if self.first_call_s is None:
            with contextlib.ExitStack() as watchers:
                watch = watchers.enter_context(watching(compiles=self.variant.compiled))
                record = watchers.enter_context(recording()) if self.variant.compiled else None
                start = now()
                self.generate(pipe)
                self.first_call_s = now() - start
            self.compilation = watch.found
            if record is not None:
                self.compiled = record.found
                self.graphs += record.found.made or 0
        return self.first_call_s


@dataclass(frozen=True)
class Prepared:
    """A pipeline with its optimizations applied and proven."""

    pipe: Any
    context: Context
    evidence: tuple[str, ...]
    """One line an optimization."""
    build_s: float
    snapshot: Snapshot = field(repr=False)
    """Global settings before the build."""
    weights: str = "auto"
    """Where they were taken from, as `prepare` was told."""

    def generate(self, prompt: int = 0) -> np.ndarray:
        """One picture of the workload, see `Context.generate`."""
        return self.context.generate(self.pipe, prompt)

    def pictures(self) -> list[np.ndarray]:
        """One picture a prompt of the workload."""
        return [self.generate(i) for i in range(len(self.context.workload.prompts))]


def unsupported(variant: str | Variant, device: Device) -> str | None:
    """Why the device cannot run the variant, or should not; None if it can."""
    for optimization in variants.get(variant).optimizations:
        reason = optimization.supports(device)
        if reason is not None:
            return f"{optimization.name}: {reason}"
    return None


def prepare(
    workload: str | Workload,
    variant: str | Variant,
    device: str | Device = "auto",
    weights: str = "auto",
    *,
    forced: bool = False,
) -> Prepared:
    """Load the workload's model, apply the variant's optimizations in order and verify each.

    `forced` builds also what the device does not support. Changes global settings of the process
    (threads, TF32, Inductor flags) until `release` puts them back.

    Raises `UnsupportedError`, `NotEngagedError`, `perfsuite.models.WeightsError`.
    """
    import torch

    workload, variant = workloads.get(workload), variants.get(variant)
    device = fingerprint(device) if isinstance(device, str) else device
    reason = unsupported(variant, device)
    if reason is not None and not forced:
        raise UnsupportedError(reason)
    start = time.monotonic()
    snapshot = Snapshot.take()
    pipe, doing = None, "loading weights"
    try:
        if device.kind == "cpu":
            torch.set_num_threads(device.count)
        context = Context(workload, variant, device)
        pipe = models.load(workload, device, dtype_of(variant), weights)
        evidence = []
        for optimization in variant.optimizations:
            doing = f"applying {optimization.name}"
            optimization.apply(pipe, context)
            doing = f"verifying {optimization.name}"
            evidence.append(f"{optimization.name}: {optimization.verify(pipe, context)}")
        evidence.extend(context.notes)
        evidence.append(models.resolve(workload.model, weights).said)
    except BaseException as error:
        # Also on Ctrl-C: what follows must not inherit half a variant.
        error.add_note(f"while {doing}")
        del pipe
        if errors.sticky(error) is not None:
            snapshot.restore()
        else:
            # Beside another pipeline, which goes on, its compiled code stays.
            _forget(snapshot, compiled=not _OPEN)
        raise
    prepared = Prepared(pipe, context, tuple(evidence), time.monotonic() - start, snapshot, weights)
    _OPEN[id(pipe)] = prepared
    return prepared


_OPEN: dict[int, Prepared] = {}


def prepared_of(pipe: Any) -> Prepared | None:
    """What `prepare` returned for this pipeline, None if it was not built here or was released."""
    return _OPEN.get(id(pipe))


def build(
    workload: str | Workload,
    variant: str | Variant,
    device: str | Device = "auto",
    weights: str = "auto",
) -> Any:
    """The pipeline of `prepare`, ready to be called. Give it back with `release`."""
    return prepare(workload, variant, device, weights).pipe


def _forget(snapshot: Snapshot, *, compiled: bool = True) -> dict[str, tuple[Any, Any]]:
    """Drop compiled code (if `compiled`) and cached memory and put settings back, so that the next variant
    starts as the first did."""
    import torch

    try:
        if compiled:
            torch._dynamo.reset()
            counters = getattr(torch._dynamo.utils, "counters", None)
            if counters is not None:
                counters.clear()
        free()
    finally:  # a device that is lost says so here
        changed = snapshot.restore()
    return changed


def free() -> None:
    """Give back memory that nothing holds any more."""
    gc.collect()
    # Without torch there is no memory of its own; and where CUDA was never used it must not be started.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def abandon(pipe: Any) -> dict[str, tuple[Any, Any]]:
    """As `release`, without a call to CUDA: for a process that has lost it. Nothing can be built after."""
    prepared = _OPEN.pop(id(pipe), None)
    return {} if prepared is None else prepared.snapshot.restore()


def release(pipe: Any, *, forget: bool = True) -> dict[str, tuple[Any, Any]]:
    """Forget a built pipeline and put global settings back; returns those that had changed.

    The memory is free once the caller drops its own references. Without `forget` compiled code stays:
    for an eager pipeline that stood beside a compiled one which is still in use.
    """
    prepared = _OPEN.pop(id(pipe), None)
    if prepared is None:
        raise ValueError("this pipeline was not built by perfsuite.pipelines, or was released before")
    snapshot = prepared.snapshot
    del prepared
    return _forget(snapshot) if forget else snapshot.restore()
