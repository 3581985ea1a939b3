"""What ``perfsuite doctor`` says, for people and for programs.

The JSON document, schema version 1:

* ``schema_version``: 1; it grows when a field is renamed or goes, not when one is added.
* ``verdict``: ``FIT``, ``FIT_WITH_WARNINGS``, ``UNFIT`` or ``UNKNOWN``.
* ``exit_code``: 0 fit, 1 unfit (with ``--strict`` also for warnings), 3 cannot tell.
* ``device``: `perfsuite.records.Device` by its fields, null where there is none.
* ``findings``: a list of ``{"name", "status", "found", "remedy", "figures"}`` as in
  `perfsuite.records.Finding`; figures have their unit in their name, shares are fractions.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from io import StringIO
from typing import TYPE_CHECKING

from perfsuite.records import Health
from perfsuite.report.columns import wrapped
from perfsuite.report.messages import see

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Device, Finding

SCHEMA_VERSION = 1
_STYLES = {
    Health.OK: "green",
    Health.WARNING: "yellow",
    Health.PROBLEM: "bold red",
    Health.UNKNOWN: "magenta",
}
_COLUMN = 9
"""Where findings begin: after the longest status and a space or two."""
_VERDICTS = {
    "FIT": "fit to measure",
    "FIT_WITH_WARNINGS": "fit to measure, with warnings",
    "UNFIT": "not fit to measure: measurements would fail or mislead",
    "UNKNOWN": "it cannot be told whether this machine is fit to measure",
}


def verdict(findings: Sequence[Finding]) -> str:
    """The whole in one word, whatever ``--strict`` makes of it."""
    statuses = {finding.status for finding in findings}
    if Health.PROBLEM in statuses:
        return "UNFIT"
    if Health.UNKNOWN in statuses or not statuses:
        return "UNKNOWN"
    return "FIT_WITH_WARNINGS" if Health.WARNING in statuses else "FIT"


def text(findings: Sequence[Finding], *, colour: bool, width: int) -> str:
    """A paragraph a finding with its remedy below it, and the whole at the end."""
    from rich.console import Console
    from rich.text import Text

    out = StringIO()
    console = Console(file=out, force_terminal=colour, no_color=not colour, highlight=False)
    hang = " " * _COLUMN
    for finding in findings:
        lines = wrapped(f"{finding.name}: {finding.found}", width, finding.status.ljust(_COLUMN), hang)
        if finding.remedy:
            lines += wrapped(finding.remedy, width, f"{hang}-> ", f"{hang}   ")
        said = Text("\n".join(lines))
        said.stylize(_STYLES[finding.status], 0, len(finding.status))
        console.print(said, soft_wrap=True)
    counts = Counter(finding.status for finding in findings)
    counted = ", ".join(f"{counts[status]} {status}" for status in Health if counts[status])
    word = verdict(findings)
    if word != "FIT":
        console.print(Text(see("doctor")))
    style = {"FIT": "green", "FIT_WITH_WARNINGS": "yellow"}.get(word, "bold red")
    for line in wrapped(f"{_VERDICTS[word]} ({counted or 'nothing was looked at'})", width, "", ""):
        console.print(Text(line, style=style), soft_wrap=True)
    return out.getvalue().rstrip("\n")


def as_json(findings: Sequence[Finding], device: Device | None, exit_code: int) -> str:
    """The document that the module describes."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "verdict": verdict(findings),
        "exit_code": exit_code,
        "device": None if device is None else asdict(device),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(document, indent=1)
