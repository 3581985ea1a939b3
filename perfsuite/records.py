"""What the rooms hand to each other: frozen data, no behaviour beyond refusing nonsense.

Plain dataclasses, so that importing them costs nothing; `perfsuite.store` validates them against
these annotations (with pydantic) when they come from a file. Every quantity carries its unit in its
name: seconds (``_s``), bytes (``_bytes``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, MinLen

if TYPE_CHECKING:
    from perfsuite.pipelines import Context

Seconds = Annotated[float, Gt(0)]
Bytes = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(0)]


@dataclass(frozen=True)
class Workload:
    """What is generated: model, size, steps, guidance, prompts and the seed of the latents."""

    name: str
    model: str
    """Key of `perfsuite.models.SOURCES`."""
    width: int
    height: int
    """Pixels."""
    steps: int
    """Denoising steps."""
    guidance: float
    """Classifier-free guidance scale; above 1 each step denoises two samples."""
    prompts: tuple[str, ...]
    """The first is timed; all are compared with float32."""
    seed: int
    """Of the CPU generator that draws the first latents; prompt i uses seed + i."""
    batch: int = 1
    """Pictures of one prompt that a call draws, each from latents of its own."""

    @property
    def protocol(self) -> str:
        """What must be equal for two latencies to be comparable, as one line of text."""
        return (
            f"{self.model} {self.width}x{self.height} {self.steps} steps guidance {self.guidance:g} "
            f"batch {self.batch} seed {self.seed} prompt {self.prompts[0]!r}"
        )


@dataclass(frozen=True)
class Device:
    """The machine part that a latency belongs to."""

    kind: str
    """``cpu`` or ``cuda``."""
    name: str
    """As the system reports it, for instance ``NVIDIA H100 80GB HBM3``."""
    slug: str
    """File name of its baselines."""
    count: int
    """Threads on a CPU; always 1 on CUDA."""
    memory_bytes: Bytes
    details: Mapping[str, str] = field(default_factory=dict)
    """Driver, compute capability, instruction sets: whatever helps to tell two devices apart."""

    @property
    def place(self) -> str:
        """As on the command line: ``cpu``, or ``cuda:1`` where it is one of several GPUs."""
        return f"{self.kind}:{self.details['index']}" if "index" in self.details else self.kind


@dataclass(frozen=True)
class Optimization:
    """One technique: how to apply it, how to prove that it took hold, and where it makes sense."""

    name: str
    summary: str
    apply: Callable[[Any, Context], None]
    """Change the pipeline in place."""
    verify: Callable[[Any, Context], str]
    """Return the evidence as one line of text, or raise `NotEngagedError`."""
    supports: Callable[[Device], str | None] = lambda device: None
    """None, or the reason why the device cannot run it or should not."""
    phase: int = 0
    """Steps are applied in ascending phase."""
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Names of other optimizations, with which this one makes no sense."""
    hidden: bool = False
    """True for a step that stands for the absence of another and is not part of a variant's name."""
    compiles: bool = False
    """True if the first call compiles, which is then measured."""
    error_factor: float = 1.0
    """By how much it may raise the error of a component (text encoder, UNet, VAE) over that of the
    eager pipeline of the same precision; see `perfsuite.quality.budgets`."""
    layer_error: float = 0.0
    """Relative L2 error that it may add to the layers that it changes, and to what holds them."""
    settings: tuple[str, ...] = ()
    """Global settings that it changes while the pipeline lives, as patterns of the names in
    `perfsuite.device.Snapshot`; any other that changes is a leak."""


class ContradictionError(ValueError):
    """A variant whose optimizations do not go together."""


