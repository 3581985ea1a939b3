"""The page of a plan that was run: its matrix, what is bad or missing, GPUs, machines and cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import perfsuite
from perfsuite.fleet.ledger.retrying import JUDGED
from perfsuite.fleet.planning.joining import named
from perfsuite.records import CellState, Ending, Work
from perfsuite.report import format as show
from perfsuite.report.fleet import comparisons, matrix, words
from perfsuite.report.html import shell
from perfsuite.report.html.dates import stamp
from perfsuite.report.html.overview import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from perfsuite.fleet.results.reading import Reading
    from perfsuite.fleet.results.spreads import GpuSpread
    from perfsuite.records import Attempt, Block, Machine
    from perfsuite.report.fleet.matrix import Field, Mark, Table
    from perfsuite.report.html.words import Badge

TEMPLATES = Path(__file__).parent / "templates"
MOST_NAMED = 12
"""Of what is bad or missing, before the rest is folded."""
_UNKNOWN = ("GIVEN UP", "UNPLACED", words.MISSING, "WAITING", "RUNNING")
_FINE = ("OK", "IMPROVED")


@dataclass(frozen=True)
class Named:
    """Something bad or missing."""

    badge: Badge
    name: str
    where: str
    detail: str
    link: str


@dataclass(frozen=True)
class Cost:
    """What one kind of work took."""

    work: str
    blocks: int
    device_s: float
    """Of all attempts."""
    lost_s: float
    """Of those without a verdict."""

    @property
    def time(self) -> str:
        """Of devices, together."""
        return show.duration(self.device_s)

    @property
    def each(self) -> str:
        """Of a block, with all of its attempts."""
        return show.duration(self.device_s / self.blocks)

    @property
    def lost(self) -> str:
        """Of them, what came to nothing; a dash for none."""
        return show.duration(self.lost_s) if self.lost_s else show.DASH


@dataclass(frozen=True)
class Host:
    """A machine."""

    name: str
    badge: Badge
    blocks: int
    busy: str
    clock: str
    """How far it is from the driver's."""
    reason: str


@dataclass(frozen=True)
class Tried:
    """An attempt that came to no verdict."""

    name: str
    number: int
    machine: str
    gpu: str
    ending: str
    cause: str
    began: str


@dataclass(frozen=True)
class View:
    """All of the page."""

    verdict: str
    tone: str
    said: str
    facts: tuple[Fact, ...]
    counts: tuple[tuple[Badge, int], ...]
    """Marks of the matrix by word, the gravest first."""
    named: tuple[Named, ...]
    tables: tuple[Table, ...]
    comparisons: tuple[comparisons.Row, ...]
    gpus: tuple[GpuSpread, ...]
    environments: tuple[Fact, ...]
    machines: tuple[Host, ...]
    costs: tuple[Cost, ...]
    tried: tuple[Tried, ...]
    bad: int
    """Marks of a bad verdict; what is merely not known is none."""
    missing: int
    """Marks of what is not known, also where a block ended and said nothing of a variant, and parts of the
    plan that are not there."""
    unsaid: int
    """Cells whose blocks have ended and said nothing of them: no state of a block tells."""


def render(of: Reading, links: Mapping[tuple[int, int], str], made: datetime) -> str:
    """The page.

    Args:
        of: what the folder holds.
        links: by the number of a run and of a result in it, where it is shown whole.
        made: when the page is written.
    """
    style = (TEMPLATES / "fleet.css").read_text(encoding="utf-8")
    template = shell.environment(TEMPLATES).get_template("fleet.html.j2")
    return template.render(
        **shell.frame(style, ""),
        view=view(of, links),
        most=MOST_NAMED,
        words=words.glossary(),
        intro=words.INTRO,
        made=stamp(made),
        version=perfsuite.__version__,
    )


def view(of: Reading, links: Mapping[tuple[int, int], str]) -> View:
    """What the page shows."""
    tables = matrix.tables(of.plan, of.squares, [merged for _, merged in of.runs], links)
    compared = comparisons.rows(of)
    marks = [*_marks(tables), *(row.mark for row in compared)]
    badges = [mark.badge for mark in marks]
    bad = sum(badge.tone == "bad" and badge.word not in _UNKNOWN for badge in badges)
    missing = sum(badge.word in _UNKNOWN for badge in badges)
    return View(
        *_head(Counter(badge.word for badge in badges), bad, missing, of),
        facts=tuple(_facts(of)),
        counts=tuple(_counted(badges)),
        named=tuple(_named(tables, compared)),
        tables=tuple(tables),
        comparisons=tuple(compared),
        gpus=of.gpus,
        environments=tuple(_environments(of)),
        machines=tuple(map(_host, of.status.machines)),
        costs=tuple(_costs(of)),
        tried=tuple(_tried(of)),
        bad=bad,
        missing=missing + len(of.absent),
        unsaid=sum(mark.unsaid for mark in marks),
    )


def exit_code(of: Reading, shown: View) -> int:
    """Of a plan that was run: 1 where something is bad, 2 where something is not known, 0 else.

    Repeats are judged together, so one bad one alone is not.
    """
    if shown.bad:
        return 1
    return 2 if shown.missing or set(of.status.cells) - {CellState.DONE} else 0


def _fields(tables: Iterable[Table]) -> Iterable[tuple[Table, str, Field]]:
    for table in tables:
        for row in table.rows:
            yield from ((table, row.variant, field) for field in row.fields if field is not None)


def _marks(tables: Iterable[Table]) -> list[Mark]:
    return [mark for _, _, field in _fields(tables) for mark in field.marks]


