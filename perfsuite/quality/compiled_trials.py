"""What the looks find of a compiler's mistakes, where, and whether honest compiled code passes."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import prepare, release, unsupported, variants
from perfsuite.quality.assessing import inspect
from perfsuite.quality.components import chosen_steps
from perfsuite.quality.faults.compiler import MISTAKES, NotPlantedError, miscompiled
from perfsuite.quality.generation import call_unet, call_vae
from perfsuite.quality.trials import Bench, Honest, Trial
from perfsuite.records import PictureStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.assessing import Inspection
    from perfsuite.quality.faults.compiler import Mistake
    from perfsuite.quality.reference import Reference

LOOK = "compiled"
"""The look that sees into compiled code; all others see what leaves it."""
VARIANTS = ("bf16-sdpa-compile", "bf16-sdpa-compile-qkv-int8")
OTHER_SIZE = "@192x128"
OF_A_KIND = re.compile(r", all \d+ calls of (?P<operation>\S+) in ")
"""How a place names all values of one kind, which are judged together."""


@dataclass(frozen=True)
class CompiledTrial(Trial):
    """One compiled pipeline, honest or with a mistake in its code, and where a look saw it."""

    component: str = ""
    planted: tuple[str, ...] = ()
    """Modules in which the graph was changed, in a block that is compiled alone by their name within it."""
    change: float | None = None
    """Relative L2 distance of the compiled component's output from that of honest compiled code; a mistake
    that changes nothing is none."""
    rounding: float | None = None
    """The same distance of honest compiled code's output from that of float32: what rounding does anyway."""
    place: str = ""
    """Where the look into compiled code saw most of it, or first, whichever is nearer."""
    near: bool | None = None
    """Whether that is where it was planted, or a direct neighbour; None where nothing was seen."""
    seconds: float = 0.0

    def caught_by_outputs(self) -> bool:
        """True if a look that sees outputs alone fails the pipeline."""
        return any(self.caught(look.name) for look in self.quality.looks if look.name != LOOK)

    def finders(self) -> tuple[str, ...]:
        """The looks that fail the pipeline."""
        return tuple(look.name for look in self.quality.looks if self.caught(look.name))


def is_near(place: str, planted: str, order: Sequence[str] = ()) -> bool:
    """Whether a module is the one planted in, holds it or is held by it, or stands beside it.

    `order`: all modules looked at, in the order of a generation, in which the next is a neighbour too.
    """
    if _same(place, planted):
        return True
    for inner, outer in ((place, planted), (planted, place)):
        if any(_same(above, outer) for above in _above(inner)):
            return True
    parents = _parent(place), _parent(planted)
    if all(parents) and _same(*parents):
        return True
    at = [i for i, name in enumerate(order) if _same(name, planted)]
    return any(place in order[max(0, i - 1) : i + 2] for i in at)


