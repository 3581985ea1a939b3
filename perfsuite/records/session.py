"""What one fresh process measured of one benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, MinLen

from perfsuite.records.units import Bytes, Seconds


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


FIXED_WORK = "fixed work"
"""Name of the reference that is not made of torch: what float32 itself is measured in turns with."""


@dataclass(frozen=True)
class Relative:
    """Latency in units of a reference variant's, both measured in turns of single denoising steps.

    It moves far less with the machine than seconds do, and can be compared next month.
    """

    reference: str
    """Name of the variant that is 1."""
    ratio: Annotated[tuple[Seconds, ...], MinLen(1)]
    """Of each pair of calls, in order; below 1 is faster than the reference."""
    reference_s: tuple[Seconds, ...] = ()
    """Seconds of the reference's call in each pair, its pieces weighed as a call of the workload."""
    fixed_work_s: tuple[Seconds, ...] = ()
    """Seconds of work that is not made of torch, in the same turns, beside each pair; empty on CUDA, and in
    older files."""
    contended: Annotated[int, Ge(0)] = 0
    """Pairs during which other processes took cores that they needed; they are left out, unless all was to be
    measured as it came."""


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
    again: Annotated[int, Ge(0)] | None = None
    """Graphs that a later process had to compile once more over the same cache folder, or this one though the
    artifact file holds them; None where nobody looked, and in older files."""

    @property
    def graphs(self) -> int:
        """All of them."""
        return self.hits + self.misses

    @property
    def once_more(self) -> int | None:
        """Graphs that a start after this one had, or has, to compile though they were compiled before; None
        where that is not known."""
        return self.again if self.misses else 0


@dataclass(frozen=True)
class Memory:
    """What the process held around its timed calls."""

    held_bytes: tuple[Bytes, ...]
    """Before each timed call and after the last: what the C library's and Python's allocators have given out;
    the resident set where they do not tell."""
    resident_bytes: tuple[Bytes, ...]
    """Likewise, of the process."""
    collected_bytes: Bytes
    """Held once the garbage of all calls was collected, which is not done between them."""
    base_bytes: Bytes
    """Resident before the pipeline was built; on CUDA allocated."""
    device_bytes: tuple[Bytes, ...] = ()
    """Allocated by torch on CUDA, as `held_bytes`; empty on a CPU."""
    device_collected_bytes: Bytes = 0
    threads: tuple[Annotated[int, Ge(0)], ...] = ()
    """Of the process, as `held_bytes`; empty in older files, and where the system does not tell."""
    files: tuple[Annotated[int, Ge(0)], ...] = ()
    """Likewise, files, sockets and pipes that it has open."""
    files_collected: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class Start:
    """What it took until the first picture was there, beside `Session.first_call_s` and `compile_s`."""

    build_s: Annotated[float, Ge(0)]
    """Loading weights, and applying and proving techniques."""
    import_s: Annotated[float, Ge(0)] | None = None
    """Importing torch, diffusers and transformers; None in all but the first session of a process."""
    contended: tuple[str, ...] = ()
    """Of ``import``, ``build`` and ``first call``: during which others took cores."""
    first: bool = False
    """Whether nothing was built in the process before: what libraries set up once, it pays for."""
    weights_bytes: Bytes = 0
    """Of all components as they were built."""
    fixed_work_s: Mapping[str, tuple[Seconds, Seconds]] = field(default_factory=dict)
    """Of ``import``, ``build`` and ``first call``: what work that is not made of torch took before and after
    it; empty in older files."""


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
    contended_s: tuple[Seconds, ...] = ()
    """Samples during which other processes took cores that the session's threads needed; not among
    `latency_s` unless too few others are left."""
    unfit: str = ""
    """Why the session has no weight in verdicts and baselines; empty if it has."""
    profile: Profile | None = None
    """None on a CPU."""
    limits: Limits | None = None
    """None in sessions that were stored before it was measured."""
    compilation: Compilation | None = None
    """None where nothing is compiled, where torch's counters said nothing, and in older files."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Global settings that differ from torch's own defaults, as text; empty in older files."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What surrounds the process: instructions, threads, cores, allocator, clock policy, limits, driver;
    empty in older files."""
    memory: Memory | None = None
    """None in older files."""
    start: Start | None = None
    """None in older files."""
    hot: Mapping[str, Hot] = field(default_factory=dict)
    """Where a short profiled call, apart from the timed ones, spent its time; empty unless asked for."""
    git: Mapping[str, str] = field(default_factory=dict)
    """Package to the commit that it was built from, where it tells; empty in older files."""
    gpu: str = ""
    """UUID of the GPU, for several of one model are not one; empty on a CPU, and in older files."""