@dataclass(frozen=True)
class Variant:
    """A name and the optimizations to apply, in order; a contradictory one cannot be made."""

    name: str
    optimizations: tuple[Optimization, ...]

    def __post_init__(self) -> None:
        names = [o.name for o in self.optimizations]
        phases = [o.phase for o in self.optimizations]
        for name in names:
            if names.count(name) > 1:
                raise ContradictionError(f"variant {self.name!r}: {name} is named twice")
        if phases.count(0) != 1:
            precisions = [n for n, p in zip(names, phases, strict=True) if p == 0]
            raise ContradictionError(
                f"variant {self.name!r}: name exactly one precision, got {' and '.join(precisions) or 'none'}"
            )
        for optimization in self.optimizations:
            for other in optimization.conflicts:
                if other in names:
                    raise ContradictionError(
                        f"variant {self.name!r}: {optimization.name} and {other} exclude each other"
                    )
            for other in optimization.requires:
                if other not in names:
                    raise ContradictionError(
                        f"variant {self.name!r}: {optimization.name} requires {other}; add it"
                    )
        for before, after in zip(self.optimizations, self.optimizations[1:], strict=False):
            if before.phase > after.phase:
                raise ContradictionError(
                    f"variant {self.name!r}: {after.name} must be applied before {before.name}"
                )

    def __contains__(self, name: str) -> bool:
        return any(o.name == name for o in self.optimizations)

    @property
    def precision(self) -> str:
        """Name of the optimization that sets the precision."""
        return self.optimizations[0].name

    @property
    def compiled(self) -> bool:
        """True if any of its code is compiled."""
        return any(o.compiles for o in self.optimizations)


@dataclass(frozen=True)
class StructureCheck:
    """What one deterministic gate found in a pipeline."""

    gate: str
    facts: tuple[str, ...]
    """What was counted, a line each."""
    problems: tuple[str, ...] = ()
    """What must not be, each with its place."""
    skipped: str | None = None
    """Why nothing can be said here, for instance what this torch does not count."""


@dataclass(frozen=True)
class Stages:
    """Where the time of one call goes, from one instrumented call beside the timed ones."""

    text_encoders_s: Annotated[float, Ge(0)]
    steps_s: tuple[Annotated[float, Ge(0)], ...]
    """Each denoising step: UNet, guidance and scheduler."""
    vae_s: Annotated[float, Ge(0)]
    other_s: Annotated[float, Ge(0)]
    """The rest: preparing latents, converting the picture."""


@dataclass(frozen=True)
class Limits:
    """The arithmetic of a call, and the ceiling of the device that ran it."""

    text_flop: Annotated[int, Ge(0)]
    """Floating point operations of the text encoders; a multiplication and an addition are two."""
    step_flop: Annotated[int, Ge(0)]
    """Of one denoising step, with guidance."""
    vae_flop: Annotated[int, Ge(0)]
    product_flop_per_s: Annotated[float, Gt(0)]
    """Of a large matrix product in the variant's precision, measured in the same process."""
    copy_bytes_per_s: Annotated[float, Gt(0)]
    """Of a large copy, reads and writes."""

    def share(self, flop: int, seconds: float) -> float:
        """What part of the product's rate was reached, as a fraction."""
        return flop / seconds / self.product_flop_per_s


@dataclass(frozen=True)
class Profile:
    """One profiled call on a GPU, apart from the timed ones."""

    kernels: Annotated[int, Ge(0)]
    """Launched: kernels, copies and fills."""
    busy_s: Annotated[float, Ge(0)]
    """During which the GPU ran any of them."""
    wall_s: Annotated[float, Gt(0)]

    @property
    def busy(self) -> float:
        """The GPU's busy share of the call, a fraction."""
        return self.busy_s / self.wall_s

    @property
    def host_bound(self) -> bool:
        """Whether the GPU waited for more than a tenth of the call: faster kernels would not help much."""
        return self.busy < 0.9


@dataclass(frozen=True)
class Relative:
    """Latency in units of a reference variant's, both measured in turns of single denoising steps.

    It moves far less with the machine than seconds do, and can be compared next month.
    """

    reference: str
    """Name of the variant that is 1."""
    ratio: Annotated[tuple[Seconds, ...], MinLen(1)]
    """Of each pair of calls, in order; below 1 is faster than the reference."""


@dataclass(frozen=True)
class Hot:
    """One operator of a profiled call, or one kernel of a GPU."""

    calls: Annotated[int, Ge(0)]
    self_s: Annotated[float, Ge(0)]
    """Without what it called; of all calls together."""


class CodeSource(StrEnum):
    """Where the compiled code of a first call came from."""

    COLD = "cold"
    """Every graph was compiled."""
    PARTLY = "partly cold"
    """Some graphs were compiled, others found."""
    WARM = "warm"
    """Every graph was found in torch's cache folder."""
    ARTIFACT = "artifact"
    """Every graph was found, and some only since the artifact file was loaded."""


