"""Everything that the pages show, as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from perfsuite.report.tracking import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.records import ChangeGroup, Overview, Point, Series, Tracked

SCHEMA_VERSION = 1


def index(of: Overview, pages: Mapping[Series, str], groups: Mapping[str, str]) -> bytes:
    """Groups, absences, runs and series, with the names of their pages."""
    document = text.document(of)
    for group in document["groups"]:
        group["page"] = groups[group["id"]]
    document["runs"] = [_run(run) for run in of.runs]
    document["series"] = [
        {**asdict(one.series), "name": one.series.name, "page": pages.get(one.series),
         "points": len(one.points), "states": sorted({change.state for change in one.changes})}
        for one in of.tracked
    ]  # fmt: skip
    return _bytes(document)


def of_series(of: Tracked) -> bytes:
    """One series with all of its points, levels, epochs and changes."""
    return _bytes({
        "schema_version": SCHEMA_VERSION,
        "series": {**asdict(of.series), "name": of.series.name},
        "points": _Plain([_point(point) for point in of.points]),
        "levels": [vars(level) for level in of.levels],
        "epochs": [vars(event) for event in of.epochs],
        "changes": [_change(change) for change in of.changes],
    })  # fmt: skip


def of_group(of: ChangeGroup) -> bytes:
    """One group with its trials and decisions."""
    return _bytes({
        "schema_version": SCHEMA_VERSION,
        "id": of.id,
        "headline": of.headline,
        "last_good": of.last_good,
        "first_bad": of.first_bad,
        "changes": [_change(change) for change in of.changes],
    })  # fmt: skip


def _run(of: Any) -> dict[str, Any]:
    environment = of.environment
    return {**vars(of), "environment": {name: _plain(value) for name, value in vars(environment).items()}}


def _change(of: Any) -> dict[str, Any]:
    nested = {"series": vars(of.series), "nomination": {**vars(of.nomination), "ratio": of.nomination.ratio}}
    lists = {"trials": [vars(t) for t in of.trials], "decisions": [vars(d) for d in of.decisions]}
    return {**vars(of), **nested, **lists}


class _Plain(list[dict[str, Any]]):
    """What JSON knows already, of which there is much."""


def _point(of: Point) -> dict[str, Any]:
    found = dict(vars(of))
    for name in ("value", "error"):
        if found[name] is not None and not math.isfinite(found[name]):
            found[name] = None
    return found


def _bytes(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(_plain(document), allow_nan=False) + "\n").encode()


def _plain(value: Any) -> Any:
    """Of what JSON knows: what is not finite is null."""
    if isinstance(value, _Plain):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return dict(value) if hasattr(value, "items") else value
