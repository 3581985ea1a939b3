"""What the looks find of a compiler's mistakes, where, and whether honest compiled code passes."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import prepare, release, unsupported
from perfsuite.quality.assessing import inspect
from perfsuite.quality.budgets import judge, look_of
from perfsuite.quality.compiled.look import deviations
from perfsuite.quality.compiled.looking import look_into, output_errors
from perfsuite.quality.compiled_crediting import credit
from perfsuite.quality.compiled_trials import LOOK, CompiledTrial, honest_cases
from perfsuite.quality.components import chosen_steps
from perfsuite.quality.faults.compiler import MISTAKES, NotPlantedError, miscompiled
from perfsuite.quality.faults.compiler.captured import captured, distance
from perfsuite.quality.faults.compiler.sites import in_groups, site_of
from perfsuite.quality.generation import call_denoiser, call_vae
from perfsuite.quality.looks import changed_modules
from perfsuite.quality.reference import twins
from perfsuite.quality.trials import Bench, Honest
from perfsuite.records import Look, PictureStatus, Quality

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.compiled_crediting import Credit
    from perfsuite.quality.faults.compiler import Mistake
    from perfsuite.quality.faults.compiler.captured import Captured
    from perfsuite.quality.faults.compiler.sites import Site
    from perfsuite.quality.reference import Reference
    from perfsuite.quality.relative_errors import Errors
    from perfsuite.records import Deviation


@dataclass(frozen=True)
class _Honestly:
    """Of a variant in which nothing is planted."""

    beyond: frozenset[str]
    """Places that leave their budget all the same, and so show nothing."""
    eager: Errors
    """Errors of what eager code of its precision gives."""


@dataclass(frozen=True)
class _Looked:
    """What the look into compiled code saw."""

    inside: list[Deviation]
    outputs: Look
    """At what the same code gives: what a look at outputs alone would say."""


class CompiledBench(Bench):
    """Plants mistakes into what is compiled; what honest compiled code gives is kept by variant."""

    looks_into_compiled = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._outputs: dict[tuple[str, str], list[Any]] = {}
        self._graphs: dict[str, list[Captured]] = {}
        self._inside: dict[str, _Honestly] = {}

    def mistake(self, variant: Variant, mistake: Mistake) -> CompiledTrial:
        """Compile a variant with a mistake and judge it by all looks.

        It stays while the looks are taken, since one of them compiles once more. Raises `NotPlantedError`.
        """
        start = time.monotonic()
        reference = self.reference(self.workload)
        self._beforehand(reference, variant, with_peers=False)
        site = self._site(variant, mistake)
        honest = self._honest_outputs(variant, reference, mistake.component)
        with self._miscompiled(variant, (site,)) as prepared:
            made = _outputs(prepared, reference, mistake.component)
            found = inspect(
                prepared.pipe, reference, variant, None, self.device, reference.workload, large=False
            )
        change = distance(made, honest)
        inside = found.deviations(reference).get(LOOK, [])
        shown = credit(site, (), inside, self._honest_inside(variant).beyond)
        return _trial(
            variant, site, shown, found.quality, start, change=change,
            rounding=distance(honest, _exact(reference, mistake.component)),
        )  # fmt: skip

    def group(self, variant: Variant, sites: Sequence[Site], number: int) -> list[CompiledTrial]:
        """Compile a variant once, with taps and all of these mistakes, and credit each with what shows it.

        Beside the look into compiled code stands what its outputs say of all of them together. Behind a NaN
        nothing can be compared, so mistakes that one may have hidden are compiled once more, without it.
        """
        start = time.monotonic()
        honest = self._honest_inside(variant)
        with self._miscompiled(variant, sites) as prepared:
            found = self._look(prepared, honest.eager)
        trials = []
        for site in sites:
            others = [other for other in sites if other is not site]
            shown = credit(site, others, found.inside, honest.beyond)
            look = _look_at(shown, len(found.inside))
            quality = Quality(look.status, (), (found.outputs, look))
            trials.append(_trial(variant, site, shown, quality, start, change=site.change, group=number))
        if any(trial.quality.status is PictureStatus.BROKEN for trial in trials):
            hidden = [site for site, t in zip(sites, trials, strict=True) if not t.caught()]
            seen = [t for t in trials if t.caught()]
            return [*seen, *self.group(variant, hidden, number)] if hidden else seen
        return trials

    def groups(self, variant: Variant, mistakes: Sequence[Mistake]) -> list[tuple[Site, ...]]:
        """Which of the mistakes are compiled together; those without a place are left out, with a line."""
        sites = []
        for mistake in mistakes:
            try:
                sites.append(self._site(variant, mistake))
            except NotPlantedError as error:
                self.progress(f"{variant.name}: {mistake.name} left out, {error}")
        return in_groups(sites, self._captured(variant))

    @contextlib.contextmanager
    def _miscompiled(self, variant: Variant, sites: Sequence[Site]) -> Iterator[Prepared]:
        """A pipeline while all that is compiled has the mistakes, each where it is foreseen."""
        with contextlib.ExitStack() as stack:
            planted = stack.enter_context(miscompiled(*(site.mistake for site in sites)))
            prepared = prepare(self.workload, variant, self.device, self.weights)
            stack.callback(release, prepared.pipe)
            yield prepared
        for site in sites:
            found = planted.by_mistake[site.mistake.name]
            if set(found) != set(site.modules):
                raise NotPlantedError(
                    f"{site.mistake.name} was planted in {', '.join(found)}, not in {', '.join(site.modules)}"
                )

    def _captured(self, variant: Variant) -> list[Captured]:
        """The variant's graphs; of one variant at a time, for they hold its weights."""
        if variant.name not in self._graphs:
            self.progress(f"{variant.name}: its graphs")
            prepared = prepare(self.workload, variant, self.device, self.weights)
            try:
                self._graphs = {variant.name: captured(prepared)}
            finally:
                release(prepared.pipe)
        return self._graphs[variant.name]

    def _site(self, variant: Variant, mistake: Mistake) -> Site:
        """Where it is planted. Raises `NotPlantedError`."""
        graphs = self._captured(variant)
        site = site_of(mistake, graphs)
        if site is None:
            seen = ", ".join(graph.component for graph in graphs) or "nothing"
            raise NotPlantedError(f"{mistake.name} has no place in what was compiled: {seen}")
        return site

    def _honest_inside(self, variant: Variant) -> _Honestly:
        """What the look shows where nothing is planted."""
        if variant.name not in self._inside:
            self.progress(f"{variant.name}: without a mistake")
            eager = self._eager_outputs(variant)
            prepared = prepare(self.workload, variant, self.device, self.weights)
            try:
                inside = self._look(prepared, eager).inside
            finally:
                release(prepared.pipe)
            self._inside[variant.name] = _Honestly(frozenset(d.place for d in inside if d.ratio > 1), eager)
        return self._inside[variant.name]

    def _eager_outputs(self, variant: Variant) -> Errors:
        """What honest eager code of the variant's precision gives in the calls that are looked into."""
        twin = twins(variant.optimizations[0].name)[-1]
        prepared = prepare(self.workload, twin, self.device, self.weights, forced=True)
        try:
            return {
                place: error
                for component in ("unet", "vae")
                for place, error in output_errors(
                    prepared.pipe, prepared.context, self.reference(self.workload).traces, component
                ).items()
            }
        finally:
            release(prepared.pipe)

    def _look(self, prepared: Prepared, eager: Errors) -> _Looked:
        """Look into its compiled code, and at what that gives."""
        variant = prepared.context.variant
        found = look_into(prepared.pipe, prepared.context, self.reference(self.workload).traces)
        inside = deviations(found, variant, changed_modules(prepared.pipe))
        outputs = judge("components", {"components": found.outputs}, {"components": eager}, variant)
        return _Looked(inside, outputs)

    def compiled_honestly(self, case: Honest) -> CompiledTrial | None:
        """Judge an honest build; None where the device does not support its variant."""
        start = time.monotonic()
        trial = self.honest(case, with_peers=False)
        if trial is None:
            return None
        return CompiledTrial(
            trial.variant, trial.case, False, trial.quality, seconds=time.monotonic() - start
        )

    def _honest_outputs(self, variant: Variant, reference: Reference, component: str) -> list[Any]:
        if (variant.name, component) not in self._outputs:
            prepared = prepare(self.workload, variant, self.device, self.weights)
            try:
                for each in ("unet", "vae"):
                    self._outputs[variant.name, each] = _outputs(prepared, reference, each)
            finally:
                release(prepared.pipe)
        return self._outputs[variant.name, component]


