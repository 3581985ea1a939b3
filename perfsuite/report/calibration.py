"""What calibration says of each variant: spread, modes, and what the gate will find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.report import columns
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.decision.spread import Spread

HEADER = ("variant", "sessions", "median", "between", "within", "finds", "relative finds", "modes")


def table(found: Sequence[Spread], device: str) -> str:
    """One line a variant, and what the columns mean."""
    rows = [HEADER, *(_row(each) for each in found)]
    lines = [f"fresh sessions on {device}", *columns.table(rows, right=range(1, 7))]
    lines.append(
        "between, within: standard deviation of the log latency between and within sessions; finds: slowdown "
        "that one new session shows with 80 % power, in seconds and relative to the reference variant"
    )
    return "\n".join(lines)


def _row(each: Spread) -> tuple[str, ...]:
    return (
        each.variant,
        str(each.sessions),
        show.seconds(each.median_s),
        _percent(each.between),
        _percent(each.within),
        _percent(each.effect),
        _percent(each.relative_effect),
        ", ".join(show.seconds(m) for m in each.modes_s) or "one",
    )


def _percent(fraction: float | None) -> str:
    return show.DASH if fraction is None else f"{fraction * 100:.1f} %"
