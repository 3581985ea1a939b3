"""A/Bs of a plan: two environments, in turns on one device."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.records import CellState, PictureStatus, Status, Work
from perfsuite.report import format as show
from perfsuite.report.fleet import matrix, words
from perfsuite.report.fleet.matrix import Mark
from perfsuite.report.html.words import badge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfsuite.fleet.results.reading import Reading
    from perfsuite.fleet.results.squares import Square

_WRONG = (PictureStatus.DEGRADED, PictureStatus.BROKEN)


@dataclass(frozen=True)
class Row:
    """One A/B."""

    workload: str
    variant: str
    base: str
    head: str
    device: str
    repeat: int
    gpu: str
    mark: Mark
    change: str = ""
    interval: str = ""


def rows(of: Reading) -> list[Row]:
    """All of a plan, in order of what they compare."""
    found = [_row(of, square) for square in of.squares if square.block.work is Work.AB]
    return sorted(found, key=lambda r: (r.workload, r.base, r.head, r.device, r.variant, r.repeat))


def _row(of: Reading, square: Square) -> Row:
    block = square.block
    raw = of.comparisons.get(block.id)
    document = _document(raw) if raw is not None and square.state is CellState.DONE else None
    ratio = _number(document, "ratio")
    return Row(
        block.workload, square.cell.variant, block.environments[0], block.environments[-1], block.device,
        square.cell.repeat,
        _gpu(square),
        _mark(square, document),
        show.change(ratio) if ratio is not None else "",
        _interval(document),
    )  # fmt: skip


def _gpu(square: Square) -> str:
    """Empty on a CPU, and where nothing is known yet."""
    if square.state is not CellState.DONE or square.attempts[-1].uuid == "cpu":
        return ""
    return square.attempts[-1].uuid


def _interval(document: dict[str, Any] | None) -> str:
    found = (document or {}).get("interval")
    if not isinstance(found, list) or [type(end) for end in found] != [float, float]:
        return ""
    return " to ".join(map(show.change, found))


def _document(raw: bytes) -> dict[str, Any] | None:
    """What ``perfsuite ab --json`` wrote; None where it is something else."""
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("kind") == "ab" else None


def _number(document: dict[str, Any] | None, name: str) -> float | None:
    found = (document or {}).get(name)
    return float(found) if isinstance(found, int | float) else None


def _mark(square: Square, document: dict[str, Any] | None) -> Mark:
    if square.state is not CellState.DONE:
        return matrix.mark(Work.AB, [square], None)
    if document is None or document.get("status") not in set(Status):
        return Mark(Work.AB, words.plain(words.MISSING), "its figures cannot be read", unsaid=1)
    status = Status(document["status"])
    pictures = document.get("pictures") or {}
    if status is not Status.REGRESSED and pictures.get("status") in _WRONG:
        return Mark(Work.AB, badge(PictureStatus(pictures["status"]), "pictures"), "head draws otherwise")
    return Mark(Work.AB, badge(status), str(document.get("detail", "")))


def where(row: Row) -> str:
    """What was compared on what."""
    return f"{row.base} → {row.head} on {row.device}"


def bad(compared: Iterable[Row]) -> Iterable[Row]:
    """Those that are neither fine nor merely skipped."""
    return (row for row in compared if row.mark.badge.tone in ("bad", "unsure"))
