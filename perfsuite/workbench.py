"""One run of the suite: builds pipelines one at a time, measures, judges, and keeps the records.

This is what the pytest plugin drives; it knows nothing of pytest.
"""

from __future__ import annotations

import contextlib
import gc
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from perfsuite import decision, judging, measuring, models, pipelines, quality, recovery
from perfsuite.caching import CompileCache
from perfsuite.device import errors, fingerprint, versions
from perfsuite.quality import golden, levels
from perfsuite.quality.assessing import Inspection, inspect
from perfsuite.quality.exhibits import Keeper
from perfsuite.quality.looks import relative_thresholds, with_pictures
from perfsuite.quality.loop import run_freely
from perfsuite.quality.pictures import judge, score
from perfsuite.quality.reference import precisions_of
from perfsuite.quality.thresholds import for_variant
from perfsuite.records import Look, PictureScore, Quality, Result, Run, Verdict
from perfsuite.recovery import Elsewhere, FreshProcesses, LostDeviceError
from perfsuite.store import (
    SHAPE_FILE,
    BaselineFile,
    Baselines,
    Change,
    ResultsWriter,
    load_shape,
    load_thresholds,
    merge_results,
    thresholds_path,
)
from perfsuite.structure.gate import CountGate
from perfsuite.workers import Server, WorkerError, measure_session
from perfsuite.workers.relative import with_relative
from perfsuite.workers.sessions import with_profile

if TYPE_CHECKING:
    from perfsuite.pipelines import Context, Prepared
    from perfsuite.quality.loop import Drawn
    from perfsuite.records import Device, Exhibits, Session, Variant, Workload
    from perfsuite.settings import Settings
    from perfsuite.workers.client import Worker

TimeRounds = Callable[[Callable[[], object], int, Callable[[], None]], Sequence[float]]


