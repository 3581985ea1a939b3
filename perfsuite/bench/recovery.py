"""What follows when a variant runs out of memory, or costs this process its GPU: the other variants' results.

After a sticky CUDA error nothing in this process can use the GPU again. What is left to do is done in
fresh processes, one a variant, and judged here, on the CPU.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines, quality
from perfsuite.device import failures as errors
from perfsuite.device.memory import free_bytes
from perfsuite.pipelines import models
from perfsuite.pipelines.variants import REFERENCE
from perfsuite.quality.assessing import Inspection
from perfsuite.quality.reference import compared_with, keep, load_reference
from perfsuite.quality.remote import as_quality
from perfsuite.workers.sessions import as_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from perfsuite.measuring import Plan
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Session, Workload
    from perfsuite.settings import Settings
    from perfsuite.workers import Server, Worker

COMMANDS = "perfsuite.quality.remote:Commands"
"""What a fresh process must know to do for it."""


class OutOfMemoryError(RuntimeError):
    """A variant that needs more memory than there is; says when, how much, and what to do."""


class LostDeviceError(RuntimeError):
    """A CUDA error after which this process cannot use the GPU any more; says which, when, and what to do."""


def explain(error: BaseException, key: str, phase: str, device: Device) -> RuntimeError | None:
    """What an error means for the rest of the run, as an error to raise from it; None if it means nothing.

    Looks at the device itself where the error does not say: a kernel that failed may be noticed by
    anything that comes after it.
    """
    said = errors.sticky(error)
    if said is None and (found := errors.out_of_memory(error)) is not None:
        return OutOfMemoryError(_no_memory(found, key, _when(error, phase), device))
    said = said or errors.probe(device.kind)
    if said is None:
        return None
    return LostDeviceError(lost(key, _when(error, phase), said))


def lost(key: str, when: str, said: BaseException) -> str:
    """The message of a lost device; `when`: for instance ``in phase 'warm-up'``."""
    workload, _, variant = key.partition(" ")
    variant = REFERENCE.name if variant == "reference" else variant
    return (
        f"{key}: CUDA is lost to this process {when}: {_first_line(said)}; what is left of the run is "
        "done in fresh processes (see: perfsuite guide gpu). To find the place: CUDA_LAUNCH_BLOCKING=1 "
        f"pytest --benchmark-only --perf-workload={workload} --perf-variant={variant}"
    )


def _no_memory(error: BaseException, key: str, when: str, device: Device) -> str:
    said = str(error)
    wanted = _amount(said, r"[Tt]ried to allocate ([\d.]+) (\w+)")
    free = _amount(said, r"of which ([\d.]+) (\w+) is free")
    if free is None and device.kind == "cpu":
        free = f"{free_bytes('cpu') / 2**30:.1f} GiB"
    where = f"{device.memory_bytes / 2**30:.1f} GiB of {device.name}"
    return (
        f"{key}: out of memory {when}: {wanted or 'more'} wanted, {free or 'less'} free of {where}; "
        "end other programs, or take a smaller workload (sdxl-base@512x512, without +b2) or a lower "
        f"precision; {_first_line(error)}"
    )


def _amount(said: str, pattern: str) -> str | None:
    """What the allocator says, in GiB, MiB or as it has it."""
    found = re.search(pattern, said)
    if found is None:
        return None
    if found[2] == "bytes":
        return f"{float(found[1]) / 2**30:.1f} GiB"
    return f"{found[1]} {found[2]}"


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _when(error: BaseException, phase: str) -> str:
    """What the build itself says that it was doing, else the phase."""
    notes = [n for e in errors.chain(error) for n in getattr(e, "__notes__", ()) if n.startswith("while ")]
    return notes[0] if notes else f"in phase {phase!r}"


class Elsewhere:
    """Stands for the `pipelines.Prepared` of a variant that lives in a process of its own."""

    def __init__(self, worker: Worker, context: pipelines.Context, weights: str, because: str) -> None:
        """Builds it there. Raises `WorkerError`."""
        self._worker, self.context, self._weights = worker, context, weights
        made = worker.ask(
            "prepare", workload=context.workload.name, variant=context.variant.name,
            device=context.device.place, weights=weights,
        )  # fmt: skip
        self.evidence: tuple[str, ...] = (*made["evidence"], f"in a fresh process: {because}")

    def session(self, plan: Plan, *, relative: bool) -> Session:
        """Measure one session. Raises `WorkerError`."""
        found = self._worker.ask(
            "session", variant=self.context.variant.name, plan=asdict(plan),
            relative_s=plan.time_budget_s if relative else 0.0,
        )  # fmt: skip
        return as_session(found)

    def pictures(self, count: int | None = None) -> list[np.ndarray]:
        """One picture a prompt, as of `pipelines.Prepared`; of the first `count`. Raises `WorkerError`."""
        workload = self.context.workload
        with tempfile.TemporaryDirectory(prefix="perfsuite-") as folder:
            file = Path(folder) / "pictures.safetensors"
            self._worker.ask(
                "pictures", workload=workload.name, variant=self.context.variant.name, file=str(file),
                count=count or len(workload.prompts),
            )  # fmt: skip
            return _pictures(file)

    def generate(self) -> np.ndarray:
        """The first prompt's picture."""
        return self.pictures(1)[0]

    def inspect(
        self, reference: quality.Reference, thresholds: Mapping[str, float], artifacts: Path
    ) -> Inspection:
        """All looks, taken there; artifacts are written where one fails. Raises `WorkerError`."""
        with tempfile.TemporaryDirectory(prefix="perfsuite-") as folder:
            file = Path(folder) / "pictures.safetensors"
            found = self._worker.ask(
                "looks", variant=self.context.variant.name, folder=str(keep(reference)),
                thresholds=dict(thresholds), artifacts=str(artifacts), file=str(file),
            )  # fmt: skip
            pictures = tuple(_pictures(file))
        written = tuple(map(Path, found["artifacts"]))
        judged = as_quality(found["quality"])
        return Inspection(self.context.variant, judged, pictures, {"free": {}}, (), written)

    def close(self) -> None:
        """End the process."""
        self._worker.close()


