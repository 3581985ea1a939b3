"""What of a run's results is followed from night to night: figures, and counts.

A figure that is measured is noisy, and is followed by its logarithm: it must be above 0 to have weight. What
is counted, and whether a gate passed, is exact; sizes are not, for each torch makes them a
little different. What a session says of itself, that it was disturbed or not
steady, takes the weight of its times, not of its memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from perfsuite.decision import DecisionSettings
from perfsuite.decision.basis import samples_of
from perfsuite.decision.estimates import estimate
from perfsuite.decision.once_more import NAME as ONCE_MORE
from perfsuite.decision.session_amounts import Amount, memories, starts
from perfsuite.decision.summaries import summarize
from perfsuite.records import FIXED_WORK, PictureStatus, SeriesKind, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from perfsuite.records import Counts, Quality, Result, Session, Stages

NOT_FINITE = "not finite"
NOT_POSITIVE = "not above 0"
NOT_STEADY = "the warm-up did not settle"
BUSY = "other processes took cores"
OWN_GATE = "shown alone: a gate of its own judges it"
_QUANTILE_VARIANCE = 2.92
"""Of the 10 % quantile, in units of the mean's, as in `perfsuite.decision.comparisons`."""
_REFERENCE = "fp32"
_PASSES = (
    PictureStatus.OK, PictureStatus.NEW, PictureStatus.INCONCLUSIVE, Status.OK, Status.IMPROVED, Status.NEW,
    Status.INCONCLUSIVE,
)  # fmt: skip
_FAILS = (PictureStatus.DEGRADED, PictureStatus.BROKEN, Status.REGRESSED)
_FAMILIES = {
    "operators": ("operators", "count"),
    "flop": ("FLOPs", "FLOP"),
    "weights_bytes": ("weights", "bytes"),
    "kernels": ("kernels", "count"),
}
"""Fields of `perfsuite.records.Counts` as metrics are named, with their units."""
_GENERATED = ("cpp_", "triton_")
"""How names of kernels begin that the compiler makes up of what it fused."""


@dataclass(frozen=True)
class Figure:
    """One figure of one variant in one run."""

    metric: str
    unit: str
    value: float | None
    """None where it is not finite."""
    error: float | None = None
    """Standard error of its logarithm."""
    samples: int = 1
    excluded: str = ""
    kind: SeriesKind = SeriesKind.NOISY
    higher_is_better: bool = False

    def checked(self) -> Figure:
        """Without weight where the value cannot have any."""
        if self.value is None or not math.isfinite(self.value):
            return replace(self, value=None, error=None, excluded=NOT_FINITE)
        figure = self
        if self.error is not None and not math.isfinite(self.error):
            figure = replace(self, error=None)
        if self.kind is SeriesKind.NOISY and self.value <= 0 and not self.excluded:
            figure = replace(figure, excluded=NOT_POSITIVE)
        return figure


@dataclass(frozen=True)
class Family:
    """All counts of one kind of one variant in one run; what is not in it is 0."""

    name: str
    unit: str
    counts: Mapping[str, int]
    """By the metric's name: ``operators: aten.clone in BasicTransformerBlock``."""


def figures(result: Result, device_kind: str) -> list[Figure]:
    """Everything of one result but its counts, each metric once."""
    found = [*_of_sessions(result, device_kind), *_left_behind(result), *_of_gates(result)]
    found += _once_more(result)
    found += _sizes(result.counts)
    if result.quality is not None:
        found += _of_quality(result.quality)
    return list({figure.metric: figure.checked() for figure in found}.values())


def families(result: Result) -> list[Family]:
    """The counts of one result, by what is counted; what this run could not count is left out."""
    found = []
    for field, (name, unit) in _FAMILIES.items():
        counts = getattr(result.counts, field, None)
        if counts is not None:
            told = _told(counts) if field == "kernels" else counts
            found.append(Family(name, unit, {f"{name}: {what}": number for what, number in told.items()}))
    return found


def family_of(metric: str) -> str | None:
    """The kind of count that a metric is of; None where it is none."""
    family = metric.partition(": ")[0]
    return family if family in {name for name, _ in _FAMILIES.values()} else None


def _told(kernels: Mapping[str, int]) -> dict[str, int]:
    """Generated kernels as one number: another torch names them anew each time, which is no news."""
    generated = {name for name in kernels if name.startswith(_GENERATED)}
    told = {name: calls for name, calls in kernels.items() if name not in generated}
    return told | ({"calls of generated ones": sum(kernels[name] for name in generated)} if generated else {})


def _sizes(counts: Counts | None) -> Iterator[Figure]:
    """Noisy, though counted: any torch makes them a little different, and only a step is worth an A/B."""
    if counts is None:
        return
    if counts.code_bytes:
        yield Figure("generated code", "bytes", sum(counts.code_bytes.values()))
    for stage, size in (counts.peak_bytes or {}).items():
        yield Figure(f"peak of allocations: {stage}", "bytes", size)


# -- times -------------------------------------------------------------------------------------------


def _of_sessions(result: Result, device_kind: str) -> Iterator[Figure]:
    """Of the session; of repeats each metric once, over all of them."""
    sessions = [result.session, *result.repeats] if result.session is not None else []
    found: dict[str, list[Figure]] = {}
    for session in sessions:
        for figure in _of_session(session, device_kind):
            found.setdefault(figure.metric, []).append(figure.checked())
    yield from (_together(same) for same in found.values())


