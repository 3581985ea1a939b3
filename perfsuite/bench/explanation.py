"""Why is one side slower than the other? What differs between two files, from likely causes to effects.

Versions, settings and counts differ or do not: they are causes that a file can hold, and none has a share of
the time in itself. Stages and kernels have times, so they have shares; whether a share means anything depends
on how much processes of the same code differ, which the verdict on the latencies knows.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from perfsuite import decision
from perfsuite.decision.basis import BUSY_CORES, bases
from perfsuite.measuring.profiling import OTHERS
from perfsuite.pipelines import loaded
from perfsuite.records import Entry, Hot, Status, Verdict
from perfsuite.structure.comparing import compare

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from perfsuite.records import CountVerdict, Session
    from perfsuite.store import Evidence, Side

STAGES = ("text encoders", "UNet steps", "VAE", "other")


class NothingToExplainError(ValueError):
    """Two files that hold nothing which could be compared; the message says what each holds."""


@dataclass(frozen=True)
class Moved:
    """A version, a setting or a property of the machine that is not the same on both sides."""

    kind: str
    """``environment``, ``version``, ``setting``, ``device`` or ``condition``."""
    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Share:
    """A part of the call whose time is known on both sides."""

    name: str
    before_s: float
    after_s: float
    of_change: float | None
    """Its difference over the difference of all parts, a fraction; None where that is nothing."""
    beyond_noise: bool | None
    """Whether it moved by more than processes of the same code do; None where that is not known."""
    calls: tuple[int, int] | None = None
    """Of a kernel or operator."""

    @property
    def difference_s(self) -> float:
        """Above 0: slower."""
        return self.after_s - self.before_s


@dataclass(frozen=True)
class Explanation:
    """What differs of one variant, in the order in which it should be read."""

    workload: str
    variant: str
    verdict: Verdict | None
    """On the latencies; None where a side has none."""
    before_s: float | None
    """Median latency."""
    after_s: float | None
    noise: float | None
    """By how much processes of the same code may differ here, as a factor less one; None without verdict."""
    moved: tuple[Moved, ...]
    counts: CountVerdict | None
    stages: tuple[Share, ...]
    kernels: tuple[Share, ...]
    missing: Mapping[str, str]
    """Part of the explanation to the reason why there is none."""

    @property
    def significant(self) -> bool:
        """Whether the latencies differ for certain."""
        return self.verdict is not None and self.verdict.status in (Status.REGRESSED, Status.IMPROVED)


def choose(before: Side, after: Side, workload: str | None, variant: str | None) -> list[str]:
    """Keys of the variants that both sides hold, restricted to those asked for.

    Raises:
        NothingToExplainError: there is none.
    """

    def wanted(side: Side) -> list[str]:
        return [
            key
            for key, e in side.evidence.items()
            if workload in (None, e.workload) and variant in (None, e.variant)
        ]

    both = [key for key in wanted(before) if key in wanted(after)]
    if both:
        return both
    asked = "/".join(name or "*" for name in (workload, variant)) if workload or variant else "any variant"
    held = "; ".join(f"{side.path} holds {', '.join(side.evidence)}" for side in (before, after))
    raise NothingToExplainError(f"the two files do not both hold {asked}: {held}")


def uncompared(
    before: Side,
    after: Side,
    refused: Collection[str],
    asked: tuple[str | None, str | None],
    accepted: Collection[str] = (),
) -> list[str]:
    """Keys that the side before holds and that were not compared, though nobody left them out.

    Args:
        before: one side.
        after: the other.
        refused: keys of both sides that cannot be compared.
        asked: workload and variant, None for all.
        accepted: keys that need not be compared; ``all`` of them.

    Raises:
        NothingToExplainError: one that is accepted is on the side before under no such name.
    """
    for key in accepted:
        if key != "all" and key not in before.evidence:
            raise NothingToExplainError(f"--accept={key}: {before.path} holds {', '.join(before.evidence)}")
    workload, variant = asked
    return [
        key
        for key, e in before.evidence.items()
        if workload in (None, e.workload) and variant in (None, e.variant)
        if (key not in after.evidence or key in refused) and not {key, "all"} & set(accepted)
    ]


def explain(before: Side, after: Side, key: str) -> Explanation:
    """What differs of the variant `key` (``<workload>/<variant>``), which both sides hold.

    Raises:
        NothingToExplainError: the two were measured with different protocols.
    """
    one, two = before.evidence[key], after.evidence[key]
    if one.protocol != two.protocol:
        differs = loaded.moved_files(one.protocol, two.protocol) or f"{one.protocol!r} and {two.protocol!r}"
        raise NothingToExplainError(
            f"{key}: measured with different protocols, which no times or counts are comparable of: {differs}"
        )
    missing: dict[str, str] = {}
    verdict, in_seconds = _verdicts(before, after, key, missing)
    noise = _noise(in_seconds)
    counts = None
    if one.counts is None or two.counts is None:
        missing["counts"] = f"not in {_which(one.counts, two.counts, before, after)}"
    else:
        counts = compare(one.counts, two.counts)
    return Explanation(
        workload=one.workload,
        variant=one.variant,
        verdict=verdict,
        before_s=_median_s(one.sessions),
        after_s=_median_s(two.sessions),
        noise=noise,
        moved=tuple(_moved(before, after, one, two)),
        counts=counts,
        stages=tuple(_stages(one, two, before, after, noise, missing)),
        kernels=tuple(_kernels(one, two, before, after, missing)),
        missing=missing,
    )


def _which(one: object, two: object, before: Side, after: Side) -> str:
    """The path of what is missing, or both."""
    lacking = [str(side.path) for each, side in ((one, before), (two, after)) if not each]
    return " and ".join(lacking)


def _same_device(before: Side, after: Side) -> bool:
    """By name: another power limit or number of threads is a setting, which may be what is looked for."""
    return (before.device.kind, before.device.name) == (after.device.kind, after.device.name)


def _median_s(sessions: Sequence[Session]) -> float | None:
    return statistics.median(statistics.median(s.latency_s) for s in sessions) if sessions else None


def _verdicts(
    before: Side, after: Side, key: str, missing: dict[str, str]
) -> tuple[Verdict | None, Verdict | None]:
    """The gate's own rule on the sessions of both sides: by the basis that can find the smaller slowdown,
    and in seconds, which is what stages are measured in.
    """
    one, two = before.evidence[key], after.evidence[key]
    if not one.sessions or not two.sessions:
        missing["latency"] = f"not in {_which(one.sessions, two.sessions, before, after)}"
        return None, None
    if not _same_device(before, after):
        other = decision.incompatible(
            f"another device, {before.device.name} before and {after.device.name} after: times of two "
            "devices say nothing about the code",
            len(one.sessions),
        )
        return other, None
    entry = Entry(one.workload, one.variant, one.protocol, one.sessions)
    found = []
    for basis in bases(entry, two.sessions[-1], before.device.kind):
        if all(basis.has(s) for s in two.sessions):
            found.append(basis.compare(two.sessions))
    in_seconds = found[0]
    found.sort(key=lambda v: (v.status is not Status.REGRESSED, v.minimum_detectable_effect or 0.0))
    return found[0], in_seconds


def _noise(verdict: Verdict | None) -> float | None:
    """Half of the interval of the ratio, as a factor less one."""
    if verdict is None or verdict.interval is None:
        return None
    low, high = verdict.interval
    return math.sqrt(high / low) - 1 if low > 0 else None


def _moved(before: Side, after: Side, one: Evidence, two: Evidence) -> Iterable[Moved]:
    yield from _differences("device", before.device.details, after.device.details)
    if before.device.name != after.device.name:
        yield Moved("device", "name", before.device.name, after.device.name)
    if not one.sessions or not two.sessions:
        if one.counts is not None and two.counts is not None:
            yield from _differences("version", one.counts.versions, two.counts.versions)
        return
    last, new = one.sessions[-1], two.sessions[-1]
    yield from _differences("version", last.versions, new.versions)
    if last.commit != new.commit:
        yield Moved("version", "commit", last.commit or "none", new.commit or "none")
    if last.environment and new.environment:
        yield from _differences("environment", last.environment, new.environment)
    if last.settings and new.settings:
        yield from _differences("setting", last.settings, new.settings)
    yield from _differences("condition", *(_load(s) for s in (last, new)))
    if not (last.settings and new.settings):  # an older file knows the number of threads alone
        threads = [{"threads": str(s.conditions.get("threads", "unknown"))} for s in (last, new)]
        yield from _differences("condition", *threads)


def _load(session: Session) -> dict[str, str]:
    """What the machine did beside, where it was much: cores that others kept busy, a GPU's clock."""
    busy, clock = (session.conditions.get(name) for name in ("other_cores_busy", "sm_clock_mhz_median"))
    found = {}
    if isinstance(busy, float) and busy > BUSY_CORES:
        found["cores kept busy by others"] = f"{busy:.1f}"
    if isinstance(clock, float):
        found["clock of the GPU, MHz"] = f"{round(clock, -1):.0f}"
    return found


