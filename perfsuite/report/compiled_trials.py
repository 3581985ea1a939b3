"""A compiler's mistakes and honest compiled builds as a table for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perfsuite.quality.compiled_crediting import Located
from perfsuite.report import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.quality.compiled_trials import CompiledTrial

HEADS = ("mistake", "source", "in", "planted at", "change", "found at", "times", "located")
ALONE = ("of rounding", "found by", "s")
TOGETHER = ("group", "outputs")
LONGEST = 60


def _row(t: CompiledTrial) -> tuple[str, ...]:
    return (
        t.case,
        _short(t.source) or "-",
        t.component,
        _several(t.planted),
        "none" if not t.change else f"{t.change:.1e}",
        _cut(t.place) or "-",
        "-" if t.ratio is None else f"{t.ratio:.1f}",
        str(t.located or "-"),
    )


def _alone(t: CompiledTrial) -> tuple[str, ...]:
    """What all looks say of one mistake."""
    of_rounding = f"{t.change / t.rounding:.2f}" if t.change and t.rounding else "-"
    return of_rounding, ", ".join(t.finders()) or "-", f"{t.seconds:.0f}"


def _together(t: CompiledTrial) -> tuple[str, ...]:
    """What the outputs say of its whole group."""
    return str(t.group), "fail" if t.caught_by_outputs() else "pass"


def _tables(trials: Sequence[CompiledTrial]) -> Iterator[list[str]]:
    alone = [t for t in trials if t.planted and t.group is None]
    if alone:
        yield columns.table([(*HEADS, *ALONE), *((*_row(t), *_alone(t)) for t in alone)])
    together = [t for t in trials if t.planted and t.group is not None]
    if together:
        yield columns.table([(*HEADS, *TOGETHER), *((*_row(t), *_together(t)) for t in together)])


def _short(source: str) -> str:
    """``https://github.com/pytorch/pytorch/issues/1`` as ``pytorch#1``."""
    match = re.fullmatch(r"https://github\.com/[^/]+/(?P<name>[^/]+)/\w+/(?P<number>\d+)", source)
    return f"{match['name']}#{match['number']}" if match else source


def _several(names: Sequence[str]) -> str:
    return _cut(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else "-"


def _cut(text: str) -> str:
    """The end of a long name, in which names differ."""
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def _totals(variant: str, trials: Sequence[CompiledTrial]) -> Iterator[str]:
    mistakes = [t for t in trials if t.fault]
    alone = [t for t in mistakes if t.group is None]
    honest = [t for t in trials if not t.fault and not t.planted]
    if mistakes:
        count, groups = len(mistakes), {t.group for t in mistakes if t.group is not None}
        in_groups = f" in {len(groups)} groups" if groups else ""
        at = sum(t.located is Located.YES for t in mistakes)
        beside = sum(t.located is Located.NEIGHBOUR for t in mistakes)
        farther = sum(t.located is Located.NO and bool(t.place) for t in mistakes)
        yield (
            f"{variant}: {count} mistakes{in_groups}: {at + beside} located ({at} at the module, {beside} "
            f"at a direct neighbour), {farther} seen farther on, {count - at - beside - farther} not seen"
        )
    if alone:
        yield (
            f"{variant}: found {sum(t.caught() for t in alone)} of {len(alone)}, by the outputs alone "
            f"{sum(t.caught_by_outputs() for t in alone)} of {len(alone)}"
        )
    if honest:
        yield f"{variant}: {sum(t.caught() for t in honest)} alarms in {len(honest)} honest builds"


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
        for each in _tables([t for t in trials if t.variant == variant]):
            lines += [variant, *each, ""]
    for variant in variants:
        lines += _totals(variant, [t for t in trials if t.variant == variant])
    return "\n".join([*lines, *_remarks(trials)])