@dataclass(frozen=True)
class Compilation:
    """How the first call came by its compiled code, by the counters of torch's caches."""

    source: CodeSource
    hits: Annotated[int, Ge(0)]
    """Graphs that were found."""
    misses: Annotated[int, Ge(0)]
    """Graphs that had to be compiled."""
    artifact_bytes: Bytes | None = None
    """Size of the artifact file that was loaded before; None where there was none."""


@dataclass(frozen=True)
class Session:
    """One fresh process measuring one benchmark, after warm-up. This is what baselines store."""

    id: str
    date: str
    """ISO 8601, UTC."""
    latency_s: Annotated[tuple[Seconds, ...], MinLen(1)]
    """Raw samples in order, each one synchronised call."""
    peak_memory_bytes: Bytes
    """Peak while the timed calls ran: allocated (CUDA) or resident set of the process (CPU)."""
    first_call_s: Annotated[float, Ge(0)]
    """The first call of all, with compilation."""
    compile_s: Annotated[float, Ge(0)] | None
    """First call less the median call; None where nothing is compiled."""
    warmup_s: tuple[Seconds, ...]
    """Calls between the first and the timed ones."""
    warmup_steady: bool
    """False if the warm-up ended at its limit and not by its rule."""
    stages: Stages | None
    versions: Mapping[str, str]
    conditions: Mapping[str, float | str]
    """The machine's state: threads, load; on a GPU clocks, heat, power and other processes, each the least,
    the middle and the greatest of the readings between rounds."""
    wall_s: Annotated[float, Ge(0)]
    """All that this benchmark took: building, warming up, measuring."""
    commit: str | None = None
    relative: Relative | None = None
    """None where it was not measured: the reference itself, or no memory for two pipelines."""
    throttled_s: tuple[Seconds, ...] = ()
    """Samples that were taken while the GPU had lowered its clocks for heat or hardware; not among
    `latency_s` unless all are."""
    profile: Profile | None = None
    """None on a CPU."""
    limits: Limits | None = None
    """None in sessions that were stored before it was measured."""
    compilation: Compilation | None = None
    """None where nothing is compiled, where torch's counters said nothing, and in older files."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Global settings that differ from torch's own defaults, as text; empty in older files."""
    hot: Mapping[str, Hot] = field(default_factory=dict)
    """Where a short profiled call, apart from the timed ones, spent its time; empty unless asked for."""


class Status(StrEnum):
    """The closed set of verdicts on latencies and counts."""

    OK = "OK"
    """The whole interval of the change lies within the tolerance."""
    IMPROVED = "IMPROVED"
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    """Too noisy, or too few sessions, to tell."""
    NEW = "NEW"
    """There is no baseline."""
    INCOMPATIBLE = "INCOMPATIBLE"
    """The baseline was measured with another protocol."""


class Cause(StrEnum):
    """What rides along with a verdict and explains it."""

    NOISY_MACHINE = "NOISY_MACHINE"
    FEW_SESSIONS = "FEW_SESSIONS"
    LADDER_SHAPE = "LADDER_SHAPE"
    """Judged by the speed-up over another rung, for want of a baseline of this device."""
    NOT_STEADY = "NOT_STEADY"
    """The warm-up ended at its limit, not by its rule."""
    MULTIMODAL = "MULTIMODAL"
    """The sessions of a side fall in separate modes."""
    SLOW_TAIL = "SLOW_TAIL"
    """Only the slowest quarter of the calls slowed down."""
    THROTTLED = "THROTTLED"
    """The device lowered its clocks for heat or power."""
    OTHER_PROCESS = "OTHER_PROCESS"
    """Another process used the device."""
    HOST_BOUND = "HOST_BOUND"
    """The device waited for the host."""


