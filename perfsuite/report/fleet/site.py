"""A folder of a plan to pages: its matrix first, and the results of all of its runs whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.fleet.results.reading import read, read_parts
from perfsuite.report import html
from perfsuite.report.fleet.page import render
from perfsuite.store.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.fleet.results.parts import Parts
    from perfsuite.fleet.results.reading import Reading

RUNS = "runs.html"


def write(folder: Path, out: Path, baselines: Path) -> Path:
    """Write the pages of the plan that was run in `folder`, and return the first.

    Raises:
        StoreError: something in the folder is damaged, or a page cannot be written.
    """
    return _written(read(folder), out, baselines)


def write_parts(parts: Parts, out: Path, baselines: Path) -> Path:
    """Write the pages of a plan whose parts were run apart, and return the first.

    Raises:
        StoreError: something in a folder is damaged, or a page cannot be written.
    """
    return _written(read_parts(parts), out, baselines)


def _written(of: Reading, out: Path, baselines: Path) -> Path:
    now = datetime.now(UTC)
    if of.runs:
        sources = html.gather([path for path, _ in of.runs], baselines)
        write_atomic(out / RUNS, html.render(sources, now).encode())
    page = out / html.NAME
    write_atomic(page, render(of, links(of), now).encode())
    return page


def links(of: Reading) -> dict[tuple[int, int], str]:
    """Where each result is shown whole, by the number of its run and its own: runs of one date keep their
    order on a page."""
    return {
        (number, place): f"{RUNS}#run-{number}-variant-{place}"
        for number, (_, merged) in enumerate(of.runs)
        for place in range(len(merged.run.results))
    }
