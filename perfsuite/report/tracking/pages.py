"""An overview to files: pages, and a JSON beside each."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import perfsuite
from perfsuite.records import SeriesKind
from perfsuite.report.html import shell
from perfsuite.report.tracking import document, group, index, names, series, states
from perfsuite.report.tracking.chart import spark_begin
from perfsuite.report.tracking.nights import Surroundings

if TYPE_CHECKING:
    from perfsuite.records import Overview, Tracked

TEMPLATES = Path(__file__).parent / "templates"


def pages(of: Overview, database: str) -> dict[str, bytes]:
    """All files by name, the first page last, so that it never leads to what is not there yet.

    Args:
        of: with the points of every series.
        database: as it may be shown.
    """
    surroundings = Surroundings(of.runs)
    paged = [tracked for tracked in of.tracked if has_page(tracked)]
    stems = {tracked.series: names.of_series(tracked.series) for tracked in paged}
    groups = {each.id: names.of_group(each) for each in of.groups}
    # A change that the overview has no group of leads to all of them.
    of_change = {c.id: f"{groups[each.id]}.html#{c.id}" for each in of.groups for c in each.changes}
    lead = {c.id: of_change.get(c.id, f"{names.INDEX}.html") for t in paged for c in t.changes}
    first_night = spark_begin(of)
    files = {}
    for tracked in paged:
        stem = stems[tracked.series]
        files[f"{stem}.json"] = document.of_series(tracked)
        files[f"{stem}.html"] = _page(
            "series", stem, of.night, series.view(tracked, lead, surroundings, of.night)
        )
    series_pages = {one: f"{stem}.html" for one, stem in stems.items()}
    by_change = {c.id: t for t in paged for c in t.changes}
    back = {id: series_pages[tracked.series] for id, tracked in by_change.items()}
    for each in of.groups:
        stem = groups[each.id]
        view = group.view(each, by_change, back, database, (first_night, of.night))
        files[f"{stem}.json"] = document.of_group(each)
        files[f"{stem}.html"] = _page("group", stem, of.night, view)
    group_pages = {id: f"{stem}.html" for id, stem in groups.items()}
    files[f"{names.INDEX}.json"] = document.index(of, series_pages, group_pages)
    first = index.view(of, series_pages, surroundings, database, first_night)
    files[f"{names.INDEX}.html"] = _page("index", names.INDEX, of.night, first)
    return files


def has_page(of: Tracked) -> bool:
    """Whether there is anything to be seen: counts that never changed are hundreds."""
    if of.series.kind is SeriesKind.NOISY or of.changes:
        return True
    return len({p.value for p in of.points if not p.excluded and math.isfinite(p.value)}) > 1


def _page(name: str, stem: str, night: str, view: object) -> bytes:
    template = shell.environment(TEMPLATES).get_template(f"{name}.html.j2")
    return template.render(
        **_frame(name),
        view=view,
        json=f"{stem}.json",
        night=night,
        version=perfsuite.__version__,
        words=states.glossary(),
        intro=states.INTRO,
    ).encode()


@cache
def _frame(name: str) -> dict[str, str]:
    return shell.frame(_text("tracking.css"), _text("series.js") if name == "series" else "")


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
