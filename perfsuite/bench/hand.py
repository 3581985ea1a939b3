"""The pipeline in hand: one at a time, in this process or, once that has lost its GPU, in another."""

from __future__ import annotations

import contextlib
import gc
import traceback
from typing import TYPE_CHECKING

from perfsuite import pipelines
from perfsuite.bench import recovery
from perfsuite.bench.caching import CompileCache
from perfsuite.bench.leftovers import Leftovers, held_behind, left_behind
from perfsuite.bench.recovery import FreshProcesses, LostDeviceError
from perfsuite.device import failures as errors
from perfsuite.device import held as memory
from perfsuite.workers import Server, WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfsuite.bench.ledger import Ledger
    from perfsuite.bench.recovery import Elsewhere
    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Quantity, Workload
    from perfsuite.settings import Settings
    from perfsuite.workers import Worker


class Hand:
    """Builds a variant, holds it, and lets it go; says what an error means for the rest of the run."""

    def __init__(
        self, settings: Settings, device: Device, ledger: Ledger, progress: Callable[[str, str], None]
    ) -> None:
        self._settings, self.device, self._ledger = settings, device, ledger
        self.progress = progress
        """Told workload and variant as one text, and the phase that begins."""
        self.fresh: FreshProcesses | None = None
        """What builds the variants once this process has lost its GPU."""
        self._server = Server(commands=recovery.COMMANDS)
        self._code = CompileCache(settings.compile_cache, device)
        self._prepared: Prepared | None = None
        self._failed: tuple[str, str, BaseException] | None = None
        self._phase = ""
        self._released: list[tuple[str, str, Leftovers]] = []
        self._held_before: int | None = None
        self._unsettled: Workload | None = None
        """Of the variant that was released last, until it is asked what that left behind."""
        self._held_behind: list[tuple[str, str, Quantity]] = []

    def enter(self, key: str, phase: str) -> None:
        """Begin a phase."""
        self._phase = phase
        self.progress(key, phase)

    def pipeline(self, workload: Workload, variant: Variant) -> Prepared | Elsewhere:
        """The pipeline of this variant; the one before it is released first.

        A variant that could not be built, or that ran out of memory, is not tried again for its next test:
        that fails likewise. Where CUDA is lost to this process it is built in another.
        """
        held = self._held(workload, variant)
        if held is not None:
            return held
        self.close()
        if self._failed is not None and self._failed[:2] == (workload.name, variant.name):
            raise self._failed[2]
        if variant.compiled:
            self._code.load()
        with self.watched(key_of(workload, variant)):
            self.enter(key_of(workload, variant), "building")
            try:
                found = self._build(workload, variant)
            except Exception as error:
                self._failed = (workload.name, variant.name, error)
                _let_go(error)
                raise
        self._ledger.record(self._ledger.blank(workload, variant, found.evidence))
        return found

    def _build(self, workload: Workload, variant: Variant) -> Prepared | Elsewhere:
        if self.fresh is not None:
            self.enter(key_of(workload, variant), "building in a fresh process")
            return self.fresh.open(workload, variant)
        if self._failed is not None:
            pipelines.free()  # what its error still held when it was released
        self.settle()
        # A resident set keeps what was freed, and a GPU's libraries load their kernels when they like.
        tells = self.device.kind == "cpu" and memory.is_exact()
        self._held_before = memory.held_bytes() if tells else None
        self._prepared = pipelines.prepare(workload, variant, self.device, self._settings.weights)
        return self._prepared

    @contextlib.contextmanager
    def watched(self, key: str) -> Iterator[None]:
        """Say what went wrong in terms of the run, and free what an error holds, so that it can go on."""
        try:
            yield
        except WorkerError:
            raise  # what is lost is lost to another process
        except Exception as error:
            if self.fresh is not None:
                raise  # it is known, and CUDA must not be asked again
            explained = recovery.explain(error, key, self._phase or "working", self.device)
            if explained is None:
                raise
            _let_go(error)
            self._fail(key, explained)
            raise explained from error

    def _fail(self, key: str, error: RuntimeError) -> None:
        """Release the variant, which can do no more, and remember why."""
        if isinstance(error, LostDeviceError):
            because = f"CUDA was lost to the first one by {key}"
            self.fresh = FreshProcesses(self._server, self._settings, self.device, because)
        workload, _, variant = key.partition(" ")
        # A copy: what is raised holds the frames that it passed, and they the pipeline.
        self._failed = (workload, variant, type(error)(*error.args))
        self._ledger.reject(workload, variant)
        self._ledger.closing_lines.append(str(error))
        self.close()

    def _held(self, workload: Workload, variant: Variant) -> Prepared | Elsewhere | None:
        """This variant, if it is the one that is in memory, here or elsewhere."""
        if self._prepared is None:
            return self.fresh.held(workload, variant) if self.fresh is not None else None
        context = self._prepared.context
        return self._prepared if (context.workload, context.variant) == (workload, variant) else None

    def close(self) -> None:
        """Release the current pipeline, if there is one."""
        if self.fresh is not None:
            self.fresh.close()
        if self._prepared is None:
            return
        context, pipe = self._prepared.context, self._prepared.pipe
        self._prepared = None
        self._released.append((context.workload.name, context.variant.name, Leftovers(pipe)))
        # Whatever its last kernels did shows here at the latest, and must not be laid to the next variant.
        said = None if self.fresh is not None else errors.probe(self.device.kind)
        if said is not None:
            key = key_of(context.workload, context.variant)
            self._fail(key, LostDeviceError(recovery.lost(key, "when it was released", said)))
        if self.fresh is not None:
            pipelines.abandon(pipe)
        else:
            pipelines.release(pipe)
        del pipe
        gc.collect()  # a compiled VAE holds itself, so only this frees it
        self._unsettled = context.workload

    def settle(self) -> None:
        """Judge what the variant that was released last left behind, before anything else takes memory.

        Not when it is released: at the end of a run, and where a test has failed, that test still holds it.
        """
        drawn, self._unsettled = self._unsettled, None
        if drawn is None or self._held_before is None or self.fresh is not None:
            return
        workload, variant, weights = self._released[-1]
        size = drawn.batch * drawn.height * drawn.width * 3 * 4
        found = held_behind(self._held_before, memory.held_bytes() - weights.alive_bytes(), size)
        self._held_behind += [(workload, variant, found)] if found is not None else []

    def left_behind(self) -> list[tuple[str, str, Quantity]]:
        """Workload, variant and what of it is still held, of all that was released; asked once nothing of
        the run holds a pipeline any more."""
        if self.fresh is not None:
            return []  # nothing of the GPU that was lost can be given back
        pipelines.free()
        self.settle()
        alive = [(workload, variant, of.alive_bytes()) for workload, variant, of in self._released]
        weights = [(workload, variant, left_behind(size)) for workload, variant, size in alive if size]
        # What holds its weights is said once.
        known = [each[:2] for each in weights]
        return weights + [each for each in self._held_behind if each[:2] not in known]

    @contextlib.contextmanager
    def fresh_process(self) -> Iterator[Worker]:
        """A worker, ended afterwards; what this process only keeps of the device's memory is its own."""
        pipelines.free()
        worker = self._server.worker()
        try:
            yield worker
        finally:
            worker.close()

    def end(self) -> None:
        """Release the current pipeline, end the processes that measured suspects, keep compiled code."""
        said = self._ledger.closing_lines
        self._code.save()
        said += self._code.lines
        self.close()
        if self.fresh is not None:
            done = ", ".join(self.fresh.variants) or "nothing was left to do"
            said.append(f"in fresh processes, since {self.fresh.because}: {done}")
            self.fresh.end()
        self._server.close()


def _let_go(error: BaseException | None) -> None:
    """Free what was built so far: the frames of a kept error hold it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    gc.collect()


def key_of(workload: Workload, variant: Variant) -> str:
    """A variant of a workload, as progress and messages name it."""
    return f"{workload.name} {variant.name}"
