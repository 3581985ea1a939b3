"""The matrix: a square for each variant, in each environment on each class of devices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from perfsuite.fleet.results.headers import UNKNOWN, Headers
from perfsuite.pipelines import variants
from perfsuite.records import CellState, Work
from perfsuite.report import figures
from perfsuite.report import format as show
from perfsuite.report.fleet import words
from perfsuite.report.html.words import badge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from perfsuite.fleet.results.merging import Merged
    from perfsuite.fleet.results.squares import Square
    from perfsuite.records import Plan, Result
    from perfsuite.report.html.words import Badge

BESIDE = (Work.COMPILE, Work.AB, Work.DOCTOR)
"""Work that has no square."""

_LATENCY = "latency"
"""Name of the gate."""


class Column(NamedTuple):
    """Of the matrix."""

    environment: str
    device: str
    kind: str = ""
    """What tells its devices from others of the class; empty where all are alike."""

    @property
    def where(self) -> str:
        """For a person."""
        return ", ".join(filter(None, (f"{self.environment} on {self.device}", self.kind)))


@dataclass(frozen=True)
class Mark:
    """What one kind of work came to."""

    work: Work
    badge: Badge
    """The gravest."""
    detail: str = ""
    """Why it is not another, for a person."""
    note: str = ""
    """How many repeats are still to come."""
    unsaid: int = 0
    """Cells whose blocks have ended and said nothing of them."""


@dataclass(frozen=True)
class Field:
    """One square of the matrix."""

    column: Column
    marks: tuple[Mark, ...]
    """One a kind of work, as the plan has them."""
    median: str = ""
    change: str = ""
    link: str = ""
    """To the whole result; empty where there is none."""

    @property
    def gravest(self) -> Mark:
        """What is shown first."""
        return min(self.marks, key=lambda mark: words.gravity(mark.badge))

    @property
    def text(self) -> str:
        """On a terminal: the gravest word, its work unless it is latency, and the change."""
        mark = self.gravest
        about = "" if mark.work is Work.LATENCY or mark.badge.word == "OK" else f"{words.work(mark.work)} "
        return " ".join(filter(None, (f"{about}{mark.badge.word}", self.change)))


@dataclass(frozen=True)
class Row:
    """A variant."""

    variant: str
    fields: tuple[Field | None, ...]
    """In the order of the columns; None where the plan has no such cell."""


@dataclass(frozen=True)
class Table:
    """A workload."""

    workload: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def tables(
    plan: Plan, squares: Sequence[Square], runs: Sequence[Merged], links: Mapping[tuple[int, int], str]
) -> list[Table]:
    """One a workload.

    Args:
        plan: that was run.
        squares: all of its cells.
        runs: what was merged.
        links: by the number of a run and of a result in it, where it is shown whole.
    """
    headers = Headers(runs)

    def column(square: Square) -> Column:
        return Column(square.block.environments[0], square.block.device, headers.of(square))

    columns = _columns(plan, {column(square) for square in squares if square.block.work not in BESIDE})
    found: dict[str, dict[str, dict[Column, list[Square]]]] = {}
    for square in squares:
        if square.block.work not in BESIDE:
            rows = found.setdefault(square.block.workload, {})
            rows.setdefault(square.cell.variant, defaultdict(list))[column(square)].append(square)
    results = _results(runs, links, headers)
    return [
        Table(workload, columns, tuple(_rows(workload, columns, rows, results)))
        for workload, rows in sorted(found.items())
    ]


def _columns(plan: Plan, found: Set[Column]) -> tuple[Column, ...]:
    """As the plan has environments and classes; what is not known of a class last."""
    environments, devices = list(plan.environments), list(plan.devices)

    def place(column: Column) -> tuple[object, ...]:
        unknown = column.kind == UNKNOWN
        return environments.index(column.environment), devices.index(column.device), unknown, column.kind

    return tuple(sorted(found, key=place))


Found = dict[tuple[Column, str, str], tuple["Result", str]]


def _results(runs: Sequence[Merged], links: Mapping[tuple[int, int], str], headers: Headers) -> Found:
    """By column, workload and variant."""
    found: Found = {}
    for number, (merged, kind) in enumerate(zip(runs, headers.labels, strict=True)):
        column = Column(merged.environment, merged.device, kind)
        for place, result in enumerate(merged.run.results):
            found[column, result.workload, result.variant] = result, links.get((number, place), "")
    return found


def _rows(
    workload: str,
    columns: Sequence[Column],
    rows: Mapping[str, Mapping[Column, Sequence[Square]]],
    results: Found,
) -> Iterable[Row]:
    rungs = {name: place for place, name in enumerate(variants.known())}
    for variant in sorted(rows, key=lambda name: (rungs.get(name, len(rungs)), name)):
        fields = []
        for column in columns:
            own = rows[variant].get(column)
            result, link = results.get((column, workload, variant), (None, ""))
            fields.append(_field(column, own, result, link) if own else None)
        yield Row(variant, tuple(fields))


def _field(column: Column, squares: Sequence[Square], result: Result | None, link: str) -> Field:
    by_work: dict[Work, list[Square]] = defaultdict(list)
    for square in squares:
        by_work[square.block.work].append(square)
    marks = tuple(mark(work, by_work[work], result) for work in Work if work in by_work)
    median, verdict = figures.median_s(result), result.verdict if result is not None else None
    return Field(
        column,
        marks,
        show.seconds(median) if median is not None else "",
        show.change(verdict.ratio) if verdict is not None and verdict.ratio is not None else "",
        link,
    )


# -- one kind of work --------------------------------------------------------------------------------


def mark(work: Work, squares: Sequence[Square], result: Result | None) -> Mark:
    """What one kind of work on one variant came to, over its repeats."""
    done = [square for square in squares if square.state is CellState.DONE]
    open_ = [square for square in squares if square.state is not CellState.DONE]
    found = [*_of_result(work, result)]
    judged = bool(found)
    unsaid = 0
    for square in done:
        said = [*_of_gates(square, repeated=bool(result and result.repeats))]
        # Each by itself: what one block says of a variant does not speak for another.
        found += said if said or judged else [_unsaid(square)]
        unsaid += not said and not judged and _unsaid(square)[0].word == words.MISSING
    found += [(words.undone(square.state), square.reason or _last_cause(square)) for square in open_]
    gravest, detail = min(found, key=lambda one: words.gravity(one[0]))
    note = f"{len(done)} of {len(squares)} repeats" if open_ and done else ""
    return Mark(work, gravest, detail, note, unsaid)


Said = tuple["Badge", str]


def _of_result(work: Work, result: Result | None) -> Iterable[Said]:
    """Verdicts that a result holds."""
    if result is None:
        return
    if work is Work.LATENCY:
        if result.verdict is not None:
            yield badge(result.verdict.status), result.verdict.detail
        for quantity in figures.amounts(result):
            yield badge(quantity.verdict.status), f"{quantity.name}: {quantity.verdict.detail}"
    elif work is Work.COUNTS and result.counted is not None:
        yield badge(result.counted.status), result.counted.detail
    elif work is Work.QUALITY and result.quality is not None:
        for name, status, detail in figures.complaints(result):
            yield badge(status), f"{name}: {detail}"
        yield badge(result.quality.status), ""


def _of_gates(square: Square, *, repeated: bool) -> Iterable[Said]:
    """What tests alone say, as those of structure. The latency of repeats is judged together."""
    for gate in square.failed:
        if repeated and gate.name == _LATENCY:
            continue
        yield words.plain(words.FAILED), f"{gate.name}: {gate.said}"
    if square.whole:
        yield words.plain(words.FAILED), square.whole
    if square.skipped:
        yield words.plain(words.SKIPPED), square.skipped
    elif square.gates and square.block.work is Work.STRUCTURE:
        yield words.fine(), ""


def _unsaid(square: Square) -> Said:
    """Of a block with a verdict that is on other variants."""
    if square.gates and not square.failed:
        return words.fine(), ""
    return words.plain(words.MISSING), square.attempts[-1].cause if square.attempts else ""


def _last_cause(square: Square) -> str:
    if not square.attempts:
        return ""
    last = square.attempts[-1]
    return f"attempt {last.number} on {last.machine} {last.ending}: {last.cause}"
