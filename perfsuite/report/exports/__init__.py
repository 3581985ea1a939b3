"""Runs in the formats of other projects, one module a format.

Each has ``export(runs)``, which returns the text of a file. Figures are as they were stored, in seconds and
bytes; nothing is rounded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Run

KINDS = {
    "pytest-benchmark": "pytest_benchmark",
    "github-action-benchmark": "github_action",
    "pytorch": "pytorch",
    "svg": "svg",
}
"""Module of each format, by its name on the command line."""


class ExportError(ValueError):
    """The runs cannot be written in this format; the message says why, and what can be done."""


def export(kind: str, runs: Sequence[Run]) -> str:
    """`runs` in the format `kind`, one of `KINDS`; raises `ExportError`."""
    if not any(result.session or result.quality for run in runs for result in run.results):
        raise ExportError(
            "nothing was measured in these results, so there is nothing to export: the run was interrupted, "
            "or every test was skipped or failed before its first figure"
        )
    text: str = import_module(f"{__name__}.{KINDS[kind]}").export(runs)
    return text