def _pictures(file: Path) -> list[np.ndarray]:
    from safetensors.numpy import load_file

    found = load_file(file)
    return [found[name] for name in sorted(found)]


class FreshProcesses:
    """Does in fresh processes what this one cannot do any more; one variant at a time is in memory."""

    def __init__(self, server: Server, settings: Settings, device: Device, because: str) -> None:
        self._server, self._settings, self._device = server, settings, device
        self.because = because
        """One line: what was lost, and to whom."""
        self.variants: list[str] = []
        """Built so far."""
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._open: Elsewhere | None = None

    def held(self, workload: Workload, variant: Variant) -> Elsewhere | None:
        """The variant, if it is the one that is open."""
        if self._open is None:
            return None
        context = self._open.context
        return self._open if (context.workload, context.variant) == (workload, variant) else None

    def open(self, workload: Workload, variant: Variant) -> Elsewhere:
        """Build a variant in a process of its own; the one before it is ended. Raises `WorkerError`."""
        if (found := self.held(workload, variant)) is not None:
            return found
        self.close()
        context = pipelines.Context(workload, variant, self._device)
        worker = self._server.worker()
        try:
            self._open = Elsewhere(worker, context, self._weights(workload), self.because)
        except BaseException:
            worker.close()
            raise
        self.variants.append(f"{workload.name} {variant.name}")
        return self._open

    def reference(
        self, workload: Workload, *, deep: bool, precisions: Sequence[str],
        progress: Callable[[str], None], base: Variant = REFERENCE,
    ) -> quality.Reference:  # fmt: skip
        """Record the float32 run there, and read it here. Raises `WorkerError`, `QualityError`."""
        weights = self._weights(workload)
        progress("float32, in a fresh process")
        if not deep:
            pictures = self.open(workload, compared_with(base)).pictures()
            return quality.Reference(
                base.drawn(workload), tuple(pictures), device=self._device, weights=weights, base=base
            )
        self.close()
        cache = self._settings.reference_cache
        if cache is None:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="perfsuite-references-")
            cache = Path(self._folder.name)
        worker = self._server.worker()
        try:
            folder = worker.ask(
                "reference", workload=workload.name, device=self._device.place, weights=weights,
                precisions=list(precisions), cache=str(cache), base=base.name,
            )  # fmt: skip
        finally:
            worker.close()
        return load_reference(Path(folder), workload, self._device, weights, base)

    def _weights(self, workload: Workload) -> str:
        return models.resolve(workload.model, self._settings.weights).spec

    def close(self) -> None:
        """End the process of the variant that is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def end(self) -> None:
        """Close, and remove what was stored for this run alone."""
        self.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def stands_elsewhere(prepared: Any) -> bool:
    """True for a pipeline that this process does not hold: nothing of it can be timed here."""
    return isinstance(prepared, Elsewhere)
