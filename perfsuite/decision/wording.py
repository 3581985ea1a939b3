"""Verdicts in words: one line for a person."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Verdict


def comparison(verdict: Verdict, reason: str) -> str:
    """Say how a candidate compares with its baseline, how sure that is, and ``reason`` if there is one.

    Args:
        verdict: one with figures, as `perfsuite.decision.compare` makes.
        reason: why the verdict is not another.

    Raises:
        ValueError: the verdict has no figures.
    """
    effect = verdict.minimum_detectable_effect
    if verdict.ratio is None or verdict.interval is None or verdict.confidence is None or effect is None:
        raise ValueError(f"a verdict {verdict.status} without figures compares nothing")
    lower, upper = verdict.interval
    sessions = "1 session" if verdict.baseline_sessions == 1 else f"{verdict.baseline_sessions} sessions"
    text = (
        f"{change(verdict.ratio)} than the baseline of {sessions} "
        f"({verdict.confidence * 100:g} % interval {_signed(lower - 1)} to {_signed(upper - 1)} %), "
        f"least slowdown this comparison can find: {percent(effect)}"
    )
    return f"{text}; {reason}" if reason else text


def signed_change(ratio: float | None) -> str:
    """``+4.2 %`` of a ratio that is slower."""
    return "no ratio" if ratio is None else f"{_signed(ratio - 1)} %"


def in_modes(side: str, modes: Sequence[Sequence[float]]) -> str:
    """Name the modes of one side: number of sessions and typical time, from the logs of seconds."""
    named = " and ".join(f"{len(mode)} near {math.exp(median(mode)):.4g} s" for mode in modes)
    return f"{side} sessions fall in modes: {named}"


def change(ratio: float) -> str:
    """Say a ratio as a change: ``12.3 % slower``."""
    return f"{percent(ratio - 1)} slower" if ratio >= 1 else f"{percent(1 - ratio)} faster"


def percent(fraction: float) -> str:
    """Say a fraction in percent: ``12.3 %``."""
    return f"{_digits(fraction * 100)} %"


def _signed(fraction: float) -> str:
    return ("+" if fraction >= 0 else "-") + _digits(abs(fraction) * 100)


def _digits(value: float) -> str:
    return f"{value:.1f}" if value < 1e6 else f"{value:.2g}"
