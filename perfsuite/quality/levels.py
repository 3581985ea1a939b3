"""Whether honest eager code of each precision is still as near to float32 as when it was recorded.

Budgets are relative to that code in the same run, so a kernel that got worse for everybody (a nightly's
bfloat16 product, say) would widen them and go unseen. Its own errors are therefore stored, and compared.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from perfsuite.quality.budgets import FLOORS, KIND_LEAST
from perfsuite.quality.golden import GoldenError
from perfsuite.records import Deviation, Look, PictureStatus
from perfsuite.store.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.quality.reference import Reference
    from perfsuite.quality.reference_files import Yardstick
    from perfsuite.quality.relative_errors import Place

SCHEMA_VERSION = 1
LEVEL_FACTOR = 1.5
"""Allowed multiple of a stored level: room for another device's kernels, none for a lost rounding."""
KIND_LEVEL_FACTOR = 1.25
"""For a class of modules, where the luck of single calls averages out: a bit less in a kernel shows."""
RECORD = "perfsuite calibrate --golden"

OF_KIND = " in "
"""Between a class of modules and its component, in the name of a group."""

Levels = dict[str, dict[str, float]]
"""By precision and group: root mean square of the honest pipeline's relative L2 errors."""


def levels_path(folder: Path, device_kind: str = "cpu") -> Path:
    """File below ``baselines/reference/<workload>``, of each kind of device its own: their kernels round in
    other places."""
    return folder / ("levels.json" if device_kind == "cpu" else f"levels-{device_kind}.json")


def _path_for(folder: Path, reference: Reference) -> Path:
    return levels_path(folder, reference.device.kind if reference.device is not None else "cpu")


def levels_of(reference: Reference) -> Levels:
    """The levels of every precision whose honest pipeline this reference has measured."""
    kinds = {record.place: record.kind for record in reference.modules}
    return {name: _grouped(yardstick, kinds) for name, yardstick in reference.yardsticks.items()}


def _grouped(yardstick: Yardstick, kinds: dict[Place, str]) -> dict[str, float]:
    groups: dict[str, list[float]] = defaultdict(list)
    for place, error in yardstick.errors["components"].items():
        groups[f"{place.component}.{place.part}" if place.part else place.component].append(error)
    of_kinds: dict[str, list[float]] = defaultdict(list)
    for place, error in yardstick.errors.get("modules", {}).items():
        of_kinds[kinds[place] + OF_KIND + place.component].append(error)
    groups |= {name: errors for name, errors in of_kinds.items() if len(errors) >= KIND_LEAST}
    return {name: math.sqrt(sum(e * e for e in errors) / len(errors)) for name, errors in groups.items()}


def write_levels(folder: Path, reference: Reference) -> Path:
    """Store the levels of this reference, in place of any older ones.

    Raises `GoldenError`, and writes nothing, if a level is infinite.
    """
    found = levels_of(reference)
    for precision, groups in found.items():
        for name, level in groups.items():
            if not level < float("inf"):
                raise GoldenError(f"honest {precision} gives NaN in {name}: no level is stored")
    path = _path_for(folder, reference)
    document = {"schema_version": SCHEMA_VERSION, "precisions": found}
    write_atomic(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
    return path


def _read(path: Path) -> Levels:
    try:
        document = json.loads(path.read_text())
        if document["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema {document['schema_version']!r}, this perfsuite reads {SCHEMA_VERSION}")
        found = {
            str(precision): {str(name): _level(level) for name, level in groups.items()}
            for precision, groups in document["precisions"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GoldenError(
            f"{path}: not readable ({type(error).__name__}: {error}); restore it with: git checkout -- {path}"
        ) from error
    return found


def _factor(group: str) -> float:
    return KIND_LEVEL_FACTOR if OF_KIND in group else LEVEL_FACTOR


def _level(value: Any) -> float:
    if not isinstance(value, float) or not 0.0 <= value < float("inf"):
        raise ValueError(f"{value!r} is no error")
    return value


def compare_levels(folder: Path, reference: Reference) -> Look:
    """The honest pipelines of this run against the stored levels; NEW where none are stored."""
    name, path = "honest", _path_for(folder, reference)
    if not path.exists():
        return Look(name, PictureStatus.NEW, detail=f"no levels {path}; record them: {RECORD}")
    stored, found = _read(path), levels_of(reference)
    judged = [
        Deviation(
            f"{precision} {group}",
            level if level < float("inf") else None,
            before,
            _factor(group) * max(before, FLOORS[precision]),
        )
        for precision, groups in found.items()
        for group, level in groups.items()
        if (before := stored.get(precision, {}).get(group)) is not None
    ]
    if not judged:
        return Look(
            name, PictureStatus.NEW, detail=f"{path} holds none of {', '.join(found) or 'no precision'}"
        )
    beyond = [deviation for deviation in judged if deviation.ratio > 1.0]
    worst = max(judged, key=lambda deviation: deviation.ratio)
    if not beyond:
        detail = f"largest {worst.ratio:.2f} of what is allowed, at {worst.place}"
        return Look(name, PictureStatus.OK, len(judged), None, worst, 0, detail)
    now = "NaN" if worst.error is None else f"{worst.error:.2g}"
    detail = (
        f"eager code itself has moved: {worst.place}: error {now}, stored {worst.same_precision:.2g}, "
        f"allowed {worst.budget:.2g}; {len(beyond)} of {len(judged)} groups; accept it: {RECORD}"
    )
    return Look(name, PictureStatus.DEGRADED, len(judged), beyond[0], worst, len(beyond), detail)