def _head(found: Counter[str], bad: int, missing: int, of: Reading) -> tuple[str, str, str]:
    """A sentence, its tone, and how much it rests on."""
    absent = len(of.absent)
    unsure, cells = found["INCONCLUSIVE"], sum(found.values())
    parts = [
        f"{number} {said}"
        for number, said in (
            (bad, "bad"),
            (missing, "not known"),
            (unsure, "inconclusive"),
            (found["NEW"], "new"),
        )
        if number
    ]
    tone = "bad" if bad else "unsure" if parts or absent else "good"
    sentence = f"{', '.join(parts)} of {cells}" if parts else f"All {cells} are as they should be"
    if not of.status.cells.get(CellState.DONE):
        sentence = f"Nothing was judged: {sentence}"
    if absent:
        sentence += f"; {absent} part{'' if absent == 1 else 's'} of the plan absent"
    fine = sum(found[word] for word in _FINE)
    return sentence, tone, f"{fine} of {cells} marks are fine: one for each variant and kind of work."


def _facts(of: Reading) -> Iterable[Fact]:
    plan, attempts = of.plan, [a for a in of.attempts if a.ending is not Ending.REFUSED]
    yield Fact("Plan", plan.name + (f", part {plan.shard}" if plan.shard else ""))
    if of.absent:
        yield Fact("Absent", f"{named(of.absent)} of the plan, whose cells are not on this page")
    yield Fact("Id", f"{plan.id[:12]}, seed {plan.seed}, perfsuite {plan.perfsuite}")
    done = of.status.blocks.get(CellState.DONE, 0)
    yield Fact("Blocks", f"{done} of {len(plan.blocks)} have a verdict, in {len(attempts)} attempts")
    if attempts:
        first, last = min(a.began for a in attempts), max(a.ended for a in attempts)
        yield Fact("Time", f"{first[:16].replace('T', ' ')} to {last[:16].replace('T', ' ')} UTC")
        hours = show.duration(sum(a.seconds for a in attempts))
        machines = len({a.machine for a in attempts})
        yield Fact("Cost", f"{hours} of devices, on {machines} machine{'' if machines == 1 else 's'}")


def _counted(badges: Sequence[Badge]) -> Iterable[tuple[Badge, int]]:
    """Each word that occurs, the gravest first."""
    by_word = {badge.word: badge for badge in sorted(badges, key=words.gravity)}
    found = Counter(badge.word for badge in badges)
    for word, badge in by_word.items():
        yield replace(badge, about=""), found[word]


def _named(tables: Iterable[Table], compared: Iterable[comparisons.Row]) -> list[Named]:
    """What is neither fine nor merely skipped; variants that share all but their names are one."""
    found: dict[tuple[str, ...], list[tuple[str, Badge, str]]] = {}
    for table, variant, field in _fields(tables):
        for mark in field.marks:
            what = f"{table.workload}, {words.work(mark.work)}"
            where = field.column.where
            if mark.badge.tone in ("bad", "unsure"):
                same = found.setdefault((mark.badge.word, what, where, mark.detail), [])
                same.append((variant, mark.badge, field.link))
    for row in comparisons.bad(compared):
        key = row.mark.badge.word, f"{row.workload}, A/B", comparisons.where(row), row.mark.detail
        found.setdefault(key, []).append((row.variant, row.mark.badge, "#comparisons"))
    listed = [
        Named(
            same[0][1],
            f"{what}: {', '.join(dict.fromkeys(name for name, *_ in same))}",
            where,
            detail,
            same[0][2],
        )
        for (_, what, where, detail), same in found.items()
    ]
    return sorted(listed, key=lambda each: (words.gravity(each.badge), each.where, each.name))


def _environments(of: Reading) -> Iterable[Fact]:
    for name, each in of.plan.environments.items():
        packages = ", ".join(f"{package} {version}" for package, version in sorted(each.packages.items()))
        yield Fact(name, f"{each.python or packages} ({each.lock[:12]})")


def _host(machine: Machine) -> Host:
    ahead = machine.clock_ahead_s
    return Host(
        machine.name, words.takes(machine), machine.blocks, show.duration(machine.busy_s),
        f"{ahead:+.0f} s" if ahead is not None and abs(ahead) >= 1 else show.DASH, machine.reason,
    )  # fmt: skip


def _costs(of: Reading) -> Iterable[Cost]:
    blocks = {block.id: block for block in of.plan.blocks}
    for work in Work:
        own = [a for a in of.attempts if _work(blocks, a) is work]
        if own:
            yield Cost(
                words.work(work),
                len({a.block for a in own}),
                sum(a.seconds for a in own),
                sum(a.seconds for a in own if a.ending not in JUDGED),
            )


def _work(blocks: Mapping[str, Block], attempt: Attempt) -> Work:
    """A block that is not in the plan is a machine's doctor."""
    block = blocks.get(attempt.block)
    return block.work if block is not None else Work.DOCTOR


def _tried(of: Reading) -> Iterable[Tried]:
    blocks = {block.id: block for block in of.plan.blocks}
    for attempt in of.attempts:
        if attempt.ending not in JUDGED:
            yield Tried(
                block_name(blocks.get(attempt.block), attempt),
                attempt.number, attempt.machine, attempt.uuid, attempt.ending.value, attempt.cause,
                attempt.began[:16].replace("T", " "),
            )  # fmt: skip


def block_name(block: Block | None, attempt: Attempt) -> str:
    """Of an attempt, for a person."""
    if block is None:
        return f"doctor of {attempt.machine}"
    return f"{words.work(block.work)}, {block.workload}: {', '.join(block.variants)}"