def _together(same: Sequence[Figure]) -> Figure:
    """The geometric mean of those with weight, with the error that their own spread or theirs alone gives."""
    having = [figure for figure in same if not figure.excluded]
    if len(having) < 2:
        return having[0] if having else same[0]
    logs = [math.log(figure.value) for figure in having if figure.value is not None]
    errors = [figure.error for figure in having if figure.error is not None]
    within = math.hypot(*errors) / len(errors) if errors else 0.0
    return replace(
        having[0],
        value=math.exp(fmean(logs)),
        error=max(stdev(logs) / math.sqrt(len(logs)), within),
        samples=sum(figure.samples for figure in having),
    )


def _of_session(session: Session, device_kind: str) -> Iterator[Figure]:
    unfit = session.unfit or ("" if session.warmup_steady else NOT_STEADY)
    times = [_latency(session), *_relative(session, device_kind)]
    if session.stages is not None:
        times += _stages(session.stages, device_kind)
    yield from (replace(figure, excluded=figure.excluded or unfit) for figure in times)
    yield from (_amount(amount) for amount in starts(session))
    yield from (_amount(amount) for amount in memories(session, device_kind))


def _latency(session: Session) -> Figure:
    """What the code costs when little disturbs it: the low quantile by which sessions are compared."""
    if not _usable(session.latency_s):
        return Figure("latency", "s", None)
    found = summarize(session.latency_s, "latency")
    error = None
    if found.spread is not None:
        error = found.spread * math.sqrt(_QUANTILE_VARIANCE / found.samples)
    return Figure("latency", "s", math.exp(found.low), error, found.samples)


def _relative(session: Session, device_kind: str) -> Iterator[Figure]:
    """In units of each reference that it was measured in turns with."""
    if session.relative is None:
        return
    for reference in dict.fromkeys((session.relative.reference, FIXED_WORK)):
        samples = samples_of(session, reference)
        if samples:
            yield _estimated(_relative_name(reference), "ratio", samples, device_kind)


def _relative_name(reference: str) -> str:
    return {_REFERENCE: "relative latency", FIXED_WORK: "latency in fixed work"}.get(
        reference, f"latency relative to {reference}"
    )


def _stages(stages: Stages, device_kind: str) -> Iterator[Figure]:
    """Of one instrumented call; a step is the trimmed mean of its steps."""
    if stages.steps_s:
        yield _estimated("stage: step", "s", stages.steps_s, device_kind)
    yield Figure("stage: text encoders", "s", stages.text_encoders_s)
    yield Figure("stage: VAE", "s", stages.vae_s)
    yield Figure("stage: other", "s", stages.other_s)


def _estimated(metric: str, unit: str, samples: Sequence[float], device_kind: str) -> Figure:
    if not _usable(samples):
        return Figure(metric, unit, None)
    found = estimate(samples, DecisionSettings.for_device(f"{device_kind}-relative"), metric)
    return Figure(metric, unit, math.exp(found.value), found.error, len(samples))


def _usable(samples: Sequence[float]) -> bool:
    return all(0 < sample < math.inf for sample in samples)


def _amount(amount: Amount) -> Figure:
    """Memory or a part of the start. The first pipeline of a process pays for what libraries set up once."""
    first = amount.first and amount.name != "import"
    name = f"{amount.name}, first in its process" if first else amount.name
    return Figure(name, amount.unit, amount.value, excluded=BUSY if amount.contended else "")


# -- memory, pictures, gates -------------------------------------------------------------------------


def _left_behind(result: Result) -> Iterator[Figure]:
    """Growth, and what a released pipeline leaves; the latter is noted only where it is something."""
    named = {quantity.name: quantity for quantity in result.memory}
    for name, quantity in named.items():
        if name.endswith("growth"):
            yield Figure(name, quantity.unit, quantity.value, excluded=OWN_GATE)
            yield from _gate(name, quantity.verdict.status)
    if named:
        left = named.get("left behind")
        value = left.value if left is not None else 0.0
        yield Figure("left behind", "bytes", value, kind=SeriesKind.EXACT)


def _once_more(result: Result) -> Iterator[Figure]:
    """Graphs that a later process compiles although an earlier one did, where that is known."""
    for quantity in result.start:
        if quantity.name == ONCE_MORE and quantity.verdict.status is not Status.INCONCLUSIVE:
            yield Figure(ONCE_MORE, quantity.unit, quantity.value, kind=SeriesKind.EXACT)


def _of_quality(quality: Quality) -> Iterator[Figure]:
    if quality.scores:
        yield Figure("SSIM", "ratio", quality.ssim, samples=len(quality.scores), higher_is_better=True)
    for look in quality.looks:
        if look.worst is not None:
            yield Figure(f"worst error: {look.name}", "budgets", look.worst.ratio, samples=max(1, look.count))
        yield from _gate(look.name, look.status)


def _of_gates(result: Result) -> Iterator[Figure]:
    if result.quality is not None:
        yield from _gate("quality", result.quality.status)
    if result.counted is not None:
        yield from _gate("counts", result.counted.status)


def _gate(name: str, status: Status | PictureStatus) -> Iterator[Figure]:
    """1 where it passes, 0 where it fails; nothing where it could not judge."""
    if status in (*_PASSES, *_FAILS):
        passes = float(status in _PASSES)
        yield Figure(f"gate: {name}", "passes", passes, kind=SeriesKind.EXACT, higher_is_better=True)
