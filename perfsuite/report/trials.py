"""Planted faults and honest cases as a table for people, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from perfsuite.device import versions
from perfsuite.report import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.quality.trials import Trial
    from perfsuite.records import Device

LOOKS = ("pictures", "components", "modules", "loop")


def _share(hits: Sequence[bool]) -> str:
    return f"{sum(hits)}/{len(hits)}" if hits else "-"


def _rows(trials: Sequence[Trial]) -> list[list[str]]:
    """A row a fault, counts over the variants that it was planted in; then one a honest variant."""
    peers = list(dict.fromkeys(name for t in trials for name in t.peers))
    rows = [["planted fault", "caught", *LOOKS, *peers]]
    for wanted in (True, False):
        group = [t for t in trials if t.fault is wanted]
        if not group:
            continue
        if not wanted:
            rows.append(["honest case", "alarms", *LOOKS, *peers])
        for case in dict.fromkeys(t.case for t in group):
            of_case = [t for t in group if t.case == case]
            rows.append(_row(case, of_case, peers))
        rows.append(_row("all", group, peers))
    return rows


def _row(name: str, trials: Sequence[Trial], peers: Sequence[str]) -> list[str]:
    return [
        name,
        _share([t.caught() for t in trials]),
        *(_share([t.caught(look) for t in trials]) for look in LOOKS),
        *(_share([t.peers[peer] for t in trials if peer in t.peers]) for peer in peers),
    ]


def table(trials: Sequence[Trial]) -> str:
    """Counts of the pipelines that each gate fails, then every fault missed and every false alarm."""
    rows = _rows(trials)
    lines = columns.table(rows, right=range(1, len(rows[0])))
    for trial in trials:
        if trial.fault and not trial.caught():
            nearest = "; ".join(f"{look.name}: {look.detail}" for look in trial.quality.looks if look.detail)
            lines.append(f"missed: {trial.case} in {trial.variant}: {nearest}")
        if not trial.fault and trial.caught():
            found = "; ".join(
                f"{look.name} {look.status}: {look.detail}"
                for look in trial.quality.looks
                if trial.caught(look.name)
            )
            lines.append(f"false alarm: {trial.case}, {trial.variant}: {found}")
    return "\n".join(lines)


def as_json(trials: Sequence[Trial], device: Device) -> str:
    """Every trial with all that its looks found."""
    document = {
        "device": {"name": device.name, "kind": device.kind, "count": device.count},
        "versions": versions(),
        "trials": [asdict(trial) for trial in trials],
    }
    return json.dumps(document, indent=1, default=str) + "\n"
