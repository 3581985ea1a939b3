"""What the gate is worth: planted faults that it finds, honest cases that it leaves alone.

Beside its looks stand the gates that other projects use, on the same pictures and latents.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from perfsuite.device import fingerprint
from perfsuite.pipelines import prepare, release, unsupported, variants, workloads
from perfsuite.quality.assessing import inspect
from perfsuite.quality.faults import FAULTS, plant
from perfsuite.quality.peers import PEERS, Case
from perfsuite.quality.reference import record_reference, twins
from perfsuite.records import PictureStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.reference import Reference
    from perfsuite.records import Device, Quality, Workload

LOOKS = ("pictures", "components", "modules", "loop")
EAGER = ("fp32", "bf16", "bf16+sdpa", "bf16+sdpa+qkv", "bf16+sdpa+qkv+int8")
"""Where faults are planted: the ladder's rungs, before they are compiled."""
OFF_SEED = 5000
"""Added to the workload's seed for honest cases with other latents."""


@dataclass(frozen=True)
class Trial:
    """One pipeline, honest or with a fault planted, and what every gate said."""

    variant: str
    case: str
    """Name of the fault, or of the honest case."""
    fault: bool
    """False for honest cases, and for planted changes that are harmless."""
    quality: Quality
    peers: dict[str, bool] = field(default_factory=dict)
    """True where the peer's gate fails the pipeline."""

    def caught(self, look: str | None = None) -> bool:
        """True if the look (or any, without one) fails the pipeline."""
        bad = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
        if look is None:
            return self.quality.status in bad
        return self.quality.look(look).status in bad


def _attention_slicing(prepared: Prepared) -> None:
    prepared.pipe.enable_attention_slicing(1)


def _vae_slicing(prepared: Prepared) -> None:
    prepared.pipe.vae.enable_slicing()


def _nothing(prepared: Prepared) -> None:
    pass


def _one_thread(prepared: Prepared) -> None:
    import torch

    torch.set_num_threads(1)


def _transformers_eager(prepared: Prepared) -> None:
    for name in ("text_encoder", "text_encoder_2"):
        getattr(prepared.pipe, name).set_attn_implementation("eager")


@dataclass(frozen=True)
class Honest:
    """A change that is none in what is computed, only in how."""

    name: str
    variant: str
    change: Callable[[Prepared], None] = _nothing
    other_seed: bool = False
    other_prompts: bool = False
    size: str = ""
    """What names another size behind the workload's name, as ``@192x128``."""

    def workload(self, workload: Workload) -> Workload:
        """What it draws, of what would be drawn."""
        if self.size:
            workload = workloads.get(f"{workload.name.partition('@')[0]}{self.size}")
        if self.other_seed:
            workload = replace(workload, seed=workload.seed + OFF_SEED)
        if self.other_prompts:
            workload = replace(workload, prompts=OTHER_PROMPTS[workload.model])
        return workload


def _honest_cases() -> Iterator[Honest]:
    for name in (*EAGER, "fp32+sdpa", "bf16+channels-last", "bf16+sdpa+channels-last", "fp32+channels-last"):
        yield Honest("as built", name)
    for name in ("fp32", "bf16+sdpa", "bf16+sdpa+qkv+int8"):
        yield Honest("one thread", name, _one_thread)
        yield Honest("other seeds", name, other_seed=True)
        yield Honest("other prompts", name, other_prompts=True)
    for name in ("fp32+sdpa", "bf16+sdpa"):
        yield Honest("attention slicing", name, _attention_slicing)
        yield Honest("VAE slicing", name, _vae_slicing)
        yield Honest("text encoders without SDPA", name, _transformers_eager)
    for name in ("fp32+sdpa+compile", "bf16+sdpa+compile", "bf16+sdpa+compile+qkv",
                 "bf16+sdpa+compile+qkv+int8"):  # fmt: skip
        yield Honest("as built", name)


HONEST = tuple(_honest_cases())
_OF_SHAPES = (
    "a small red ring at the center on a white plain background",
    "a large black triangle at the bottom right on a yellow striped background",
    "a large purple square at the top on a black checkered background",
    "a small orange circle at the right on a purple dotted background",
)
OTHER_PROMPTS = {
    "shapes": _OF_SHAPES,
    "shapes-ssd": _OF_SHAPES,
    "sdxl-base": (
        "A lighthouse on a cliff in a storm, long exposure",
        "Portrait of an old fisherman, film photograph, soft light",
        "An isometric drawing of a tiny bakery",
        "Hot air balloons over a desert at sunrise",
    ),
}


