"""A compiler's mistakes and honest compiled builds as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.report import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.quality.compiled_trials import CompiledTrial

HEADS = ("mistake", "in", "planted at", "change", "of rounding", "found by", "seen at", "near", "s")
LONGEST = 60


def _rows(trials: Sequence[CompiledTrial]) -> list[tuple[str, ...]]:
    return [
        (
            t.case,
            t.component,
            _several(t.planted),
            "none" if not t.change else f"{t.change:.1e}",
            f"{t.change / t.rounding:.2f}" if t.change and t.rounding else "-",
            ", ".join(t.finders()) or "-",
            _cut(t.place) or "-",
            {True: "yes", False: "no", None: "-"}[t.near],
            f"{t.seconds:.0f}",
        )
        for t in trials
    ]


def _several(names: Sequence[str]) -> str:
    return _cut(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else "-"


def _cut(text: str) -> str:
    """The end of a long name, in which names differ."""
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def _totals(variant: str, trials: Sequence[CompiledTrial]) -> list[str]:
    mistakes = [t for t in trials if t.fault]
    honest = [t for t in trials if not t.fault and not t.planted]
    lines = []
    if mistakes:
        count = len(mistakes)
        lines.append(
            f"{variant}: found {sum(t.caught() for t in mistakes)} of {count}, by the outputs alone "
            f"{sum(t.caught_by_outputs() for t in mistakes)} of {count}, seen where they are or beside it "
            f"{sum(t.near is True for t in mistakes)}"
        )
    if honest:
        lines.append(f"{variant}: {sum(t.caught() for t in honest)} alarms in {len(honest)} honest builds")
    return lines


def _remarks(trials: Sequence[CompiledTrial]) -> Iterator[str]:
    for t in trials:
        if t.planted and not t.fault:
            yield f"no mistake: {t.case} in {t.variant} changes nothing that is computed"
        elif t.fault and not t.caught():
            yield f"missed: {t.case} in {t.variant}"
        elif not t.fault and t.caught():
            said = "; ".join(f"{k.name}: {k.detail}" for k in t.quality.looks if t.caught(k.name))
            yield f"false alarm: {t.case}, {t.variant}: {said}"


def table(trials: Sequence[CompiledTrial]) -> str:
    """By variant what was planted and what was found of it, then the counts, misses and false alarms."""
    lines: list[str] = []
    variants = list(dict.fromkeys(t.variant for t in trials))
    for variant in variants:
        planted = [t for t in trials if t.variant == variant and t.planted]
        if planted:
            lines += [variant, *columns.table([HEADS, *_rows(planted)]), ""]
    for variant in variants:
        lines += _totals(variant, [t for t in trials if t.variant == variant])
    return "\n".join([*lines, *_remarks(trials)])