@dataclass(frozen=True)
class Verdict:
    """Status, and the figures that it rests on."""

    status: Status
    ratio: float | None = None
    """Candidate over baseline; above 1 is slower."""
    interval: tuple[float, float] | None = None
    """Interval of the ratio."""
    confidence: float | None = None
    """Two-sided coverage of the interval, for instance 0.95."""
    minimum_detectable_effect: float | None = None
    """Slowdown that would be found with 80 % power, as a fraction (0.1 is 10 % slower)."""
    tolerance: float | None = None
    """Slowdown that is accepted, as a fraction."""
    baseline_sessions: int = 0
    candidate_sessions: int = 0
    baseline_s: float | None = None
    """Typical latency of the baseline."""
    causes: tuple[Cause, ...] = ()
    detail: str = ""
    """One line for a person: what was compared, and why the verdict is not another."""
    p_value: Annotated[float, Ge(0)] | None = None
    """One-sided, of the deciding look; the null hypothesis is no slowdown beyond the minimum effect."""
    basis: str = "seconds"
    """What was compared: ``seconds``, or ``relative to`` a variant."""


class PictureStatus(StrEnum):
    """The closed set of picture verdicts."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    """Less similar to float32 than the noise floor and its margin allow."""
    BROKEN = "BROKEN"
    """NaN, Inf, flat or saturated: no picture, whatever its score."""
    NEW = "NEW"
    """No threshold is stored for this variant, or no golden picture for this workload."""
    NOT_JUDGED = "NOT_JUDGED"
    """Nothing can be said, for the reason that stands beside it."""


@dataclass(frozen=True)
class PictureScore:
    """One prompt's picture against its float32 counterpart."""

    prompt: str
    status: PictureStatus
    ssim: float | None
    """Structural similarity, 1 for equal pictures; None for a BROKEN picture."""
    psnr_db: float | None
    """Peak signal-to-noise ratio; None for a BROKEN picture, infinite pairs are capped at 120."""
    threshold: float | None
    """Least SSIM allowed."""
    detail: str = ""
    flip: float | None = None
    """Mean FLIP error in [0, 1], 0 for equal pictures; None where it was not computed."""


@dataclass(frozen=True)
class Deviation:
    """One error beside what is allowed at its place."""

    place: str
    """Component, module, step and prompt, as text."""
    error: float | None
    """Relative L2 error against float32; None where it is infinite (NaN, or another shape)."""
    same_precision: float
    """The same error of the honest eager pipeline of the same precision."""
    budget: float

    @property
    def ratio(self) -> float:
        """Error over budget; above 1 the budget is left."""
        return float("inf") if self.error is None else self.error / self.budget


@dataclass(frozen=True)
class Look:
    """One way to look at a variant's numbers, and what it found."""

    name: str
    """``pictures``, ``components``, ``modules`` or ``loop``."""
    status: PictureStatus
    count: Annotated[int, Ge(0)] = 0
    """Errors that were judged."""
    first: Deviation | None = None
    """The first in the order of a generation that leaves its budget."""
    worst: Deviation | None = None
    """The largest in multiples of its budget, also where all is well."""
    beyond: Annotated[int, Ge(0)] = 0
    """How many leave their budget."""
    detail: str = ""
    """One line for a person."""


@dataclass(frozen=True)
class Quality:
    """The pictures and numbers of one variant against float32 of the same run."""

    status: PictureStatus
    """The gravest of the looks'."""
    scores: tuple[PictureScore, ...]
    looks: tuple[Look, ...] = ()
    """Empty where only pictures were compared."""

    @property
    def ssim(self) -> float | None:
        """The least SSIM over the prompts, None if a picture is BROKEN."""
        values = [s.ssim for s in self.scores]
        return None if None in values or not values else min(v for v in values if v is not None)

    def look(self, name: str) -> Look:
        """The look of this name; raises `KeyError` where it was not taken."""
        for look in self.looks:
            if look.name == name:
                return look
        raise KeyError(name)


@dataclass(frozen=True)
class Counts:
    """What one variant does, counted: no timing, so no noise.

    A mapping is from what is counted to how often or how much; None where it does not apply or could not be
    counted, for which `absent` has the reason then.
    """

    versions: Mapping[str, str]
    code_for: str
    """What generated code and scratch memory depend on beside the versions: instruction set, threads."""
    operators: Mapping[str, Count] | None
    """``aten.clone in BasicTransformerBlock``: calls in an eager generation of one step."""
    flop: Mapping[str, Count] | None
    """Floating point operations of each component, in the same generation."""
    weights_bytes: Mapping[str, Count] | None
    """Distinct memory that each component's modules hold in tensors."""
    kernels: Mapping[str, Count] | None
    """Calls in the generated code of all graphs: fused kernels by their operators, library kernels."""
    peak_bytes: Mapping[str, Count] | None
    """The most that the allocator gave out beyond the state before the call, in each stage of a call."""
    code_bytes: Mapping[str, Count] | None
    """Size of what was generated."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Field to the reason why it could not be counted."""


