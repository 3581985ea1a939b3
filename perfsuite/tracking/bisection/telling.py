"""A bisection as text, for a person: each step, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.tracking.bisection.links import compare_link
from perfsuite.tracking.bisection.search import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.tracking.bisection.journal import Question, Step
    from perfsuite.tracking.bisection.running import Named, Outcome
    from perfsuite.tracking.bisection.search import Reply


def asked(question: Question) -> str:
    """What is asked, in a line."""
    return (
        f"Which change between {question.good} and {question.bad} moved {question.metric} of "
        f"{question.workload}/{question.variant} on {question.device}?"
    )


def step(each: Step) -> str:
    """One comparison, in a line."""
    number = f"{each.number:>3}."
    again = f" (again, {each.effort + 1})" if each.effort else ""
    what = f"{number} {each.base} -> {each.head}{again}: {each.answer}"
    said = f"{what}{_figures(each.ratio, each.interval)}, {each.cost_s:.0f} s"
    # An interval says all that the detail of an A/B does; a count and a failure say more.
    return said if each.interval is not None or not each.detail else f"{said}: {each.detail}"


def _figures(ratio: float | None, interval: tuple[float, float] | None) -> str:
    if ratio is None:
        return ""
    text = f" {(ratio - 1) * 100:+.1f} %"
    if interval is not None:
        text += f" ({(interval[0] - 1) * 100:+.1f} to {(interval[1] - 1) * 100:+.1f} %)"
    return text


def outcome(found: Outcome, links: Callable[[str], Sequence[str]] = lambda package: ()) -> list[str]:
    """What came of it, in lines; `links` are those of a package's metadata."""
    lines = [_whole(found.whole)]
    if found.carriers is not None:
        lines.append(f"Package: {found.carriers.why}.")
    for named in found.named:
        lines += _culprit(named, links)
    for left in found.unsettled:
        more = "It may hold another one" if left.doubtful else "It lies here"
        lines.append(f"Not settled: {left.good.last_label} to {left.bad.label}: {left.reason}. {more}.")
    for label, reason in found.broken:
        lines.append(f"Passed over: {label}: {reason.splitlines()[0]}")
    if found.out_of_time:
        lines.append("The time ran out; --resume goes on from here.")
    return lines


def _whole(reply: Reply | None) -> str:
    if reply is None:
        return "Good and bad have not been compared yet."
    figures = _figures(reply.ratio, reply.interval)
    if reply.answer is Answer.REGRESSED:
        return f"Good and bad differ:{figures or ' ' + reply.detail}."
    if reply.answer is Answer.OK:
        return f"Good and bad do not differ here{figures and ':' + figures}: there is nothing to search for."
    return (
        f"Whether good and bad differ cannot be told{figures and ':' + figures}: it takes more --time, or a "
        "quieter machine."
    )


def _culprit(named: Named, links: Callable[[str], Sequence[str]]) -> list[str]:
    good, bad = named.culprit.good, named.culprit.bad
    what = named.package or "several packages together"
    reply = named.culprit.reply
    figures = _figures(reply.ratio, reply.interval) or f" {reply.detail}"
    lines = [f"Found: {what}, between {good.last_label} and {bad.label}:{figures}"]
    for package in named.packages:
        lines.append(f"   {package}  good  {_state(good, package)}")
        lines.append(f"   {package}  bad   {_state(bad, package)}")
        link = link_of(named, package, links(package))
        lines.append(f"   {package}  {link or 'its repository is not known'}")
    if named.culprit.passed_over:
        passed = ", ".join(named.culprit.passed_over)
        lines.append(f"   or any of {passed}, which could not be measured")
    return lines


def _state(candidate: Candidate, package: str) -> str:
    commit = candidate.git.get(package)
    return f"{candidate.versions.get(package, 'none')}{f', commit {commit}' if commit else ''}"


def link_of(named: Named, package: str, links: Sequence[str] = ()) -> str | None:
    """The page of the commits between."""
    good, bad = named.culprit.good, named.culprit.bad
    if package not in good.versions or package not in bad.versions:
        return None
    versions = good.versions[package], bad.versions[package]
    return compare_link(package, versions, (good.git.get(package), bad.git.get(package)), links)
