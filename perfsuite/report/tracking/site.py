"""The report of a history: a folder of pages that load nothing, and all of it as JSON beside them.

It is made of an overview alone; the same overview makes the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.report.tracking import folder, names
from perfsuite.report.tracking.pages import pages

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.records import Overview


def write(overview: Overview, out: Path, database: str) -> Path:
    """Write the pages and return the first.

    Args:
        overview: with the points of every series.
        out: folder; a new one, an empty one, or that of an earlier report.
        database: where the history is, as it may be shown.

    Raises:
        StoreError: the folder holds something else, or cannot be written.
    """
    folder.write(out, pages(overview, database))
    return out / f"{names.INDEX}.html"
