"""The report of one or more runs: one HTML file that needs nothing beside it.

It is made from results files, the pictures and numbers that lie beside them, and the baselines; whoever
has these can make it again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.report.html.gather import Source, gather
from perfsuite.report.html.page import render
from perfsuite.store.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["NAME", "Source", "gather", "render", "write"]

NAME = "index.html"


def write(results: Sequence[Path], folder: Path, baselines: Path) -> Path:
    """Write the page of these results files, or of those in these folders, and return its path.

    Raises:
        StoreError: if a results file is not there or damaged, or written by a newer perfsuite, or if the
            page cannot be written.
    """
    page = folder / NAME
    write_atomic(page, render(gather(results, baselines), datetime.now(UTC)).encode())
    return page
