"""A run in one sentence: what moved, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.records import PictureStatus, Status
from perfsuite.report import format as show
from perfsuite.report.figures import amounts, complaints, rose, unjudged, unjudged_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Result, Verdict

_WRONG = (PictureStatus.DEGRADED, PictureStatus.BROKEN)


@dataclass(frozen=True)
class Headline:
    """The sentence, what it rests on, and how grave it is."""

    verdict: str
    sure: str
    """How sure, in a sentence or two; empty where there is nothing to say."""
    tone: str
    """``bad``, ``good``, ``fine``, ``unsure`` or ``plain``."""


def headline(results: Sequence[Result], *, recorded: int = 0) -> Headline:
    """The verdict on all results of one or more runs, so many of which are part of a baseline themselves."""
    if not results:
        return Headline("This run has no results.", "", "plain")
    slower = _of(results, Status.REGRESSED)
    wrong = [r for r in results if wrong_looks(r)]
    dearer = [r for r in results if amounts(r)]
    more = [r for r in results if rose(r)]
    missed = [r for r in results if unjudged(r)]
    if missed and not (slower or more or dearer or wrong):
        return Headline(_missed(missed, results), "", "bad")
    if slower or more or dearer or wrong:
        parts = [_slower(slower, results)] if slower else []
        parts += [_more(more, results)] if more else []
        parts += [_dearer(dearer, results)] if dearer else []
        parts += [_wrong(wrong, results)] if wrong else []
        parts += [_missed(missed, results).removesuffix(".")] if missed else []
        return Headline(f"{_capital('; '.join(parts))}.", _sure_of(slower), "bad")
    return _unfailing(results, recorded)


def wrong_looks(result: Result) -> list[str]:
    """Names of the looks at pictures and numbers that fail."""
    return [name for name, status, _ in complaints(result) if status in _WRONG]


def _of(results: Sequence[Result], *statuses: Status) -> list[Result]:
    return [r for r in results if r.verdict is not None and r.verdict.status in statuses]


def _count(some: Sequence[Result], results: Sequence[Result]) -> str:
    if len(some) == len(results):
        return "the one variant" if len(some) == 1 else f"all {len(some)} variants"
    return f"{len(some)} of {len(results)} variants"


def _slower(slower: Sequence[Result], results: Sequence[Result]) -> str:
    most = max(slower, key=lambda r: (r.verdict and r.verdict.ratio) or 0.0)
    moved = show.change(most.verdict.ratio if most.verdict else None)
    if len(slower) == 1:
        return f"{most.variant} is slower than its baseline ({moved})"
    return f"{_count(slower, results)} are slower than their baselines, {most.variant} the most ({moved})"


def _more(more: Sequence[Result], results: Sequence[Result]) -> str:
    if len(more) == 1:
        return f"{more[0].variant} does more than its stored counts say"
    return f"{_count(more, results)} do more than their stored counts say"


def _dearer(dearer: Sequence[Result], results: Sequence[Result]) -> str:
    if len(dearer) == 1:
        names = ", ".join(q.name for q in amounts(dearer[0]))
        return f"{dearer[0].variant} takes more memory or longer to start ({names})"
    return f"{_count(dearer, results)} take more memory or longer to start"


def _wrong(wrong: Sequence[Result], results: Sequence[Result]) -> str:
    if len(wrong) == 1:
        return f"{wrong[0].variant} draws too far from float32 ({', '.join(wrong_looks(wrong[0]))})"
    return f"{_count(wrong, results)} draw too far from float32"


def _missed(missed: Sequence[Result], results: Sequence[Result]) -> str:
    statuses = ", ".join(dict.fromkeys(status for r in missed for status in unjudged_as(r)))
    if len(missed) == len(results):
        return f"Nothing was judged: {statuses}."
    return _capital(f"{_count(missed, results)} were compared with nothing: {statuses}.")


def _sure_of(slower: Sequence[Result]) -> str:
    verdict = max((r.verdict for r in slower if r.verdict), key=lambda v: v.ratio or 0.0, default=None)
    if verdict is None or verdict.interval is None:
        return ""
    again = verdict.candidate_sessions
    fresh = f", measured again in {again} fresh processes" if again > 1 else ""
    against = f"against {sessions(verdict.baseline_sessions)} of the baseline"
    return f"{interval(verdict)}{basis(verdict)}, {against}{fresh}."


def interval(verdict: Verdict) -> str:
    """``95 % interval +1.2 to +3.4 %``, or an empty text."""
    if verdict.interval is None:
        return ""
    low, high = ((bound - 1.0) * 100.0 for bound in verdict.interval)
    coverage = f"{verdict.confidence * 100:.3g} % " if verdict.confidence is not None else ""
    return f"{coverage}interval {low:+.1f} to {high:+.1f} %"


def basis(verdict: Verdict) -> str:
    """What was compared, where it was not seconds: ``, relative to fp32``."""
    return "" if verdict.basis == "seconds" else f", {verdict.basis}"


def sessions(count: int) -> str:
    """``1 session``, ``3 sessions``."""
    return f"{count} session{'' if count == 1 else 's'}"


def _unfailing(results: Sequence[Result], recorded: int) -> Headline:
    timed = [r for r in results if r.verdict is not None]
    pictures = _pictures(results)
    if not timed:
        if not any(r.quality is not None for r in results):
            return Headline("Nothing was measured: no variant was timed, and none drawn.", "", "plain")
        return Headline(f"Nothing was timed; {pictures}.", "", "fine")
    faster, fine = _of(results, Status.IMPROVED), _of(results, Status.OK)
    unsure = _of(results, Status.INCONCLUSIVE)
    if faster:
        said = f"{_count(faster, timed)} got faster than the baseline, none slower"
        return Headline(f"{_capital(said)}; {pictures}.", _unseen(timed), "good")
    if unsure:
        said = f"No slowdown was found, but for {_count(unsure, timed)} it is too noisy or too early to tell"
        return Headline(f"{said}; {pictures}.", _unseen(timed), "unsure")
    if fine:
        added = f", {len(timed) - len(fine)} are new" if len(fine) < len(timed) else ""
        said = f"Nothing moved: {_count(fine, timed)} within tolerance of the baseline{added}"
        return Headline(f"{said}; {pictures}.", _unseen(timed), "fine")
    return Headline(
        f"A first measurement: {_count(timed, timed)} without a baseline; {pictures}.",
        "It is the baseline of later runs."
        if recorded >= len(timed)
        else "Later runs can be compared once a baseline is recorded.",
        "plain",
    )


def _pictures(results: Sequence[Result]) -> str:
    judged = [r for r in results if r.quality is not None and r.quality.status is PictureStatus.OK]
    seen = [r for r in results if r.quality is not None]
    if not seen:
        return "pictures were not looked at"
    if len(judged) == len(results):
        return "pictures and numbers are as near to float32 as they must be"
    return f"pictures and numbers are as near to float32 as they must be in {_count(judged, results)}"


def _unseen(results: Sequence[Result]) -> str:
    """What slowdown would have stayed hidden."""
    known = [
        (r.verdict.minimum_detectable_effect, r)
        for r in results
        if r.verdict is not None and r.verdict.minimum_detectable_effect is not None
    ]
    if not known:
        return ""
    effects = [effect for effect, _ in known]
    most = max(known, key=lambda pair: pair[0])
    if len(known) == 1:
        return f"A slowdown below {most[0] * 100:.1f} % could have stayed unseen."
    return (
        f"Slowdowns below {min(effects) * 100:.1f} to {most[0] * 100:.1f} % could have stayed unseen, "
        f"depending on the variant (most: {most[1].variant})."
    )


def _capital(text: str) -> str:
    """Only where it begins with a word, not with a variant's name."""
    return text[:1].upper() + text[1:] if text.startswith("all ") or text.startswith("the ") else text