def _same(one: str, other: str) -> bool:
    """Names agree, or one is the other's within a block or a component that holds it."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _parent(name: str) -> str:
    """Name of the module that holds it; the lists within attentions and feed-forwards do not count."""
    parts = name.split(".")[:-1]
    while parts and parts[-1] in ("net", "to_out"):
        parts.pop()
    if parts[-2:-1] == ["net"]:
        parts = parts[:-2]
    return ".".join(parts)


def _above(name: str) -> Iterator[str]:
    """The two modules above, of which a third would hold most of the model."""
    for _ in range(2):
        head, dot, _last = name.rpartition(".")
        if not dot:
            return
        yield head
        name = head


def _module(place: str) -> str:
    """The module's name in a place: behind the component's, and before what is looked at there."""
    return re.split("[:, ]", re.sub(r"^\w+[ .]?", "", place))[0]


def _seen(found: Inspection, reference: Reference, planted: Sequence[str]) -> tuple[str, bool | None]:
    """Where the look into compiled code sees a mistake, and whether it is near to where it was planted."""
    look = next((k for k in found.quality.looks if k.name == LOOK), None)
    if look is None or look.status not in (PictureStatus.DEGRADED, PictureStatus.BROKEN):
        return "", None
    places = [d.place for d in found.deviations(reference).get(LOOK, ())]
    seen = [d.place for d in (look.worst, look.first) if d is not None]
    for place in seen:
        if _points_at(place, planted, places):
            return place, True
    return seen[0] if seen else "", False


def _points_at(place: str, planted: Sequence[str], places: Sequence[str]) -> bool:
    """Whether a place is near to one of the modules planted in; all calls of a kind, whether near to each.

    `places`: all that were looked at, in the order of a generation.
    """
    kind = OF_A_KIND.search(place)
    if kind is None:
        order = list(dict.fromkeys(_module(each) for each in places))
        return any(is_near(_module(place), name, order) for name in planted)
    calls = {_module(each) for each in places if f": {kind['operation']}," in each}
    return len(planted) > 1 and all(any(is_near(call, name) for call in calls) for name in planted)


def _again(prepared: Prepared, **flags: object) -> None:
    """Compile anew what runs next, with these flags of Inductor, which `release` puts back."""
    import torch

    for name, value in flags.items():
        setattr(torch._inductor.config, name, value)
    torch._dynamo.reset()


def _threads(count: int) -> Any:
    def change(prepared: Prepared) -> None:
        import torch

        torch.set_num_threads(count)
        _again(prepared, fx_graph_cache=False)

    return change


def _fused(prepared: Prepared) -> None:
    _again(prepared, epilogue_fusion=True)


def _cold(prepared: Prepared) -> None:
    _again(prepared, force_disable_caches=True)


def honest_cases(variant: str) -> tuple[Honest, ...]:
    """Ways to compile a variant that change nothing in what is computed."""
    return (
        Honest("as built", variant),
        Honest("other seeds", variant, other_seed=True),
        Honest("other prompts", variant, other_prompts=True),
        Honest("other seeds and prompts", variant, other_seed=True, other_prompts=True),
        Honest("other size", variant, size=OTHER_SIZE),
        Honest("one thread", variant, _threads(1)),
        Honest("two threads", variant, _threads(2)),
        Honest("epilogues fused", variant, _fused),
        Honest("compiled from the cache", variant, _again),
        Honest("compiled without any cache", variant, _cold),
    )


class CompiledBench(Bench):
    """Plants mistakes into what is compiled; what honest compiled code gives is kept by variant."""

    looks_into_compiled = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._outputs: dict[tuple[str, str], list[Any]] = {}

    def mistake(self, variant: Variant, mistake: Mistake) -> CompiledTrial:
        """Compile a variant with a mistake and judge it.

        It stays while the looks are taken, since one of them compiles once more. Raises `NotPlantedError`.
        """
        start = time.monotonic()
        reference = self.reference(self.workload)
        self._beforehand(reference, variant, with_peers=False)
        honest = self._honest_outputs(variant, reference, mistake.component)
        with contextlib.ExitStack() as stack:
            planted = stack.enter_context(miscompiled(mistake))
            prepared = prepare(self.workload, variant, self.device, self.weights)
            stack.callback(release, prepared.pipe)
            made = _outputs(prepared, reference, mistake.component)
            found = inspect(
                prepared.pipe, reference, variant, None, self.device, reference.workload, large=False
            )
        change = _distance(made, honest)
        place, near = _seen(found, reference, planted.modules)
        return CompiledTrial(
            variant.name, mistake.name, change != 0, found.quality, component=mistake.component,
            planted=tuple(planted.modules), change=change,
            rounding=_distance(honest, _exact(reference, mistake.component)), place=place, near=near,
            seconds=time.monotonic() - start,
        )  # fmt: skip

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
    return [call_unet(pipe, context, trace, step).float().cpu() for step in _steps(reference)]


def _exact(reference: Reference, component: str) -> list[Any]:
    """The same of float32."""
    trace = reference.traces[0]
    if component == "vae":
        return [trace["decoded"].float()]
    return [trace["noise"][step].float() for step in _steps(reference)]


def _steps(reference: Reference) -> list[int]:
    return chosen_steps(reference.traces[0].steps, 0, len(reference.traces))


def _distance(made: Sequence[Any], honest: Sequence[Any]) -> float:
    apart = sum(float((a - b).square().sum()) for a, b in zip(made, honest, strict=True))
    return float((apart / sum(float(b.square().sum()) for b in honest)) ** 0.5)


def run(
    bench: CompiledBench,
    chosen: Sequence[Variant],
    mistakes: Sequence[str],
    *,
    honest: bool = True,
) -> Iterator[CompiledTrial]:
    """Every mistake in every variant that takes it, then honest builds of each, as they are judged.

    What cannot be run or planted is left out, with a line to `bench.progress`.
    """
    able = []
    for variant in chosen:
        reason = unsupported(variant, bench.device)
        if reason is not None:
            bench.progress(f"{variant.name}: left out, {reason}")
            continue
        able.append(variant)
        for name in mistakes:
            trial = _planted(bench, variant, MISTAKES[name])
            if trial is not None:
                yield trial
    for variant in able if honest else ():
        for case in honest_cases(variant.name):
            bench.progress(f"{case.variant}: honest, {case.name}")
            built = bench.compiled_honestly(case)
            if built is not None:
                yield built


def _planted(bench: CompiledBench, variant: Variant, mistake: Mistake) -> CompiledTrial | None:
    reason = mistake.applies(variant)
    if reason is None:
        bench.progress(f"{variant.name}: {mistake.name}")
        try:
            return bench.mistake(variant, mistake)
        except NotPlantedError as error:
            reason = str(error)
    bench.progress(f"{variant.name}: {mistake.name} left out, {reason}")
    return None


def get_variant(name: str) -> Variant:
    """A variant of which something is compiled; raises `ValueError` for another."""
    variant = variants.get(name)
    if not variant.compiled:
        raise ValueError(
            f"{variant.name}: nothing of it is compiled; name a variant with compile or compile-regional, "
            f"or leave --compiled out"
        )
    return variant
