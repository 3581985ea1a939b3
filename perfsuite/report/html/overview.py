"""The parts of the page that speak of a whole run: facts, what failed, what to do next, the table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from perfsuite.records import Cause, PictureStatus, Status
from perfsuite.report import format as show
from perfsuite.report import messages
from perfsuite.report.figures import amounts, complaints, least_ssim
from perfsuite.report.headline import basis, sessions, wrong_looks
from perfsuite.report.html.dates import age, day
from perfsuite.report.html.gather import Source, moment
from perfsuite.report.html.ladder import median, speedup
from perfsuite.report.html.words import BAD, UNMEASURED, Badge, badge
from perfsuite.report.terminal import WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Device, Result, Verdict


@dataclass(frozen=True)
class Fact:
    """A name and what belongs to it."""

    name: str
    text: str


@dataclass(frozen=True)
class Step:
    """Something to do, why, and the commands for it."""

    title: str
    reason: str
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cell:
    """Of the table: what is shown, what stands small beside it, and what it is sorted by."""

    text: str
    small: str = ""
    key: float | str | None = None


@dataclass(frozen=True)
class Row:
    """A variant in the table."""

    id: str
    workload: str
    variant: str
    badges: tuple[Badge, ...]
    failing: bool
    statuses: tuple[str, ...]
    severity: int
    cells: tuple[Cell, ...]
    """In the order of `COLUMNS`."""


COLUMNS = (
    ("median", "Median", "± half the middle half, n calls"),
    ("speedup", "Speed-up", "over fp32 of this run"),
    ("change", "Change", "over the baseline, interval"),
    ("baseline", "Baseline", "n sessions"),
    ("ssim", "SSIM", "least of n prompts"),
    ("compile", "Compile", "n=1 first call"),
    ("memory", "Peak memory", "n=1 session"),
)
"""Of the table, after variant and verdict: name, heading, what the small print says."""
SEVERITY = ("BROKEN", "DEGRADED", "REGRESSED", "LESS_JUDGED", "NOT_JUDGED", "INCOMPATIBLE", "INCONCLUSIVE",
             "NOT MEASURED", "NEW", "IMPROVED", "OK")  # fmt: skip


def badges(result: Result) -> tuple[Badge, ...]:
    """The latency verdict first, then the looks that are not OK, or one OK for all of them."""
    found = [badge(result.verdict.status, "latency")] if result.verdict is not None else []
    said = complaints(result)
    found += [badge(q.verdict.status, q.name) for q in amounts(result)]
    found += [badge(status, name) for name, status, _ in said]
    if result.quality is not None and not said:
        found.append(badge(result.quality.status, "pictures" if not result.quality.looks else "quality"))
    return tuple(found) or (UNMEASURED,)


def row(result: Result, id_: str, results: Sequence[Result]) -> Row:
    """The result as a line of the table."""
    found = badges(result)
    # That the pictures are OK, too, is shown, but is not what one looks for.
    told = [b for b in found if b.about == "latency" or b.word != PictureStatus.OK.value] or list(found)
    words = tuple(dict.fromkeys(b.word for b in told))
    failing = any(b.tone == "bad" for b in found)
    return Row(
        id_, result.workload, result.variant, found, failing, words,
        min(SEVERITY.index(word) for word in words), _cells(result, results),
    )  # fmt: skip


def _cells(result: Result, results: Sequence[Result]) -> tuple[Cell, ...]:
    session, verdict = result.session, result.verdict
    middle, gain, similar = median(result), speedup(result, results), least_ssim(result)
    none = Cell(show.DASH)
    base = verdict.baseline_s if verdict else None
    ratio = verdict.ratio if verdict and base else None
    spread = ""
    if session is not None:
        n = len(session.latency_s)
        spread = f"{show.spread(session.latency_s)}, n={n}" if n > 1 else "n=1"
    prompts = len(result.quality.scores) if result.quality else 1
    source = session.compilation.source.value if session and session.compilation else ""
    return (
        Cell(show.seconds(middle), spread, middle) if middle else none,
        Cell(f"{gain:.2f}x", "", gain) if gain else none,
        Cell(show.change(ratio), _bounds(verdict), ratio) if ratio and verdict else none,
        Cell(show.seconds(base), f"n={verdict.baseline_sessions}", base) if base and verdict else none,
        Cell(show.similarity(similar), f"n={prompts}", similar) if similar is not None else none,
        Cell(show.seconds(session.compile_s), source, session.compile_s)
        if session and session.compile_s is not None
        else none,
        Cell(show.memory(session.peak_memory_bytes), "", session.peak_memory_bytes) if session else none,
    )


def _bounds(verdict: Verdict) -> str:
    low, high = ((bound - 1.0) * 100.0 for bound in verdict.interval or (1.0, 1.0))
    return f"{low:+.1f} to {high:+.1f} %{basis(verdict)}" if verdict.interval else ""


def facts(source: Source) -> list[Fact]:
    """What was run, on what, when, and what it was compared with."""
    run = source.run
    timed = [r.session for r in run.results if r.session is not None]
    found = [Fact("Device", device(run.device)), Fact("Run", day(run.date))]
    packages = {name: v for session in timed for name, v in session.versions.items()}
    if packages:
        found.append(Fact("Versions", ", ".join(f"{k} {v}" for k, v in sorted(packages.items()))))
    commits = dict.fromkeys(s.commit for s in timed if s.commit)
    if commits:
        found.append(Fact("Commit", ", ".join(commits)))
    found.append(Fact("Baseline", baseline(source)))
    protocols = dict.fromkeys(f"{r.workload}: {r.protocol}" for r in run.results)
    found += [Fact("Workload", protocol) for protocol in protocols]
    weights = dict.fromkeys(e for r in run.results for e in r.evidence if e.startswith(WEIGHTS))
    found += [Fact("Weights", text.removeprefix(WEIGHTS)) for text in weights]
    return [*found, Fact("Results file", str(source.path))]


def device(of: Device) -> str:
    """Name, size and driver of the device."""
    parts = [of.name, show.memory(of.memory_bytes)]
    if of.kind == "cpu":
        parts.insert(1, f"{of.count} thread{'' if of.count == 1 else 's'}")
    parts += [f"{name.replace('_', ' ')} {value}" for name, value in sorted(of.details.items())]
    return ", ".join(parts)


def baseline(source: Source) -> str:
    """How much there is to compare with, and how old it was when the run was."""
    held = [found for r in source.run.results if (found := source.before(r))]
    if not held and any(map(source.recorded, source.run.results)):
        return "none of this device before this run, which recorded one"
    if not held:
        return "none of this device, for these variants"
    newest = max((s.date for found in held for s in found), key=lambda d: str(moment(d)))
    counts = [len(found) for found in held]
    n = sessions(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)} sessions"
    then, now = moment(newest), moment(source.run.date)
    ago = f", {age(now - then)} before this run" if then and now and now >= then else ""
    return f"{n} for each of {len(held)} variants, the newest of {day(newest)}{ago}"


def steps(results: Sequence[Result], recorded: Sequence[Result] = ()) -> list[Step]:
    """What to do next, the most urgent first, with one command for all variants that share a reason.

    `recorded`: those that are part of a baseline themselves.
    """
    found = []
    order = (Status.REGRESSED, Status.LESS_JUDGED, Status.INCOMPATIBLE, Status.IMPROVED, Status.NEW)
    wrong = [r for r in results if wrong_looks(r)]
    for status in order:
        of_status = [r for r in results if r.verdict and r.verdict.status is status]
        begun = [r for r in of_status if status is Status.NEW and r in recorded]
        for same in _by_workload([r for r in of_status if r not in begun]):
            commands = messages.next_commands(status, same)
            found.append(Step(_TITLES[status], _names(same), tuple(commands)))
        for same in _by_workload(begun):
            command = ("gate against this baseline", messages.time_again(same))
            found.append(Step("Run it again, to compare with what it recorded", _names(same), (command,)))
        if status is Status.REGRESSED:
            found += [
                Step("See what the pictures and numbers lost, and judge them again", _names(same),
                     (("look again", messages.look_again(same)),))
                for same in _by_workload(wrong)
            ]  # fmt: skip
    unsure = [r for r in results if r.verdict and r.verdict.status is Status.INCONCLUSIVE]
    few = [r for r in unsure if r.verdict and Cause.FEW_SESSIONS in r.verdict.causes]
    found += [
        Step("Measure again when the machine is quieter", _names(same),
             tuple(messages.next_commands(Status.REGRESSED, same)[:1]))
        for same in _by_workload([r for r in unsure if r not in few])
    ]  # fmt: skip
    found += [
        Step("Record more baseline sessions, so that smaller changes can be told", _names(same),
             (("record more", messages.more_sessions(same)),))
        for same in _by_workload(few)
    ]  # fmt: skip
    return found


_TITLES = {
    Status.REGRESSED: "Find out whether the slowdown is wanted",
    Status.LESS_JUDGED: "Judge what has a baseline and was not judged",
    Status.INCOMPATIBLE: "Compare with a baseline of this protocol",
    Status.IMPROVED: "Take the gain as the new baseline, so that it cannot get lost",
    Status.NEW: "Record a baseline to compare with",
}


def _by_workload(results: Sequence[Result]) -> list[list[Result]]:
    ordered = sorted(results, key=lambda r: r.workload)
    return [list(same) for _, same in groupby(ordered, key=lambda r: r.workload)]


def _names(results: Sequence[Result]) -> str:
    shown = ", ".join(r.variant for r in results[:6])
    more = f" and {len(results) - 6} more" if len(results) > 6 else ""
    return f"{results[0].workload}: {shown}{more}"


@dataclass(frozen=True)
class Failure:
    """One line for each thing that fails."""

    id: str
    name: str
    badge: Badge
    detail: str


def failures(results: Sequence[Result], ids: Sequence[str]) -> list[Failure]:
    """What failed, variant by variant, latency before pictures."""
    found = []
    for result, id_ in zip(results, ids, strict=True):
        name = f"{result.workload} {result.variant}"
        if result.verdict is not None and result.verdict.status in BAD:
            found.append(Failure(id_, name, badge(result.verdict.status, "latency"), result.verdict.detail))
        found += [
            Failure(id_, name, badge(q.verdict.status, q.name), q.verdict.detail) for q in amounts(result)
        ]
        found += [
            Failure(id_, name, badge(status, look), detail)
            for look, status, detail in complaints(result)
            if status in (PictureStatus.DEGRADED, PictureStatus.BROKEN)
        ]
    return found