def _differences(kind: str, one: Mapping[str, str], two: Mapping[str, str]) -> Iterable[Moved]:
    for name in sorted({*one, *two}):
        if one.get(name) != two.get(name):
            yield Moved(kind, name, one.get(name, "not set"), two.get(name, "not set"))


def _stages(
    one: Evidence, two: Evidence, before: Side, after: Side, noise: float | None, missing: dict[str, str]
) -> list[Share]:
    """Seconds of each stage, the middle of each side's sessions."""
    times = [_stage_times(each.sessions) for each in (one, two)]
    if not all(times):
        missing["stages"] = f"not in {_which(times[0], times[1], before, after)}"
        return []
    if not _same_device(before, after):
        missing["stages"] = "of two devices: not compared"
        return []
    return _shares(times[0], times[1], noise)


def _stage_times(sessions: Sequence[Session]) -> dict[str, float]:
    split = [s.stages for s in sessions if s.stages is not None]
    if not split:
        return {}
    parts = [(s.text_encoders_s, sum(s.steps_s), s.vae_s, s.other_s) for s in split]
    return {
        name: statistics.median(column) for name, column in zip(STAGES, zip(*parts, strict=True), strict=True)
    }


def _shares(one: Mapping[str, float], two: Mapping[str, float], noise: float | None) -> list[Share]:
    """Both sides' seconds of each part, and its share of the difference of their sums."""
    total = sum(two.values()) - sum(one.values())
    found = []
    for name in dict.fromkeys([*one, *two]):
        then, now = one.get(name, 0.0), two.get(name, 0.0)
        beyond = None if noise is None else _apart(then, now) > math.log1p(noise)
        found.append(Share(name, then, now, (now - then) / total if total else None, beyond))
    return found