class Bench:
    """Runs trials of one workload on one device; references and honest latents are made once."""

    looks_into_compiled = False
    """No fault is planted into compiled code here."""

    def __init__(
        self,
        workload: str | Workload,
        device: str | Device = "auto",
        weights: str = "auto",
        cache_folder: Path | None = None,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.workload = workloads.get(workload)
        self.device = fingerprint(device) if isinstance(device, str) else device
        self.weights, self.cache_folder, self.progress = weights, cache_folder, progress
        self._references: dict[Workload, Reference] = {}
        self._latents: dict[str, list[Any]] = {}

    def reference(self, workload: Workload) -> Reference:
        """The float32 run of a workload."""
        if workload not in self._references:
            self.progress(f"float32 reference, seed {workload.seed}, {workload.width}x{workload.height}")
            self._references[workload] = record_reference(
                workload, self.device, self.weights, cache=self.cache_folder
            )
        return self._references[workload]

    def fault(self, variant: str | Variant, name: str, *, with_peers: bool = True) -> Trial | None:
        """Plant a fault and judge; None where it cannot be planted in this variant."""
        variant = variants.get(variant)
        if name in FAULTS and FAULTS[name].applies(variant) is not None:
            return None
        reference = self.reference(self.workload)
        self._beforehand(reference, variant, with_peers=with_peers)
        prepared = prepare(self.workload, variant, self.device, self.weights)
        try:
            plant(name, prepared.pipe, prepared.context)
            is_fault = not FAULTS[name].harmless
            return self._judge(prepared, reference, name, fault=is_fault, with_peers=with_peers)
        finally:
            release(prepared.pipe)

    def honest(self, case: Honest, *, with_peers: bool = True) -> Trial | None:
        """Judge an honest case; None where the device does not support its variant."""
        variant = variants.get(case.variant)
        if unsupported(variant, self.device, self.workload) is not None:
            return None
        workload = case.workload(self.workload)
        with_peers = with_peers and workload == self.workload
        reference = self.reference(workload)
        self._beforehand(reference, variant, with_peers=with_peers)
        prepared = prepare(workload, variant, self.device, self.weights)
        try:
            case.change(prepared)
            return self._judge(prepared, reference, case.name, fault=False, with_peers=with_peers)
        finally:
            release(prepared.pipe)

    def _beforehand(self, reference: Reference, variant: Variant, *, with_peers: bool) -> None:
        """What needs a pipeline of its own: two at once may not fit."""
        precision = variant.optimizations[0].name
        reference.yardstick(precision)
        if with_peers:
            self._final_latents(precision)
            self._final_latents("fp64")

    def _judge(
        self, prepared: Prepared, reference: Reference, name: str, *, fault: bool, with_peers: bool
    ) -> Trial:
        variant = prepared.context.variant
        found = inspect(
            prepared.pipe, reference, variant, None, self.device, reference.workload,
            large=False, compiled=self.looks_into_compiled,
        )  # fmt: skip
        peers: dict[str, bool] = {}
        if with_peers:
            precision = variant.optimizations[0].name
            case = Case(
                found.pictures,
                reference.pictures,
                found.latents,
                self._final_latents(precision),
                self._final_latents("fp64"),
            )
            peers = {peer.name: not peer.passes(case) for peer in PEERS}
        return Trial(variant.name, name, fault, found.quality, peers)

    def _final_latents(self, precision: str) -> list[Any]:
        """Of the honest eager pipeline of a precision, ``fp64`` included."""
        if precision not in self._latents:
            variant = variants.REFERENCE if precision == "fp64" else twins(precision)[-1]
            prepared = prepare(self.workload, variant, self.device, self.weights, forced=True)
            try:
                self._latents[precision] = [
                    _final(prepared, prompt, double=precision == "fp64")
                    for prompt in range(len(self.workload.prompts))
                ]
            finally:
                release(prepared.pipe)
        return self._latents[precision]


def _final(prepared: Prepared, prompt: int, *, double: bool) -> Any:
    """Final latents of one prompt; `double` computes the models in float64."""
    import torch

    pipe, context = prepared.pipe, prepared.context
    latents = context.latents(pipe, prompt)
    if double:
        for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
            getattr(pipe, name).to(torch.float64)
        latents = latents.double()
    workload = context.workload
    return pipe(
        prompt=workload.prompts[prompt],
        latents=latents,
        num_inference_steps=workload.steps,
        guidance_scale=workload.guidance,
        height=workload.height,
        width=workload.width,
        num_images_per_prompt=workload.batch,
        output_type="latent",
        return_dict=False,
    )[0].cpu()


@dataclass(frozen=True)
class Score:
    """How many of the trials a gate fails."""

    gate: str
    faults: int
    of_faults: int
    false_alarms: int
    of_honest: int


def scores(trials: Sequence[Trial]) -> list[Score]:
    """The score of the whole gate, of each look, and of each peer."""
    faults = [t for t in trials if t.fault]
    honest = [t for t in trials if not t.fault]
    found = [
        Score("perfsuite", sum(t.caught() for t in faults), len(faults),
              sum(t.caught() for t in honest), len(honest))
    ]  # fmt: skip
    for look in LOOKS:
        found.append(
            Score(f"  {look} alone", sum(t.caught(look) for t in faults), len(faults),
                  sum(t.caught(look) for t in honest), len(honest))
        )  # fmt: skip
    for peer in PEERS:
        name = peer.name
        judged_f, judged_h = ([t for t in group if name in t.peers] for group in (faults, honest))
        found.append(
            Score(name, sum(t.peers[name] for t in judged_f), len(judged_f),
                  sum(t.peers[name] for t in judged_h), len(judged_h))
        )  # fmt: skip
    return found


def run(
    bench: Bench,
    chosen: Sequence[Variant],
    faults: Sequence[str],
    *,
    honest: bool = True,
    with_peers: bool = True,
) -> Iterator[Trial]:
    """Every fault in every variant that takes it, then the honest cases, as they are judged.

    Variants that the device does not support are left out, with a line to `bench.progress`.
    """
    for variant in chosen:
        reason = unsupported(variant, bench.device, bench.workload)
        if reason is not None:
            bench.progress(f"{variant.name}: left out, {reason}")
            continue
        for name in faults:
            bench.progress(f"{variant.name}: {name}")
            trial = bench.fault(variant, name, with_peers=with_peers)
            if trial is not None:
                yield trial
    for case in HONEST if honest else ():
        bench.progress(f"{case.variant}: honest, {case.name}")
        trial = bench.honest(case, with_peers=with_peers)
        if trial is not None:
            yield trial
