"""What the variants of one run draw, and every look at it, against the run's float32."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from perfsuite.bench.hand import key_of
from perfsuite.bench.recovery import Elsewhere
from perfsuite.pipelines import models, variants
from perfsuite.pipelines.promises import Promise
from perfsuite.quality import golden, task
from perfsuite.quality.assessing import Inspection, inspect
from perfsuite.quality.exhibits import Keeper
from perfsuite.quality.looks import relative_thresholds, with_look, with_pictures
from perfsuite.quality.loop import run_freely
from perfsuite.quality.pictures import judge, score, unlike, worst
from perfsuite.quality.plausibility import judge_honest
from perfsuite.quality.thresholds import declared, for_variant, strange
from perfsuite.records import Look, PictureStatus, Quality
from perfsuite.store import load_thresholds, thresholds_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from perfsuite import quality
    from perfsuite.bench.hand import Hand
    from perfsuite.bench.ledger import Ledger
    from perfsuite.bench.references import References
    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Context, Variant
    from perfsuite.quality.loop import Drawn
    from perfsuite.records import Exhibits, PictureScore, Result, Workload
    from perfsuite.settings import Settings


class Pictures:
    """Draws, scores and inspects the pipelines of one run."""

    def __init__(self, settings: Settings, hand: Hand, ledger: Ledger, references: References) -> None:
        self._settings, self._hand, self._ledger = settings, hand, ledger
        self._references = references
        self._inspections: dict[tuple[str, str], Inspection] = {}
        self._tasks: dict[tuple[str, str], Look] = {}
        self._without: dict[tuple[str, str], Sequence[Any]] = {}
        """By workload and variant: what captions' pictures are like with nothing that is not exact."""
        self.looks_into_compiled = False
        self._keeper: Keeper | None = None
        self._drawn: tuple[str, str, Drawn] | None = None
        """Workload and variant of what was drawn last."""

    def timed(self, workload: Workload, variant: Variant, drawn: Any | None) -> PictureScore | None:
        """What the timed calls drew: a fast call that draws something else is no speed-up."""
        reference = self._references.known(workload, variant)
        if reference is None or drawn is None:
            return None
        prompt = workload.prompts[0]
        blind = models.blind(workload, self._settings.weights)
        allowed = None if blind else self._thresholds(workload, variant).get(prompt)
        found = score(prompt, drawn, reference.pictures[0], allowed, batch=workload.batch, blind=blind)
        why = self._strange(workload, variant)
        return unlike([found], why)[0] if why else found

    def _thresholds(self, workload: Workload, variant: Variant) -> dict[str, float]:
        """The least SSIM of each prompt for this variant.

        Where none was measured they are relative to this run's honest pipeline of the same precision,
        if the reference has one; else there are none.
        """
        if models.blind(workload, self._settings.weights):
            return {}
        stored = load_thresholds(self._thresholds_path(workload))
        found = for_variant(stored, variant, workload.model) if stored is not None else {}
        if not found and variant.promise is Promise.APPROXIMATE:
            found = declared(variant, workload)
        if not found and self._references.deep:
            found = relative_thresholds(self._references.get(workload, variant), variant.precision)
        return found

    def _strange(self, workload: Workload, variant: Variant) -> str:
        """Why the stored thresholds are not for this variant, and where they are; empty where they are."""
        if models.blind(workload, self._settings.weights):
            return ""
        path = self._thresholds_path(workload)
        stored = load_thresholds(path)
        why = strange(stored, variant, workload.model) if stored is not None else ""
        return f"{path}: {why}" if why else ""

    def _thresholds_path(self, workload: Workload) -> Path:
        return thresholds_path(self._folder(workload), self._hand.device.kind)

    def _folder(self, workload: Workload) -> Path:
        """Where the golden pictures and the thresholds of a workload are."""
        name = models.reference_folder(workload, self._settings.weights)
        return self._settings.baselines / "reference" / name

    def draw(self, prepared: Prepared | Elsewhere) -> list[Any]:
        """One picture a prompt; where more than pictures will be judged, with the latents' drift."""
        context = prepared.context
        reference = self._references.get(context.workload, context.variant)
        key = key_of(context.workload, context.variant)
        with self._hand.watched(key):
            self._hand.enter(key, "pictures")
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
            self._references.get(context.workload, context.variant).pictures,
            self._thresholds(context.workload, context.variant),
            with_flip=self._settings.report is not None,
            blind=models.blind(context.workload, self._settings.weights),
        )
        why = self._strange(context.workload, context.variant)
        if why:
            scores = unlike(found.scores, why)
            found = Quality(worst(scores), scores)
        earlier = self._inspections.get((context.workload.name, context.variant.name))
        if earlier is not None:
            found = with_pictures(earlier.quality, found.scores)
        return self._record(prepared, found, self._keep(context, pictures, earlier))

    def task(self, prepared: Prepared | Elsewhere) -> Look:
        """Whether a variant that is not exact still draws what captions ask for; the result goes to disk."""
        context, weights = prepared.context, self._settings.weights
        if isinstance(prepared, Elsewhere):
            found = Look(task.NAME, PictureStatus.NOT_JUDGED, detail=prepared.evidence[-1])
        elif (reason := task.unreadable(context.workload, weights, self._settings.judge)) is not None:
            found = Look(task.NAME, PictureStatus.NOT_JUDGED, detail=reason)
        else:
            found = self._task(prepared)
        names = (context.workload.name, context.variant.name)
        self._tasks[names] = found
        known = self._ledger.result(*names)
        blank = self._ledger.blank(context.workload, context.variant, prepared.evidence)
        quality = with_look(known.quality if known is not None else None, found)
        self._ledger.record(replace(blank, quality=quality, exhibits=known.exhibits if known else None))
        return found

    def _task(self, prepared: Prepared) -> Look:
        context, count = prepared.context, self._settings.captions
        key = key_of(context.workload, context.variant)

        def progress(phase: str) -> None:
            self._hand.enter(key, phase)

        with self._hand.watched(key):
            # Loaded anew each time: beside a pipeline that is timed it would count as that one's memory.
            reader = task.reader_for(self._settings.judge, self._hand.device, context.workload)
            with_it = task.marks(prepared.pipe, context, reader, count, progress)
            # One that makes another model of the model is compared with that model.
            base = (context.workload.name, variants.without_loss(context.variant).name)
            if base not in self._without:
                weights = self._settings.weights
                self._without[base] = task.marks_without(context, weights, reader, count, progress)
        return reader.judge(context.variant, self._without[base], with_it)

    def _record(self, prepared: Prepared | Elsewhere, found: Quality, exhibits: Exhibits | None) -> Result:
        context = prepared.context
        looked = self._tasks.get((context.workload.name, context.variant.name))
        if looked is not None:
            found = with_look(found, looked)
        blank = self._ledger.blank(context.workload, context.variant, prepared.evidence)
        return self._ledger.record(replace(blank, quality=found, exhibits=exhibits))

    def _keep(
        self, context: Context, pictures: Sequence[Any], inspection: Inspection | None = None
    ) -> Exhibits | None:
        """Keep what a report shows, if one was asked for."""
        if self._settings.report is None:
            return None
        if self._keeper is None:
            self._keeper = Keeper(self._ledger.path)
        reference = self._references.get(context.workload, context.variant)
        return self._keeper.keep(context.variant, pictures, reference, inspection)

    def inspect(self, prepared: Prepared | Elsewhere) -> Inspection:
        """All looks at this pipeline, once; the result goes to disk, and artifacts where one fails."""
        context = prepared.context
        names = (context.workload.name, context.variant.name)
        if names not in self._inspections:
            reference = self._references.get(context.workload, context.variant)
            key = key_of(context.workload, context.variant)
            with self._hand.watched(key):
                self._hand.enter(key, "components, modules, loop")
                found = self._inspect(prepared, reference)
            self._record(prepared, found.quality, self._keep(context, found.pictures, found))
            self._inspections[names] = found
        return self._inspections[names]

    def _inspect(self, prepared: Prepared | Elsewhere, reference: quality.Reference) -> Inspection:
        context = prepared.context
        thresholds = self._thresholds(context.workload, context.variant)
        why = self._strange(context.workload, context.variant)
        if isinstance(prepared, Elsewhere):
            found = prepared.inspect(reference, thresholds, self._settings.artifacts)
            return replace(found, quality=_told(found.quality, why))
        names = (context.workload.name, context.variant.name)
        drawn = self._drawn[2] if self._drawn is not None and self._drawn[:2] == names else None
        found = inspect(
            prepared.pipe, reference, context.variant, thresholds, context.device, context.workload, drawn,
            compiled=self.looks_into_compiled,
        )  # fmt: skip
        found = replace(found, quality=_told(found.quality, why))
        return replace(found, artifacts=found.write(self._settings.artifacts, reference))

    def golden(self, workload: Workload) -> Quality:
        """Whether float32 itself still draws the stored pictures."""
        return golden.compare_golden(self._folder(workload), self._references.get(workload))

    def honest(self, workload: Workload) -> Look:
        """Whether eager code of this run's precisions is as near to float32 as when it was recorded."""
        return judge_honest(self._folder(workload), self._references.get(workload))


def _told(quality: Quality, why: str) -> Quality:
    """What all looks found, with why the pictures' stored thresholds are of something else, if they are."""
    return with_pictures(quality, unlike(quality.scores, why)) if why else quality
