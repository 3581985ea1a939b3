"""All looks at one pipeline, from pictures down to single modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.device import fingerprint
from perfsuite.pipelines import models, variants, workloads
from perfsuite.pipelines.promises import Promise
from perfsuite.pipelines.technique import Context
from perfsuite.quality import budgets
from perfsuite.quality.belonging import check_belongs
from perfsuite.quality.compiled import look as compiled_look
from perfsuite.quality.compiled.looking import look_into
from perfsuite.quality.large import measure_large
from perfsuite.quality.looks import (
    changed_modules,
    gravest,
    judge_errors,
    picture_look,
    relative_thresholds,
    workload_of,
)
from perfsuite.quality.loop import run_freely
from perfsuite.quality.pictures import judge
from perfsuite.quality.plausibility import yardstick_for
from perfsuite.quality.reference import look_deep
from perfsuite.quality.thresholds import declared
from perfsuite.records import PictureStatus, Quality

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.artifacts import Drift
    from perfsuite.quality.compiled.looking import CompiledErrors
    from perfsuite.quality.loop import Drawn
    from perfsuite.quality.reference import Reference
    from perfsuite.quality.relative_errors import Errors
    from perfsuite.records import Deviation, Device, Workload


@dataclass(frozen=True)
class Inspection:
    """What all looks found, and what they saw."""

    variant: Variant
    quality: Quality
    pictures: tuple[np.ndarray, ...]
    errors: Mapping[str, Errors]
    """By look, as in `perfsuite.quality.reference_files.Yardstick`."""
    latents: tuple[Any, ...] = ()
    """Final latents of each prompt, in the variant's precision."""
    artifacts: tuple[Path, ...] = ()
    changed: frozenset[tuple[str, str]] = frozenset()
    """Component and name of the modules that hold weights in another form."""
    inside: CompiledErrors | None = None
    """What compiled code gave on the way; None where it was not looked into."""

    def deviations(self, reference: Reference) -> dict[str, list[Deviation]]:
        """By look, every error beside its budget, in the order of a generation."""
        yardstick = yardstick_for(reference, self.variant)
        kinds = {record.place: record.kind for record in reference.modules}
        inside = (
            {}
            if self.inside is None
            else {compiled_look.NAME: compiled_look.deviations(self.inside, self.variant, self.changed)}
        )
        return {
            "components": budgets.deviations(
                {"components": self.errors["components"]}, yardstick, self.variant
            )[0],
            "modules": budgets.deviations(
                {"modules": self.errors.get("modules", {})}, yardstick, self.variant, self.changed, kinds
            )[0],
            "loop": budgets.deviations({"loop": self.errors["loop"]}, yardstick, self.variant)[0],
            **inside,
        }

    def drift(self, reference: Reference, prompt: int) -> Drift | None:
        """The latents' error after each step of the real run of a prompt, beside its budget."""
        from perfsuite.quality.artifacts import Drift

        of_prompt = {p: e for p, e in self.errors["free"].items() if p.prompt == prompt}
        if not of_prompt:
            return None
        yardstick = yardstick_for(reference, self.variant)["free"]
        allowed = [budgets.budget("free", place, yardstick, self.variant) for place in of_prompt]
        return Drift(
            tuple(place.step for place in of_prompt if place.step is not None),
            tuple(of_prompt.values()),
            tuple(same for same, _ in allowed),
            tuple(most for _, most in allowed),
        )

    def write(self, folder: Path, reference: Reference) -> tuple[Path, ...]:
        """Write pictures, maps and drift of every prompt, if a look failed; returns the files."""
        from perfsuite.quality.artifacts import write_artifacts

        if self.quality.status not in (PictureStatus.DEGRADED, PictureStatus.BROKEN):
            return ()
        folder.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        for i, prompt in enumerate(reference.workload.prompts):
            name = f"{reference.workload.name}-{self.variant.name}-prompt-{i}"
            written += write_artifacts(
                folder, name, prompt, self.pictures[i], reference.pictures[i], self.drift(reference, i)
            )
        return tuple(written)


def inspect(
    pipe: Any,
    reference: Reference,
    variant: Variant,
    thresholds: Mapping[str, float] | None,
    device: Device,
    workload: Workload | None = None,
    drawn: Drawn | None = None,
    *,
    large: bool = True,
    compiled: bool = True,
) -> Inspection:
    """All looks at one pipeline; see `perfsuite.quality.assess`.

    `workload`: what the pipeline was built for, where the caller knows. `drawn`: what `run_freely` gave
    for this pipeline, if it has been run. `large`: whether single modules are also tried at a large size.
    `compiled`: whether compiled code is looked into, for which it is compiled once more.
    """
    check_belongs(pipe, reference, workload or workload_of(pipe), variant)
    context = Context(reference.workload, variant, device)
    blind = models.blind(reference.workload, reference.weights)
    if not thresholds and blind is None and variant.promise is Promise.APPROXIMATE:
        thresholds = declared(variant, reference.workload)
    if not thresholds and blind is None:
        thresholds = relative_thresholds(reference, variant.optimizations[0].name)
    pictures, latents, free = drawn or run_freely(pipe, context, reference.traces)
    scores = judge(
        reference.workload, pictures, reference.pictures, thresholds or {}, with_flip=True, blind=blind
    ).scores
    errors = look_deep(pipe, context, reference)
    if large and "modules" in errors:
        errors["modules"] |= measure_large(pipe, context)
    changed = changed_modules(pipe)
    looks = [picture_look(scores), *judge_errors(errors, free, reference, variant, changed)]
    inside = None
    if compiled and variant.compiled:
        inside = look_into(pipe, context, reference.traces)
        looks.append(compiled_look.judge(inside, variant, changed))
    quality = Quality(gravest([look.status for look in looks]), scores, tuple(looks))
    return Inspection(
        variant, quality, tuple(pictures), {**errors, "free": free}, tuple(latents), changed=changed,
        inside=inside,
    )  # fmt: skip


def assess(
    pipe: Any,
    reference: Reference,
    variant: str | Variant,
    thresholds: Mapping[str, float] | None = None,
    device: str | Device | None = None,
) -> Quality:
    """Judge any pipeline of the reference's model, eager or compiled, also one changed by hand.

    `variant` tells the precision and what budgets its optimizations have. `thresholds` maps prompts to
    the least SSIM allowed; without, they are relative to honest eager pipelines of the same precision,
    like all other budgets. Four looks: ``pictures``, ``components``, ``modules``, ``loop`` (a reference
    recorded with ``deep=False`` allows the first only; without thresholds it is NEW); a fifth, ``compiled``,
    where the variant compiles.

    Raises `WrongReferenceError` for a pipeline of another architecture or workload, `WrongPictureError`
    for pictures of another size.
    """
    variant = variants.get(variant)
    if device is None:
        device = reference.device or fingerprint("auto")
    elif isinstance(device, str):
        device = fingerprint(device)
    if not reference.traces:
        context = Context(workloads.get(reference.workload), variant, device)
        drawn = [context.generate(pipe, i) for i in range(len(reference.pictures))]
        blind = models.blind(reference.workload, reference.weights)
        return judge(reference.workload, drawn, reference.pictures, thresholds or {}, blind=blind)
    return inspect(pipe, reference, variant, thresholds, device).quality