@dataclass(frozen=True)
class CountChange:
    """One count that is not what it was."""

    measure: str
    """Field of `Counts`."""
    name: str
    """What is counted; the key in the field's mapping."""
    before: int
    after: int

    @property
    def difference(self) -> int:
        """Above 0: more than before."""
        return self.after - self.before


@dataclass(frozen=True)
class CountVerdict:
    """Counts against stored ones."""

    status: Status
    """REGRESSED if anything at all rose: what an operator costs in place of another no count can tell."""
    changes: tuple[CountChange, ...] = ()
    """By measure in the order of `Counts`, the largest first."""
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """Field of `Counts` to the reason why it was not compared."""
    detail: str = ""
    """One line for a person."""


@dataclass(frozen=True)
class DriftCurve:
    """Relative L2 error of one prompt's latents against the float32 run, after each denoising step.

    None stands for NaN and Inf. The last two may be empty.
    """

    prompt: str
    steps: tuple[int, ...]
    variant: tuple[float | None, ...]
    same_precision: tuple[float | None, ...] = ()
    """The honest eager pipeline of the same precision."""
    budget: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Numbers:
    """What lies behind the looks of one variant, for a report."""

    drift: tuple[DriftCurve, ...] = ()
    errors: Mapping[str, tuple[Deviation, ...]] = field(default_factory=dict)
    """By look, each in the order of a generation; of many places those nearest to their budget."""


@dataclass(frozen=True)
class PictureFiles:
    """PNG files of one prompt, each named relative to the folder of the results file."""

    prompt: str
    float32: str
    variant: str
    ssim_map: str | None = None
    """Dark where the pictures are equal; None where one is broken."""
    flip_map: str | None = None
    ssim_span: float | None = None
    """1 - SSIM of the map's brightest colour."""
    flip_span: float | None = None
    """FLIP error of the map's brightest colour."""


@dataclass(frozen=True)
class Exhibits:
    """What was kept of a variant for a report, in files beside the results file."""

    pictures: tuple[PictureFiles, ...] = ()
    numbers: str | None = None
    """JSON file of `Numbers`, relative to the folder of the results file."""


@dataclass(frozen=True)
class Result:
    """All that one run found out about one variant of one workload."""

    workload: str
    variant: str
    protocol: str
    session: Session | None = None
    verdict: Verdict | None = None
    quality: Quality | None = None
    evidence: tuple[str, ...] = ()
    """One line an optimization: the proof that it took hold."""
    timed: PictureScore | None = None
    """The picture of the last timed call, where the run has a float32 reference."""
    counts: Counts | None = None
    counted: CountVerdict | None = None
    """On the counts; None where they were not judged."""
    exhibits: Exhibits | None = None
    """None unless a report was asked for."""


@dataclass(frozen=True)
class Run:
    """One invocation of the suite on one device."""

    id: str
    date: str
    device: Device
    results: tuple[Result, ...]
    chosen: tuple[str, ...] = ()
    """``workload/variant`` of all that was to run, in order; empty in files of before it was recorded."""


class Health(StrEnum):
    """The closed set of what an examination of the machine can say of one subject."""

    OK = "OK"
    WARNING = "WARNING"
    """Figures are usable, but noisier, slower or judged by less than they could be."""
    PROBLEM = "PROBLEM"
    """Measurements fail, or mislead."""
    UNKNOWN = "UNKNOWN"
    """It could not be looked at; the finding says why."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at before measuring."""

    name: str
    status: Health
    found: str
    """What is there, with figures and units; of an UNKNOWN one the reason."""
    remedy: str = ""
    """A command or a sentence; empty where nothing is to be done."""
    figures: Mapping[str, float | str | None] = field(default_factory=dict)
    """The figures alone, each with its unit in its name."""
