"""The face of one run: builds pipelines one at a time, measures, judges, and keeps the records.

This is what the pytest plugin drives.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite.bench.counts import CountGate
from perfsuite.bench.fallback import fallen_back
from perfsuite.bench.hand import Hand
from perfsuite.bench.latency import Latency, TimeRounds
from perfsuite.bench.ledger import Ledger
from perfsuite.bench.leftovers import DEVICE_BYTES
from perfsuite.bench.once_more import OnceMore
from perfsuite.bench.pictures import Pictures
from perfsuite.bench.references import References
from perfsuite.bench.worse import Worse
from perfsuite.device import fingerprint, load
from perfsuite.device.held import device_bytes
from perfsuite.pipelines.variants import REFERENCE
from perfsuite.quality.task.captions import everyday
from perfsuite.quality.task.clip import ClipReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite import quality
    from perfsuite.bench.recovery import Elsewhere
    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.assessing import Inspection
    from perfsuite.records import Device, Look, Quality, Result, Run, Session, Workload
    from perfsuite.settings import Settings
    from perfsuite.store import BaselineFile, Baselines, Change


class Workbench:
    """The state of one run. Raises `StoreError` at once if the device's baseline file is bad."""

    def __init__(
        self, settings: Settings, progress: Callable[[str, str], None] = lambda key, phase: None
    ) -> None:
        self.settings = settings
        self.device: Device = fingerprint(settings.device)
        self._ledger = Ledger(settings, self.device)
        self.counting = CountGate(settings.baselines, self.device.kind)
        self.counted_changes: list[Change] = []
        """What `update_baselines` did with the counts."""
        self.recorded: list[str] = []
        """``workload/variant`` of what `update_baselines` gave a first baseline."""
        self._hand = Hand(settings, self.device, self._ledger, progress)
        self._references = References(settings, self._hand)
        self._once_more = OnceMore(settings, self._hand)
        self._latency = Latency(settings, self._hand, self._ledger, self._once_more)
        self._worse = Worse(settings, self._hand, self._ledger, self._once_more)
        self._pictures = Pictures(settings, self._hand, self._ledger, self._references)

    def plan(
        self,
        planned: tuple[str, ...],
        chosen: Sequence[Variant],
        *,
        deep: bool,
        progress: Callable[[str, str], None],
        asked: tuple[str, ...] = (),
        timed: bool = False,
        compiled: bool = False,
    ) -> None:
        """Say what is to come.

        Args:
            planned: ``workload/variant`` of all that is to run, for readers of an interrupted run's results.
            chosen: variants, by which a deep reference knows what precisions to measure beforehand.
            deep: whether more than pictures will be judged.
            progress: told workload and variant, and the phase that begins.
            asked: ``workload/variant`` of all that is to be judged, also of what this device cannot run.
            compiled: whether compiled code will be looked into.
            timed: whether latencies are judged, so that this run becomes the last ladder.
        """
        self._ledger.planned, self._ledger.asked, self._ledger.timed = planned, asked, timed
        self._references.chosen, self._references.deep = chosen, deep
        self._pictures.looks_into_compiled = compiled
        self._hand.progress = progress

    def look(self) -> str:
        """Who takes cores that this run needs, in words; empty if nobody does. Looks for two seconds, and not
        on a GPU, whose host has cores to spare."""
        return load.look(self.device.count) if self.device.kind == "cpu" else ""

    # -- pipelines ---------------------------------------------------------------------------------

    def pipeline(self, workload: Workload, variant: Variant) -> Prepared | Elsewhere:
        """The pipeline of this variant, see `Hand.pipeline`."""
        return self._hand.pipeline(workload, variant)

    def put_away(self) -> None:
        """Release the current pipeline, and what it set in this process."""
        self._hand.close()

    def progress(self, key: str, phase: str) -> None:
        """Tell that a phase begins."""
        self._hand.progress(key, phase)

    def end(self) -> None:
        """Release the current pipeline, end other processes, keep compiled code."""
        self._hand.end()

    @property
    def lost(self) -> bool:
        """Whether this process has lost its GPU: such a run fails, whatever its tests say."""
        return self._hand.fresh is not None

    # -- what is measured and judged ---------------------------------------------------------------

    def measure(self, prepared: Prepared | Elsewhere, time_rounds: TimeRounds) -> Result:
        """Measure one session, judge it against the baseline, and put the result on disk."""
        context = prepared.context
        session, verdict, drawn = self._latency.measure(prepared, time_rounds)
        timed = self._pictures.timed(context.workload, context.variant, drawn)
        blank = self._ledger.blank(context.workload, context.variant, prepared.evidence)
        return self._ledger.record(replace(blank, session=session, verdict=verdict, timed=timed))

    def judge_memory(self, prepared: Prepared | Elsewhere) -> Result:
        """Peak and growth, of the session that was timed or of one for this; puts the result on disk."""
        context = prepared.context
        found = self._worse.memory(context.workload, context.variant, self._session(prepared))
        blank = self._ledger.blank(context.workload, context.variant, prepared.evidence)
        return self._ledger.record(replace(blank, memory=found))

    def judge_start(self, prepared: Prepared | Elsewhere) -> Result:
        """Import, build, first call and compiling, likewise; and whether compiled code is found again."""
        context = prepared.context
        workload, variant = context.workload, context.variant
        session = self._once_more.ask(workload, variant, self._session(prepared))
        found = self._worse.start(workload, variant, session)
        blank = self._ledger.blank(workload, variant, prepared.evidence)
        return self._ledger.record(replace(blank, session=session, start=found))

    def look_back(self) -> bool:
        """Whether every variant is gone from memory; what is not is put on disk and becomes no baseline."""
        # What pytest or a plugin keeps of a failed test holds its pipeline, and that test has failed already.
        found = [each for each in self._hand.left_behind() if not self._ledger.is_rejected(*each[:2])]
        for workload, variant, quantity in found:
            result = self._ledger.result(workload, variant)
            if result is not None:
                self._ledger.record(replace(result, memory=(*result.memory, quantity)))
            self._ledger.reject(workload, variant)
        over = device_bytes(self.device.kind) if self._hand.fresh is None else 0
        if over > DEVICE_BYTES:
            said = f"{over / 2**20:.0f} MiB are allocated on the device after all was released"
            self._ledger.closing_lines.append(f"REGRESSED: left behind: {said}")
        return not found and over <= DEVICE_BYTES

    def _session(self, prepared: Prepared | Elsewhere) -> Session:
        """The session that was timed; where none was, one that becomes no baseline, as nobody judges it."""
        context = prepared.context
        known = self._ledger.result(context.workload.name, context.variant.name)
        if known is not None and known.session is not None:
            return known.session
        session = self._latency.session(prepared)
        blank = self._ledger.blank(context.workload, context.variant, prepared.evidence)
        self._ledger.record(replace(blank, session=session))
        return session

    def count(self, prepared: Prepared) -> Result:
        """Count what the pipeline does, compare with the stored counts, and put the result on disk."""
        context = prepared.context
        blank = self._ledger.blank(context.workload, context.variant, prepared.evidence)
        counts = self.counting.count(prepared)
        counted = self.counting.judge(blank, counts)
        return self._ledger.record(replace(blank, counts=counts, counted=counted))

    def reference(self, workload: Workload, variant: Variant = REFERENCE) -> quality.Reference:
        """The float32 run that a variant is compared with, see `References.get`."""
        return self._references.get(workload, variant)

    def try_reference(self, workload: Workload, variant: Variant = REFERENCE) -> None:
        """Record it now, if it can be, see `References.attempt`."""
        self._references.attempt(workload, variant)

    def draw(self, prepared: Prepared | Elsewhere) -> list[Any]:
        """One picture a prompt."""
        return self._pictures.draw(prepared)

    def score(self, prepared: Prepared | Elsewhere, pictures: Sequence[Any]) -> Result:
        """Judge one picture a prompt against float32 of this run, and put the result on disk."""
        return self._pictures.score(prepared, pictures)

    def inspect(self, prepared: Prepared | Elsewhere) -> Inspection:
        """All looks at this pipeline, once; the result goes to disk, and artifacts where one fails."""
        return self._pictures.inspect(prepared)

    def check_judge(self) -> None:
        """Load the CLIP model that will score pictures, if one was named, and drop it.

        Raises:
            JudgeError: it cannot be loaded.
        """
        if self.settings.judge is not None:
            ClipReader.load(self.settings.judge, self.device, everyday)

    def task(self, prepared: Prepared | Elsewhere) -> Look:
        """Whether a variant that is not exact still does the task, see `Pictures.task`."""
        return self._pictures.task(prepared)

    def golden(self, workload: Workload) -> Quality:
        """Whether float32 itself still draws the stored pictures."""
        return self._pictures.golden(workload)

    def honest(self, workload: Workload) -> Look:
        """Whether eager code of this run's precisions is as near to float32 as when it was recorded."""
        return self._pictures.honest(workload)

    # -- records -----------------------------------------------------------------------------------

    @property
    def results(self) -> list[Result]:
        """What was found out so far, one a variant."""
        return self._ledger.results

    @property
    def closing_lines(self) -> list[str]:
        """What the summary says last."""
        return self._ledger.closing_lines

    @property
    def store(self) -> Baselines:
        """Where the baselines are."""
        return self._ledger.store

    @property
    def baselines(self) -> BaselineFile | None:
        """Those of this device, as the run found them."""
        return self._ledger.baselines

    def result(self, workload: str, variant: str) -> Result | None:
        """What is known of a variant so far."""
        return self._ledger.result(workload, variant)

    def baseline_versions(self, result: Result) -> dict[str, str] | None:
        """Package versions of the baseline's newest session, None without a baseline."""
        return self._ledger.baseline_versions(result)

    def moved(self, result: Result) -> str:
        """What differs between the newest stored session of this variant and this run, as one line."""
        return self._ledger.moved(result)

    @property
    def ledger(self) -> Ledger:
        """The results file, and what is put there."""
        return self._ledger

    def fallen_back(self, workload: Workload) -> str:
        """Why nothing may be compared with this run's weights, see `perfsuite.bench.fallback`."""
        return fallen_back(workload, self.settings.weights, self.baselines, self.settings.baselines)

    def reject(self, workload: str, variant: str) -> None:
        """Keep what was measured of this variant out of the baselines: a test of it failed."""
        self._ledger.reject(workload, variant)

    def run(self) -> Run:
        """All that this run found out."""
        return self._ledger.run()

    def update_baselines(self) -> list[Change]:
        """Store the sessions and counts of this run as the settings say; what was done to the sessions.

        What was done to the counts is in `counted_changes`. Raises `StoreError`.
        """
        changes, self.counted_changes = self._ledger.update_baselines(self.counting)
        self.recorded = [change.key for change in changes if change.action == "recorded"]
        return changes