class Workbench:
    """The state of one run. Raises `StoreError` at once if the device's baseline file is bad."""

    def __init__(
        self, settings: Settings, progress: Callable[[str, str], None] = lambda key, phase: None
    ) -> None:
        self.settings = settings
        self.progress = progress
        self.device: Device = fingerprint(settings.device)
        self.store = Baselines(settings.baselines)
        self.baselines: BaselineFile | None = self.store.load(self.device.slug)
        self.counting = CountGate(settings.baselines, self.device.kind)
        self.bounds = load_shape(settings.baselines / SHAPE_FILE)
        self.results: list[Result] = []
        self.deep = False
        """True if more than pictures will be judged, so that references are recorded for it."""
        self.chosen: Sequence[Variant] = ()
        """The variants of this run: which precisions a deep reference measures beforehand."""
        self.planned: tuple[str, ...] = ()
        """``workload/variant`` of all that is to run, for readers of an interrupted run's results."""
        self.rejected: set[tuple[str, str]] = set()
        """Workload and variant of results that must not become a baseline."""
        self.counted_changes: list[Change] = []
        """What `update_baselines` did with the counts."""
        self.closing_lines: list[str] = []
        """What the summary says last: baselines that were written."""
        self.run_id = uuid.uuid4().hex
        self.date = datetime.now(UTC).isoformat(timespec="seconds")
        self._code = CompileCache(settings.compile_cache, self.device)
        self._writer: ResultsWriter | None = None
        self._keeper: Keeper | None = None
        self._prepared: Prepared | None = None
        self._failed: tuple[str, str, BaseException] | None = None
        self._phase = ""
        self._fresh: FreshProcesses | None = None
        """What builds the variants once this process has lost its GPU."""
        self._references: dict[str, quality.Reference] = {}
        self._no_reference: dict[str, Exception] = {}
        """By workload: why there is none."""
        self._inspections: dict[tuple[str, str], Inspection] = {}
        self._confirmation = judging.Confirmation(settings.confirm)
        self._server = Server(commands=recovery.COMMANDS)
        self._drawn: tuple[str, str, Drawn] | None = None
        """Workload and variant of what was drawn last."""

    # -- pipelines ---------------------------------------------------------------------------------

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
        with self._watched(_key(workload, variant)):
            self._enter(_key(workload, variant), "building")
            try:
                found = self._build(workload, variant)
            except Exception as error:
                self._failed = (workload.name, variant.name, error)
                _let_go(error)
                raise
        self._record(Result(workload.name, variant.name, self.protocol(workload), evidence=found.evidence))
        return found

    def _build(self, workload: Workload, variant: Variant) -> Prepared | Elsewhere:
        if self._fresh is not None:
            self._enter(_key(workload, variant), "building in a fresh process")
            return self._fresh.open(workload, variant)
        if self._failed is not None:
            pipelines.free()  # what its error still held when it was released
        self._prepared = pipelines.prepare(workload, variant, self.device, self.settings.weights)
        return self._prepared

    def _enter(self, key: str, phase: str) -> None:
        self._phase = phase
        self.progress(key, phase)

    @contextlib.contextmanager
    def _watched(self, key: str) -> Iterator[None]:
        """Say what went wrong in terms of the run, and free what an error holds, so that it can go on."""
        try:
            yield
        except WorkerError:
            raise  # what is lost is lost to another process
        except Exception as error:
            if self._fresh is not None:
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
            self._fresh = FreshProcesses(self._server, self.settings, self.device, because)
        workload, _, variant = key.partition(" ")
        # A copy: what is raised holds the frames that it passed, and they the pipeline.
        self._failed = (workload, variant, type(error)(*error.args))
        self.reject(workload, variant)
        self.closing_lines.append(str(error))
        self.close()

    def _held(self, workload: Workload, variant: Variant) -> Prepared | Elsewhere | None:
        """This variant, if it is the one that is in memory, here or elsewhere."""
        if self._prepared is None:
            return self._fresh.held(workload, variant) if self._fresh is not None else None
        context = self._prepared.context
        return self._prepared if (context.workload, context.variant) == (workload, variant) else None

    def close(self) -> None:
        """Release the current pipeline, if there is one."""
        if self._fresh is not None:
            self._fresh.close()
        if self._prepared is None:
            return
        context, pipe = self._prepared.context, self._prepared.pipe
        self._prepared = None
        # Whatever its last kernels did shows here at the latest, and must not be laid to the next variant.
        said = None if self._fresh is not None else errors.probe(self.device.kind)
        if said is not None:
            key = _key(context.workload, context.variant)
            self._fail(key, LostDeviceError(recovery.lost(key, "when it was released", said)))
        if self._fresh is not None:
            pipelines.abandon(pipe)
        else:
            pipelines.release(pipe)
        del pipe
        gc.collect()  # a compiled VAE holds itself, so only this frees it

    def end(self) -> None:
        """Release the current pipeline, end the processes that measured suspects, keep compiled code."""
        self._code.save()
        self.closing_lines += self._code.lines
        self.close()
        if self._fresh is not None:
            done = ", ".join(self._fresh.variants) or "nothing was left to do"
            self.closing_lines.append(f"in fresh processes, since {self._fresh.because}: {done}")
            self._fresh.end()
        self._server.close()

    def reference(self, workload: Workload) -> quality.Reference:
        """The float32 pictures of this run; drawn once, before any other pipeline is in memory.

        One that could not be drawn is not tried again.
        """
        if workload.name in self._no_reference:
            raise self._no_reference[workload.name]
        if workload.name not in self._references:
            self.close()
            try:
                self._references[workload.name] = self._record_reference(workload)
            except Exception as error:
                self._no_reference[workload.name] = error
                raise
            gc.collect()
        return self._references[workload.name]

    def _record_reference(self, workload: Workload) -> quality.Reference:
        key = f"{workload.name} reference"
        self._enter(key, "float32 pictures")
        # Before any variant is in memory: two pipelines at once may not fit.
        precisions = precisions_of(self.chosen, self.device) if self.deep else ()

        def progress(phase: str) -> None:
            self._enter(key, phase)

        if self._fresh is None:
            # Lost to this process, it is drawn in another; that it was lost fails the run.
            with contextlib.suppress(LostDeviceError), self._watched(key):
                return quality.record_reference(
                    workload,
                    self.device,
                    self.settings.weights,
                    deep=self.deep,
                    precisions=precisions,
                    cache=self.settings.reference_cache,
                    progress=progress,
                )
        assert self._fresh is not None
        return self._fresh.reference(workload, deep=self.deep, precisions=precisions, progress=progress)

    def try_reference(self, workload: Workload) -> None:
        """Draw it now, if it can be: what needs it says itself that there is none, and latencies need none.

        Other errors than a lack of memory, or of a fresh process, are raised.
        """
        with contextlib.suppress(recovery.OutOfMemoryError, WorkerError):
            self.reference(workload)

    @property
    def lost(self) -> bool:
        """Whether this process has lost its GPU: such a run fails, whatever its tests say."""
        return self._fresh is not None

    def protocol(self, workload: Workload) -> str:
        """What must be equal for latencies to be comparable."""
        return models.protocol(workload, self.settings.weights)

    # -- latency -----------------------------------------------------------------------------------

    def measure(self, prepared: Prepared | Elsewhere, time_rounds: TimeRounds) -> Result:
        """Measure one session, judge it against the baseline, and put the result on disk."""
        context, last = prepared.context, list[Any]()
        key = _key(context.workload, context.variant)
        with self._watched(key):
            if isinstance(prepared, Elsewhere):
                self._enter(key, "measuring in a fresh process")
                session = prepared.session(self.settings.time_budget_s, relative=self.settings.relative)
            else:
                session = self._measured(prepared, time_rounds, key, last)
        verdict = judging.with_causes(self.judge(context.workload, context.variant, session), session)
        return self._record(
            Result(
                context.workload.name,
                context.variant.name,
                self.protocol(context.workload),
                session=session,
                verdict=verdict,
                evidence=prepared.evidence,
                timed=self._timed(context.workload, context.variant, last),
            )
        )

    def _measured(self, prepared: Prepared, time_rounds: TimeRounds, key: str, last: list[Any]) -> Session:
        """One session in this process; what the last timed call drew is left in `last`."""
        cuda = self.device.kind == "cuda"
        plan = measuring.Plan(
            time_budget_s=self.settings.time_budget_s, hot=self.settings.profile and not cuda
        )

        def keeping(call: Callable[[], object], rounds: int, before: Callable[[], None]) -> Sequence[float]:
            def kept() -> object:
                last[:] = [call()]
                return last[0]

            return time_rounds(kept, rounds, before)

        session = measuring.measure(prepared, keeping, plan, lambda phase: self._enter(key, phase))
        if self.settings.relative:
            self._enter(key, "relative latency")
            session = with_relative(session, prepared, self.settings.time_budget_s)
        if cuda:
            self._enter(key, "profile, in a fresh process")
            session = self._profiled(prepared.context.workload, prepared.context.variant, session)
        return session

    def _profiled(self, workload: Workload, variant: Variant, session: Session) -> Session:
        """The session with a call's profile, or with the condition that says why there is none."""
        try:
            with self._fresh_process() as worker:
                return with_profile(
                    session,
                    worker,
                    workload.name,
                    variant.name,
                    self.device.place,
                    models.resolve(workload.model, self.settings.weights).spec,
                    hot=self.settings.profile,
                )
        except WorkerError as error:
            return replace(session, conditions={**session.conditions, "profile": str(error).splitlines()[0]})

    def _timed(self, workload: Workload, variant: Variant, last: Sequence[Any]) -> PictureScore | None:
        """What the timed calls drew: a fast call that draws something else is no speed-up."""
        reference = self._references.get(workload.name)
        if reference is None or not last:
            return None
        prompt = workload.prompts[0]
        blind = models.blind(workload, self.settings.weights)
        allowed = None if blind else self.thresholds(workload, variant).get(prompt)
        return score(prompt, last[0], reference.pictures[0], allowed, batch=workload.batch, blind=blind)

    def judge(self, workload: Workload, variant: Variant, session: Session) -> Verdict:
        """The verdict on one session: by its baseline, else by the ladder's shape, else NEW.

        A suspect is measured again in fresh processes first.
        """
        entry = self.baselines and self.baselines.entries.get(f"{workload.name}/{variant.name}")
        if not entry:
            return self._judge_shape(workload, variant, session)
        if entry.protocol != self.protocol(workload):
            return decision.incompatible(
                f"the baseline was measured with {entry.protocol!r}, "
                f"this run with {self.protocol(workload)!r}",
                len(entry.sessions),
            )
        verdict, basis = judging.judge(entry, session, self.device.kind)
        if not self._confirmation.wanted(verdict):
            return verdict
        key = _key(workload, variant)
        try:
            return self._confirmation.run(
                entry,
                session,
                verdict,
                basis,
                self.device.kind,
                lambda: self._fresh_session(workload, variant),
                lambda line: self.progress(key, line),
            )
        except WorkerError as error:
            said = str(error).splitlines()[0]
            return replace(verdict, detail=f"{verdict.detail}; could not be measured again: {said}")

    def _fresh_session(self, workload: Workload, variant: Variant) -> Session:
        """One session in a process of its own."""
        with self._fresh_process() as worker:
            return measure_session(
                worker,
                workload.name,
                variant.name,
                self.device.place,
                models.resolve(workload.model, self.settings.weights).spec,
                time_budget_s=self.settings.time_budget_s,
                relative=self.settings.relative,
            )

    @contextlib.contextmanager
    def _fresh_process(self) -> Iterator[Worker]:
        """A worker, ended afterwards; what this process only keeps of the device's memory is its own."""
        pipelines.free()
        worker = self._server.worker()
        try:
            yield worker
        finally:
            worker.close()

    def baseline_versions(self, result: Result) -> dict[str, str] | None:
        """Package versions of the baseline's newest session, None without a baseline."""
        entry = self.baselines and self.baselines.entries.get(f"{result.workload}/{result.variant}")
        return dict(entry.sessions[-1].versions) if entry else None

    def moved(self, result: Result) -> str:
        """What differs between the newest stored session of this variant and this run, as one line."""
        then = self.baseline_versions(result)
        if then is None:
            return "no stored run to compare versions with"
        now = versions()
        changed = [
            f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}"
            for name in sorted({*now, *then})
            if now.get(name) != then.get(name)
        ]
        return ", ".join(changed) or "no version of Python, torch, diffusers or torchao"

    def _judge_shape(self, workload: Workload, variant: Variant, session: Session) -> Verdict:
        for bound in self.bounds:
            if (bound.device_kind, bound.workload, bound.variant) != (
                self.device.kind, workload.name, variant.name,
            ):  # fmt: skip
                continue
            other = self.result(workload.name, bound.over)
            if other is not None and other.session is not None:
                verdict = decision.shape(session.latency_s, other.session.latency_s, bound.least_speedup)
                return replace(verdict, detail=f"over {bound.over}: {verdict.detail}")
        return decision.new(f"no baseline of {self.device.name} for this variant")

    # -- counts ------------------------------------------------------------------------------------

    def count(self, prepared: Prepared) -> Result:
        """Count what the pipeline does, compare with the stored counts, and put the result on disk."""
        context = prepared.context
        blank = Result(context.workload.name, context.variant.name, self.protocol(context.workload))
        counts = self.counting.count(prepared)
        counted = self.counting.judge(blank, counts)
        return self._record(replace(blank, evidence=prepared.evidence, counts=counts, counted=counted))

    # -- pictures ----------------------------------------------------------------------------------

    def thresholds(self, workload: Workload, variant: Variant) -> dict[str, float]:
        """The least SSIM of each prompt for this variant.

        Where none was measured they are relative to this run's honest pipeline of the same precision,
        if the reference has one; else there are none.
        """
        if models.blind(workload, self.settings.weights):
            return {}
        stored = load_thresholds(thresholds_path(self.reference_folder(workload), self.device.kind))
        found = for_variant(stored, variant) if stored is not None else {}
        if not found and self.deep:
            found = relative_thresholds(self.reference(workload), variant.optimizations[0].name)
        return found

    def reference_folder(self, workload: Workload) -> Any:
        """Where the golden pictures and the thresholds of a workload are."""
        name = models.reference_folder(workload, self.settings.weights)
        return self.settings.baselines / "reference" / name

    def draw(self, prepared: Prepared | Elsewhere) -> list[Any]:
        """One picture a prompt; where more than pictures will be judged, with the latents' drift."""
        context = prepared.context
        reference = self.reference(context.workload)
        key = _key(context.workload, context.variant)
        with self._watched(key):
            self._enter(key, "pictures")
            if isinstance(prepared, Elsewhere) or not reference.traces:
                return prepared.pictures()
            drawn = run_freely(prepared.pipe, context, reference.traces)
        self._drawn = (context.workload.name, context.variant.name, drawn)
        return drawn[0]

    def score(self, prepared: Prepared | Elsewhere, pictures: Sequence[Any]) -> Result:
        """Judge one picture a prompt against float32 of this run, and put the result on disk."""
        context = prepared.context
        found = judge(
            context.workload,
            pictures,
            self.reference(context.workload).pictures,
            self.thresholds(context.workload, context.variant),
            with_flip=self.settings.report is not None,
            blind=models.blind(context.workload, self.settings.weights),
        )
        earlier = self._inspections.get((context.workload.name, context.variant.name))
        if earlier is not None:
            found = with_pictures(earlier.quality, found.scores)
        return self._record(
            Result(
                context.workload.name,
                context.variant.name,
                self.protocol(context.workload),
                quality=found,
                evidence=prepared.evidence,
                exhibits=self._keep(context, pictures, earlier),
            )
        )

    def _keep(
        self, context: Context, pictures: Sequence[Any], inspection: Inspection | None = None
    ) -> Exhibits | None:
        """Keep what a report shows, if one was asked for."""
        if self.settings.report is None:
            return None
        if self._keeper is None:
            self._keeper = Keeper(self.settings.results)
        reference = self.reference(context.workload)
        return self._keeper.keep(context.variant, pictures, reference, inspection)

    def inspect(self, prepared: Prepared | Elsewhere) -> Inspection:
        """All looks at this pipeline, once; the result goes to disk, and artifacts where one fails."""
        context = prepared.context
        key = (context.workload.name, context.variant.name)
        if key not in self._inspections:
            reference = self.reference(context.workload)
            with self._watched(_key(context.workload, context.variant)):
                self._enter(_key(context.workload, context.variant), "components, modules, loop")
                found = self._inspect(prepared, reference)
            self._record(
                Result(
                    *key,
                    self.protocol(context.workload),
                    quality=found.quality,
                    evidence=prepared.evidence,
                    exhibits=self._keep(context, found.pictures, found),
                )
            )
            self._inspections[key] = found
        return self._inspections[key]

    def _inspect(self, prepared: Prepared | Elsewhere, reference: quality.Reference) -> Inspection:
        context = prepared.context
        thresholds = self.thresholds(context.workload, context.variant)
        if isinstance(prepared, Elsewhere):
            return prepared.inspect(reference, thresholds, self.settings.artifacts)
        key = (context.workload.name, context.variant.name)
        drawn = self._drawn[2] if self._drawn is not None and self._drawn[:2] == key else None
        found = inspect(
            prepared.pipe, reference, context.variant, thresholds, context.device, context.workload, drawn
        )
        return replace(found, artifacts=found.write(self.settings.artifacts, reference))

    def golden(self, workload: Workload) -> Quality:
        """Whether float32 itself still draws the stored pictures."""
        return golden.compare_golden(self.reference_folder(workload), self.reference(workload))

    def honest(self, workload: Workload) -> Look:
        """Whether eager code of this run's precisions is as near to float32 as when it was recorded."""
        return levels.compare_levels(self.reference_folder(workload), self.reference(workload))

    # -- records -----------------------------------------------------------------------------------

    def result(self, workload: str, variant: str) -> Result | None:
        """What is known of a variant so far."""
        for result in self.results:
            if (result.workload, result.variant) == (workload, variant):
                return result
        return None

    def begin(self) -> ResultsWriter:
        """Begin the results file, in place of an earlier run's, unless it is begun."""
        if self._writer is None:
            self._writer = ResultsWriter(
                self.settings.results, self.run_id, self.date, self.device, self.planned
            )
        return self._writer

    def _record(self, result: Result) -> Result:
        self.begin().add(result)
        self.results = list(merge_results([*self.results, result]))
        merged = self.result(result.workload, result.variant)
        assert merged is not None
        return merged

    def reject(self, workload: str, variant: str) -> None:
        """Keep what was measured of this variant out of the baselines: a test of it failed."""
        self.rejected.add((workload, variant))

    def run(self) -> Run:
        """All that this run found out."""
        return Run(self.run_id, self.date, self.device, tuple(self.results), self.planned)

    def update_baselines(self) -> list[Change]:
        """Store the sessions and counts of this run as the settings say; what was done to the sessions.

        What was done to the counts is in `counted_changes`. Results of failed tests are left out, unless the
        user asked for a reset. Raises `StoreError`.
        """
        mode = self.settings.update
        accepted = [
            result
            for result in self.results
            if mode == "reset" or (result.workload, result.variant) not in self.rejected
        ]
        changes = self.store.update(self.device, accepted, mode)
        self.counted_changes = self.counting.update(accepted, mode)
        return changes


def _let_go(error: BaseException | None) -> None:
    """Free what was built so far: the frames of a kept error hold it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    gc.collect()


def _key(workload: Workload, variant: Variant) -> str:
    return f"{workload.name} {variant.name}"