def _outputs(prepared: Prepared, reference: Reference, component: str) -> list[Any]:
    """What a component gives on float32's inputs of the first prompt."""
    pipe, context, trace = prepared.pipe, prepared.context, reference.traces[0]
    if component == "vae":
        return [call_vae(pipe, context, trace).float().cpu()]
    return [call_denoiser(pipe, context, trace, step).float().cpu() for step in _steps(reference)]


def _exact(reference: Reference, component: str) -> list[Any]:
    """The same of float32."""
    trace = reference.traces[0]
    if component == "vae":
        return [trace["decoded"].float()]
    return [trace["noise"][step].float() for step in _steps(reference)]


def _steps(reference: Reference) -> list[int]:
    return chosen_steps(reference.traces[0].steps, 0, len(reference.traces))


def _trial(
    variant: Variant, site: Site, shown: Credit, quality: Quality, start: float, **fields: Any
) -> CompiledTrial:
    mistake, worst = site.mistake, shown.worst
    error = None if worst is None else worst.error
    return CompiledTrial(
        variant.name, mistake.name, fields["change"] != 0, quality, component=mistake.component,
        source=mistake.source, planted=site.modules, place=worst.place if worst else "",
        ratio=worst.ratio if worst and error is not None else None, located=shown.located,
        seconds=time.monotonic() - start, **fields,
    )  # fmt: skip


