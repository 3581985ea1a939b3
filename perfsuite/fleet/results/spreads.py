"""What the GPUs of one model differed by in a plan, where variants were measured on several of them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

from perfsuite.decision import DecisionSettings
from perfsuite.decision.gpus import by_gpu, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.fleet.results.merging import Merged
    from perfsuite.records import Result, Session


@dataclass(frozen=True)
class Shift:
    """One GPU against all of its model that measured the same variants."""

    gpu: str
    ratio: float
    """Of its latency to theirs; above 1 is slower."""
    sessions: int
    """That it rests on, over all variants."""


@dataclass(frozen=True)
class GpuSpread:
    """The GPUs of one environment and kind of device."""

    environment: str
    device: str
    """Name of the class."""
    name: str
    """Of the device, as the system reports it."""
    gpus: tuple[Shift, ...]
    """The slowest first; none where no variant was measured on several."""
    known: int
    """GPUs that measured anything."""
    sd: float
    """Standard deviation of the log latency between GPUs, with what is believed."""
    kind: str = ""
    """What tells them from others of the class; empty where all are alike."""


def gpu_spread(merged: Merged) -> GpuSpread | None:
    """What is known of the GPUs of one run; None on a CPU."""
    known = {s.gpu for result in merged.run.results for s in _sessions(result) if s.gpu}
    if not known:
        return None
    settings = DecisionSettings.for_device(merged.run.device.kind)
    away = _away([side for result in merged.run.results if len(side := _side(result)) > 1])
    found = spread([away], settings.prior_sd**2, settings)
    return GpuSpread(
        merged.environment, merged.device, merged.run.device.name, tuple(_shifts(away)), len(known), found.sd
    )


def _sessions(result: Result) -> list[Session]:
    first = [result.session] if result.session is not None else []
    return [s for s in (*first, *result.repeats) if not s.unfit]


def _side(result: Result) -> dict[str, list[float]]:
    """Log latencies of a variant by GPU."""
    sessions = [s for s in _sessions(result) if s.gpu]
    return by_gpu([s.gpu for s in sessions], [math.log(median(s.latency_s)) for s in sessions])


def _away(sides: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """How far each session is from the middle of its variant's GPUs, by GPU: one is slow in all variants."""
    found: dict[str, list[float]] = defaultdict(list)
    for side in sides:
        middle = fmean(fmean(values) for values in side.values())
        for gpu, values in side.items():
            found[gpu] += [value - middle for value in values]
    return found


def _shifts(away: dict[str, list[float]]) -> list[Shift]:
    found = [Shift(gpu, math.exp(fmean(own)), len(own)) for gpu, own in away.items()]
    return sorted(found, key=lambda shift: (-shift.ratio, shift.gpu))
