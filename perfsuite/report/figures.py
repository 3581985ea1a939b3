"""What is shown of a result, read from its record once for terminal, Markdown and exports."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from perfsuite.pipelines import variants
from perfsuite.pipelines.promises import ContradictionError
from perfsuite.pipelines.registering import RegistrationError
from perfsuite.records import UNJUDGED, PictureStatus, Status
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Quantity, Result

BAD = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
"""Statuses of pictures and looks that are wrong."""
FAILS = (*BAD, PictureStatus.INCOMPATIBLE)
"""Those that fail a test."""
_RANK = {Status.REGRESSED: 0, Status.LESS_JUDGED: 1, Status.NOT_JUDGED: 1, Status.INCOMPATIBLE: 2,
         Status.IMPROVED: 3, Status.INCONCLUSIVE: 4, Status.NEW: 5, Status.OK: 6}  # fmt: skip


def median_s(result: Result | None) -> float | None:
    """The median latency in seconds, None where nothing was timed."""
    if result is None or result.session is None:
        return None
    return statistics.median(result.session.latency_s)


def speedup(result: Result, results: Sequence[Result]) -> float | None:
    """Float32's median over this one's, both of `results`, which are of one device."""
    own = median_s(result)
    base = median_s(
        next(
            (r for r in results if (r.workload, r.variant) == (result.workload, variants.REFERENCE.name)),
            None,
        )
    )
    return None if own is None or base is None else base / own


def complaints(result: Result) -> list[tuple[str, PictureStatus, str]]:
    """Name, status and detail of each look that is not OK; of the pictures where only those were taken."""
    found, timed = result.quality, result.timed
    said = []
    if timed is not None and timed.status in BAD:
        said.append(("timed picture", timed.status, f"{timed.prompt!r}: {timed.detail}"))
    fine = (PictureStatus.OK, PictureStatus.NOT_JUDGED)
    if found is None or (not found.looks and found.status is PictureStatus.OK):
        return said
    if found.looks:
        # What a person looks for, pictures and what they show: that they were not judged is said.
        return said + [
            (k.name, k.status, k.detail)
            for k in found.looks
            if k.status not in fine or (k.name in ("pictures", "task") and k.status is not PictureStatus.OK)
        ]
    worst = next((s for s in found.scores if s.status is found.status), None)
    return [*said, ("pictures", found.status, f"{worst.prompt!r}: {worst.detail}" if worst else "")]


def wrong(result: Result) -> list[tuple[str, PictureStatus, str]]:
    """Those complaints that fail a test."""
    return [c for c in complaints(result) if c[1] in FAILS]


def amounts(result: Result) -> list[Quantity]:
    """Figures of memory and start that got worse."""
    return [q for q in (*result.memory, *result.start) if q.verdict.status is Status.REGRESSED]


def rose(result: Result) -> bool:
    """Whether something counted is more than what is stored."""
    return result.counted is not None and result.counted.status is Status.REGRESSED


def verdict_words(result: Result) -> str:
    """``OK, pictures DEGRADED``: of latency and of each look that complains; a dash for neither."""
    words = [result.verdict.status.value] if result.verdict is not None else []
    words += [f"{q.name} {q.verdict.status.value}" for q in amounts(result)]
    words += [f"{name} {status.value}" for name, status, _ in complaints(result)]
    return ", ".join(words) or show.DASH


def worse(result: Result) -> bool:
    """Whether it is slower, does more, takes more memory or longer to start, or what it draws is wrong."""
    slower = result.verdict is not None and result.verdict.status is Status.REGRESSED
    return slower or rose(result) or bool(amounts(result)) or any(c[1] in BAD for c in complaints(result))


def unjudged(result: Result) -> bool:
    """Whether it was compared with nothing, though it was to be or has a baseline."""
    return bool(unjudged_as(result))


def unjudged_as(result: Result) -> list[str]:
    """The statuses that say so: of the latency, and of pictures."""
    verdict = result.verdict
    found = [verdict.status.value] if verdict and verdict.status in (Status.INCOMPATIBLE, *UNJUDGED) else []
    return found + [c[1].value for c in complaints(result) if c[1] is PictureStatus.INCOMPATIBLE]


def least_ssim(result: Result) -> float | None:
    """Over the prompts, and the picture of the last timed call; None if any is broken, or none was drawn."""
    if result.quality is not None and result.quality.ssim is None:
        return None
    if result.timed is not None and result.timed.status is PictureStatus.BROKEN:
        return None
    values = [result.quality.ssim] if result.quality is not None else []
    if result.timed is not None:
        values.append(result.timed.ssim)
    return min((v for v in values if v is not None), default=None)


def is_empty(result: Result) -> bool:
    """Whether its pipeline was built and nothing came of it: an interrupted run, or a test that failed
    before its first figure."""
    return result.session is None and result.quality is None and result.timed is None


def is_blank(result: Result) -> bool:
    """Whether there is neither a figure nor a word on why there is none."""
    return is_empty(result) and not unjudged(result) and not amounts(result)


def gravest_first(results: Sequence[Result]) -> list[Result]:
    """What is worse, then what a person should act on, then the rest, each as it came; slowest first."""

    def key(result: Result) -> tuple[int, float]:
        verdict = result.verdict
        if worse(result):
            return 0, -(verdict.ratio or 1.0) if verdict else 0.0
        if is_blank(result):
            return 1, 0.0
        return (_RANK[verdict.status] if verdict else 7), 0.0

    return sorted(results, key=key)


def precision(name: str) -> str | None:
    """``fp32``, ``bf16`` and so on of a variant by its name; None for one that this version does not know."""
    try:
        return variants.get(name).precision
    except (variants.UnknownNameError, ContradictionError, RegistrationError):
        return None


def is_compiled(name: str) -> bool | None:
    """Whether any of a variant's code is compiled; None for one that this version does not know."""
    try:
        return variants.get(name).compiled
    except (variants.UnknownNameError, ContradictionError, RegistrationError):
        return None