def _look_at(shown: Credit, count: int) -> Look:
    """What of the look into compiled code shows one mistake."""
    if not shown.shown:
        return Look(LOOK, PictureStatus.OK, count, detail="nothing near it is beyond its budget")
    return replace(look_of(LOOK, shown.shown), count=count)


def run(
    bench: CompiledBench,
    chosen: Sequence[Variant],
    mistakes: Sequence[str],
    *,
    honest: bool = True,
    one_at_a_time: bool = False,
    groups: Collection[int] = (),
) -> Iterator[CompiledTrial]:
    """Every mistake in every variant that takes it, then honest builds of each, as they are judged.

    Mistakes are compiled in groups, of which `groups` chooses by their numbers from 1, or each alone.
    What cannot be run or planted is left out, with a line to `bench.progress`.
    """
    able = []
    for variant in chosen:
        reason = unsupported(variant, bench.device, bench.workload)
        if reason is not None:
            bench.progress(f"{variant.name}: left out, {reason}")
            continue
        able.append(variant)
        taken = _taken(bench, variant, mistakes)
        yield from _alone(bench, variant, taken) if one_at_a_time else _grouped(bench, variant, taken, groups)
    for variant in able if honest else ():
        for case in honest_cases(variant.name):
            bench.progress(f"{case.variant}: honest, {case.name}")
            built = bench.compiled_honestly(case)
            if built is not None:
                yield built


def _taken(bench: CompiledBench, variant: Variant, names: Sequence[str]) -> list[Mistake]:
    """Those that can be planted in a variant."""
    taken = []
    for mistake in (MISTAKES[name] for name in names):
        reason = mistake.applies(variant)
        if reason is None:
            taken.append(mistake)
        else:
            bench.progress(f"{variant.name}: {mistake.name} left out, {reason}")
    return taken


def _alone(bench: CompiledBench, variant: Variant, mistakes: Sequence[Mistake]) -> Iterator[CompiledTrial]:
    for mistake in mistakes:
        bench.progress(f"{variant.name}: {mistake.name}")
        try:
            yield bench.mistake(variant, mistake)
        except NotPlantedError as error:
            bench.progress(f"{variant.name}: {mistake.name} left out, {error}")


def _grouped(
    bench: CompiledBench, variant: Variant, mistakes: Sequence[Mistake], chosen: Collection[int]
) -> Iterator[CompiledTrial]:
    groups = bench.groups(variant, mistakes)
    for number in chosen:
        if number > len(groups):
            raise ValueError(f"there is no group {number}: {variant.name} has {len(groups)}")
    for number, sites in enumerate(groups, 1):
        if chosen and number not in chosen:
            continue
        names = ", ".join(site.mistake.name for site in sites)
        bench.progress(f"{variant.name}: group {number} of {len(groups)}: {names}")
        try:
            yield from bench.group(variant, sites, number)
        except NotPlantedError as error:
            bench.progress(f"{variant.name}: group {number} left out, {error}")
