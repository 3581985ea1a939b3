"""Where the host waits for the device inside the denoising loop."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest import mock

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import eager
from perfsuite.records import StructureCheck
from perfsuite.structure.places import Places
from perfsuite.structure.stacks import caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfsuite.pipelines import Prepared

STEPS = 3
"""Enough to tell what happens once from what happens in every step."""


class _Loop:
    """Collects what happens between entering and leaving the pipeline's progress bar, by step and place."""

    def __init__(self) -> None:
        self.running = False
        self.step = 0
        self.found: Counter[tuple[str, str, int]] = Counter()
        """Operation, place, step."""

    def note(self, operation: str) -> None:
        """Something waits for the device, now."""
        if self.running:
            self.found[operation, caller(), self.step] += 1

    def counting(self, update: Callable[..., Any]) -> Callable[..., Any]:
        """The bar's own `update`, by which a step ends."""

        def counted(*args: Any) -> Any:
            self.step += 1
            return update(*args)

        return counted

    @contextlib.contextmanager
    def inside(self, pipe: Any) -> Iterator[None]:
        """Know when the pipeline is in its loop; every pipeline of diffusers shows a progress bar there."""
        loop, bar = self, pipe.progress_bar
        own = "progress_bar" in vars(pipe)

        def progress_bar(iterable: Any = None, **options: Any) -> Any:
            return around(**options) if iterable is None else through(iterable, **options)

        def through(iterable: Any, **options: Any) -> Iterator[Any]:
            """Of a pipeline that lets the bar hand out its steps."""
            loop.running = True
            try:
                for item in bar(iterable, **options):
                    yield item
                    loop.step += 1
            finally:
                loop.running = False

        @contextlib.contextmanager
        def around(**options: Any) -> Iterator[Any]:
            with bar(**options) as shown:
                shown.update = loop.counting(shown.update)
                loop.running = True
                try:
                    yield shown
                finally:
                    loop.running = False

        pipe.progress_bar = progress_bar
        try:
            yield
        finally:
            if own:
                pipe.progress_bar = bar
            else:
                del pipe.progress_bar

    def problems(self) -> tuple[str, ...]:
        """A line a place: what, where, in which steps."""
        lines = []
        for operation, where in dict.fromkeys((o, w) for o, w, _ in self.found):
            steps = [self.found[operation, where, step] for step in range(max(self.step, 1))]
            lines.append(f"{operation} {_how_often(steps)}: {where}")
        return tuple(lines)


def _how_often(steps: list[int]) -> str:
    hit = [step for step, count in enumerate(steps) if count]
    times = f", {max(steps)} times each" if max(steps) > 1 else ""
    if len(hit) == len(steps):
        return f"in every step{times}"
    return f"in step {' and '.join(map(str, hit))} of {len(steps)}{times}"


@contextlib.contextmanager
def _pretending(pipe: Any, loop: _Loop) -> Iterator[None]:
    """Let the pipeline believe in a device, and report what would wait for it."""
    places = Places(loop.note)
    for name, value in vars(pipe.scheduler).items():
        # Made with the scheduler, in host memory; the timesteps of the call before are on the device.
        if hasattr(value, "untyped_storage") and name != "timesteps":
            places.put_on_host(value)
    kind = type(pipe)
    pipe.__class__ = type(kind.__name__, (kind,), {"_execution_device": property(lambda _: places.device)})
    try:
        with eager(pipe), places.watching():
            yield
    finally:
        pipe.__class__ = kind


@contextlib.contextmanager
def _debugging(loop: _Loop) -> Iterator[None]:
    """CUDA's own word: a warning at each call that waits, where it is made."""
    import torch

    def show(message: Any, *args: Any, **options: Any) -> None:
        if "synchroniz" in str(message):
            loop.note("a synchronizing CUDA operation")
        else:
            shown(message, *args, **options)

    def noted(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            loop.note(name)
            return own(*args, **options)

        return call

    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(), contextlib.ExitStack() as patches:
        # Of a wait that is asked for by name it does not warn.
        for owner, name in (
            (torch.cuda, "synchronize"), (torch.cuda.Event, "synchronize"), (torch.cuda.Stream, "synchronize")
        ):  # fmt: skip
            asked = f"{owner.__name__}.{name}"
            patches.enter_context(mock.patch.object(owner, name, noted(asked, getattr(owner, name))))
        warnings.filterwarnings("always", message=".*synchronizing CUDA operation")
        shown = warnings.showwarning
        warnings.showwarning = show
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)


def check_syncs(prepared: Prepared) -> StructureCheck:
    """No step of the loop waits for the device, neither in the UNet nor around it.

    On CUDA the pipeline runs as it is, under torch's `set_sync_debug_mode`. Elsewhere it runs with its eager
    models and a pretended device, see `perfsuite.structure.places`.
    """
    pipe, context = prepared.pipe, prepared.context
    loop = _Loop()
    cuda = context.device.kind == "cuda"
    if cuda:
        context.generate(pipe, steps=STEPS)  # whatever waits once in a process is no part of a step
    with loop.inside(pipe), _debugging(loop) if cuda else _pretending(pipe, loop):
        context.generate(pipe, steps=STEPS)
    how = "cuda.set_sync_debug_mode" if cuda else "a pretended device, eager models"
    facts = [f"{sum(loop.found.values())} in {loop.step} steps with {how}"]
    # What a pipeline's own scheduler waits for is nobody's change, and what a technique does by its nature no
    # other's.
    waits = (*family_of(pipe).waits, *(w for o in context.variant.optimizations for w in o.waits))
    known = [key for key in loop.found if any(wait in key[1].partition("\n")[0] for wait in waits)]
    if known:
        places = " and ".join(dict.fromkeys(where.partition(":")[0] for _, where, _ in known))
        facts.append(f"{sum(loop.found.pop(key) for key in known)} of them are diffusers' own, in {places}")
    return StructureCheck("syncs", tuple(facts), loop.problems())
