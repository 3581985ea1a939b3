"""Build a pipeline for a variant: load, apply each optimization, prove that each took hold."""

from __future__ import annotations

import contextlib
import gc
import itertools
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.device import Snapshot, fingerprint, load, put_flash_attention
from perfsuite.device import failures as errors
from perfsuite.device.held import base_bytes, trim
from perfsuite.device.imports import COMPILER, IMPORTS
from perfsuite.pipelines import models, variants, workloads
from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.technique import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from perfsuite.device.load import Stretch
    from perfsuite.pipelines.technique import Optimization, Variant
    from perfsuite.records import Device, Workload


class UnsupportedError(RuntimeError):
    """The device cannot run the variant, or should not; the message says why."""


@dataclass(frozen=True)
class Prepared:
    """A pipeline with its optimizations applied and proven."""

    pipe: Any
    context: Context
    evidence: tuple[str, ...]
    """One line an optimization."""
    building: Stretch
    """Loading, applying and proving."""
    snapshot: Snapshot = field(repr=False)
    """Global settings before the build."""
    weights: str = "auto"
    """Where they were taken from, as `prepare` was told."""
    base_bytes: int = 0
    """Resident before it was built; on CUDA allocated."""
    first: bool = False
    """Whether it is the first of its process."""
    first_call_inside: bool = False
    """Whether the build holds the first call."""

    @property
    def build_s(self) -> float:
        """Seconds of the build, with the first call where it holds that."""
        return self.building.seconds

    def generate(self, prompt: int = 0) -> np.ndarray:
        """One picture of the workload, see `Context.generate`."""
        return self.context.generate(self.pipe, prompt)

    def pictures(self) -> list[np.ndarray]:
        """One picture a prompt of the workload."""
        return [self.generate(i) for i in range(len(self.context.workload.prompts))]


def lacking(variant: Variant, device: Device) -> tuple[Optimization, str] | None:
    """The first technique of a variant that the device cannot run, or should not, and why."""
    for optimization in variant.optimizations:
        reason = optimization.supports(device)
        if reason is not None:
            return optimization, reason
    return None


def unsupported(variant: str | Variant, device: Device, workload: Workload | None = None) -> str | None:
    """Why the device cannot run the variant, or should not, or why it has no meaning for the workload; None
    if it can."""
    variant = variants.get(variant)
    reason = None if workload is None else unfit(workload, variant)
    if reason is not None:
        return reason
    found = lacking(variant, device)
    return None if found is None else f"{found[0].name}: {found[1]}"


def unfit(workload: Workload, variant: Variant) -> str | None:
    """Why a technique of the variant has no meaning for the workload, None if all have."""
    family = models.family(workload.model)
    for optimization in variant.optimizations:
        reason = family.refusal(optimization.base) or optimization.fits(workload, variant)
        if reason is not None:
            return f"{optimization.name}: {reason}"
    return None


def said_of_guidance(context: Context) -> list[str]:
    """What one who lowered guidance to save the second sample of a picture should know."""
    drawn = context.drawn
    if not 1 < drawn.guidance < 2 or not models.family(drawn.model).classifier_free:
        return []
    return [f"a guidance of {drawn.guidance:g} is above 1: the denoiser's batch is not halved"]


def prepare(
    workload: str | Workload,
    variant: str | Variant,
    device: str | Device = "auto",
    weights: str = "auto",
    *,
    forced: bool = False,
    before: Callable[[Any], None] | None = None,
) -> Prepared:
    """Load the workload's model, apply the variant's optimizations in order and verify each.

    `forced` builds also what the device does not support, but nothing that does not fit the workload.
    `before` is called with the pipeline once it is loaded.
    Changes global settings of the process (threads, TF32, Inductor flags) until `release` puts them back.

    Raises `UnsupportedError`, `NotEngagedError`, `perfsuite.pipelines.models.WeightsError`.
    """
    import torch

    workload, variant = workloads.get(workload), variants.get(variant)
    device = fingerprint(device) if isinstance(device, str) else device
    reason = unfit(workload, variant) or (None if forced else unsupported(variant, device))
    if reason is not None:
        raise UnsupportedError(reason)
    IMPORTS.bring()
    if variant.compiled:
        IMPORTS.bring(*COMPILER)
    trim()
    snapshot = Snapshot.take()
    base = base_bytes(device.kind)
    pipe, doing = None, "loading weights"
    try:
        # Of a pipeline beside this one it may be another; what this one wants its technique puts.
        put_flash_attention(None)
        if device.kind == "cpu":
            torch.set_num_threads(device.count)
        context = Context(workload, variant, device)
        with _without_old_garbage(), load.watching(context.busy_threads) as watch:
            pipe = models.load(workload, device, dtype_of(variant), weights)
            if before is not None:
                before(pipe)
            evidence = []
            for optimization in variant.optimizations:
                doing = f"applying {optimization.name}"
                optimization.apply(pipe, context)
                doing = f"verifying {optimization.name}"
                evidence.append(f"{optimization.name}: {optimization.verify(pipe, context)}")
            doing = "verifying all together"
            evidence.extend(_at_last(pipe, context))
        evidence.extend(context.notes)
        evidence.extend(said_of_guidance(context))
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
    prepared = Prepared(
        pipe, context, tuple(evidence), watch, snapshot, weights, base,
        first=next(_BUILT) == 0,
        # A technique that compiles is proven by the first call.
        first_call_inside=context.first_call_s is not None,
    )  # fmt: skip
    _OPEN[id(pipe)] = prepared
    return prepared


@contextlib.contextmanager
def _without_old_garbage() -> Iterator[None]:
    """Let the collector leave alone what is there: the more of it, the longer a compilation would take."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _at_last(pipe: Any, context: Context) -> list[str]:
    """What techniques prove of a pipeline that is complete."""
    found = {o.name: o.verify_last(pipe, context) for o in context.variant.optimizations}
    return [f"{name}: {said}" for name, said in found.items() if said is not None]


_OPEN: dict[int, Prepared] = {}
_BUILT = itertools.count()
"""Pipelines of this process so far."""


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
