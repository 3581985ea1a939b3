"""Runs in, one HTML file out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import perfsuite
from perfsuite.report.headline import headline
from perfsuite.report.html import overview, published, shell, words
from perfsuite.report.html.dates import day, stamp
from perfsuite.report.html.ladder import Ladder, ladder
from perfsuite.report.html.pictures import Album
from perfsuite.report.html.variant import VariantView, view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from perfsuite.report.html.gather import Source

MOST_OPEN = 3
"""Failing variants that are open from the start."""


@dataclass(frozen=True)
class RunView:
    """One run's section."""

    id: str
    title: str
    facts: tuple[overview.Fact, ...]
    notes: tuple[str, ...]
    ladders: tuple[Ladder, ...]
    rows: tuple[overview.Row, ...]
    variants: tuple[VariantView, ...]


def render(sources: Sequence[Source], made: datetime) -> str:
    """The page of these runs, oldest first; `made` is when it is written."""
    album = Album(sources)
    runs = [_run(source, number, album) for number, source in enumerate(sources)]
    every = [result for source in sources for result in source.run.results]
    recorded = [result for source in sources for result in source.run.results if source.recorded(result)]
    ids = [row.id for run in runs for row in run.rows]
    found = [v for run in runs for v in run.variants]
    failing = [v.id for v in found if v.failing]
    shared, own = _images(found, album)
    style, script = (
        (shell.TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    return shell.environment().get_template("page.html.j2").render(
        **shell.frame(style, script),
        head=headline(every, recorded=len(recorded)),
        failures=overview.failures(every, ids),
        steps=overview.steps(every, recorded),
        runs=runs,
        columns=overview.COLUMNS,
        statuses=_statuses(runs),
        opened=failing if len(failing) <= MOST_OPEN else [],
        alone=found[0].id if len(found) == 1 else None,
        shared=shared,
        own=own,
        words=words.glossary(),
        intro=words.INTRO,
        published=published.SOURCE,
        made=stamp(made),
        version=perfsuite.__version__,
    )  # fmt: skip


def _run(source: Source, number: int, album: Album) -> RunView:
    results = source.run.results
    ids = [f"run-{number}-variant-{i}" for i in range(len(results))]
    workloads = dict.fromkeys(r.workload for r in results)
    charts = [ladder(results, ids, workload) for workload in workloads]
    notes = source.notes
    if not results:
        notes = ("There are no results in this file: nothing was built, or the run ended before it.", *notes)
    return RunView(
        f"run-{number}",
        f"{source.run.device.name}, {day(source.run.date)}",
        tuple(overview.facts(source)),
        notes,
        tuple(chart for chart in charts if chart is not None),
        tuple(overview.row(r, id_, results) for r, id_ in zip(results, ids, strict=True)),
        tuple(view(source, number, r, id_, album) for r, id_ in zip(results, ids, strict=True)),
    )


def _images(found: Sequence[VariantView], album: Album) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Pictures that several variants show, as float32's, and those of each variant alone."""
    seen = Counter(image for variant in found for image in variant.images)
    shared = {image: album.images[image] for image, count in seen.items() if count > 1}
    own = {v.id: {i: album.images[i] for i in v.images if i not in shared} for v in found if v.images}
    return shared, own


def _statuses(runs: Sequence[RunView]) -> list[tuple[words.Badge, int]]:
    """Every status that occurs, with the number of variants that have it; the gravest first."""
    counts: dict[str, int] = {}
    tones = {b.word: b for run in runs for row in run.rows for b in row.badges}
    for run in runs:
        for row in run.rows:
            for word in row.statuses:
                counts[word] = counts.get(word, 0) + 1
    order = list(overview.SEVERITY)
    return [(tones[word], counts[word]) for word in sorted(counts, key=order.index)]