def _apart(one: float, two: float) -> float:
    """How far two times are from each other, as the logarithm of their ratio."""
    if one <= 0 or two <= 0:
        return math.inf if one != two else 0.0
    return abs(math.log(two / one))


def _folded(table: Mapping[str, Hot], other: Mapping[str, Hot]) -> Mapping[str, Hot]:
    """One side's table, with names that the other side may have cut off among all others."""
    if OTHERS not in other:
        return table
    kept = {name: hot for name, hot in table.items() if name in other}
    cut = [hot for name, hot in table.items() if name not in other or name == OTHERS]
    return {**kept, OTHERS: Hot(sum(h.calls for h in cut), sum(h.self_s for h in cut))}


def _kernels(one: Evidence, two: Evidence, before: Side, after: Side, missing: dict[str, str]) -> list[Share]:
    """Own time of each profiled operator or kernel, the largest differences first."""
    tables = [each.sessions[-1].hot if each.sessions else {} for each in (one, two)]
    if not all(tables):
        missing["kernels"] = f"not profiled in {_which(tables[0], tables[1], before, after)}"
        return []
    if not _same_device(before, after):
        missing["kernels"] = "of two devices: not compared"
        return []
    tables = [_folded(tables[0], tables[1]), _folded(tables[1], tables[0])]
    none = Hot(0, 0.0)
    times = [{name: h.self_s for name, h in table.items()} for table in tables]
    found = [
        replace(share, calls=(tables[0].get(share.name, none).calls, tables[1].get(share.name, none).calls))
        for share in _shares(times[0], times[1], None)
    ]
    return sorted(found, key=lambda s: -abs(s.difference_s))
