"""Bad verdicts that a block has written before it was ended: they are on disk as soon as they are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfsuite.records import UNJUDGED, PictureStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLOWER = frozenset((Status.REGRESSED,))
_REFUSED = _SLOWER.union(UNJUDGED)
"""Of a latency, whose gate fails for what it could not judge. Of pictures NOT_JUDGED is no failure, and is
the same text."""
_WRONG = frozenset((PictureStatus.DEGRADED, PictureStatus.BROKEN))


def bad_result(raw: bytes) -> str:
    """The first bad verdict of a results file that may be cut short; empty for none."""
    known: dict[tuple[Any, Any], dict[str, Any]] = {}
    for line in _lines(raw):
        # A later line of a variant completes the earlier one.
        told = {name: value for name, value in line.items() if value not in (None, [], {})}
        known.setdefault((line.get("workload"), line.get("variant")), {}).update(told)
    for (workload, variant), result in known.items():
        for name, status, bad in _statuses(result):
            if status in bad:
                return f"{workload} {variant}: {name} {status}, before it was ended"
    return ""


def bad_comparison(raw: bytes) -> str:
    """The bad verdict of an A/B's figures, one for which ``perfsuite ab`` ends with 1; empty for none."""
    try:
        document = json.loads(raw or b"{}")
    except ValueError:
        return ""
    for name, found, bad in (("", document, _SLOWER), ("pictures", _under(document, "pictures"), _WRONG)):
        if _status(found) in bad:
            return f"{name} {_status(found)}, before it was ended".strip()
    return ""


def _lines(raw: bytes) -> Iterator[dict[str, Any]]:
    for line in raw.split(b"\n")[:-1]:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("kind") == "result":
            yield found


def _statuses(result: dict[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """What was judged, its status, and those for which its gate fails."""
    yield "latency", _status(result.get("verdict")), _REFUSED
    yield "counts", _status(result.get("counted")), _SLOWER
    yield "quality", _status(result.get("quality")), _WRONG
    yield "picture", _status(result.get("timed")), _WRONG
    for name in ("memory", "start"):
        quantities = result.get(name)
        for each in quantities if isinstance(quantities, list) else []:
            yield name, _status(_under(each, "verdict")), _SLOWER


def _under(found: Any, name: str) -> Any:
    return found.get(name) if isinstance(found, dict) else None


def _status(found: Any) -> str:
    return str(_under(found, "status") or "")
