"""Two sides measured in turns, piece by piece: what a few fresh pairs of them say together.

Each pair gives the ratio of two pieces that ran within milliseconds of each other, many times. Pieces of one
kind (text encoders, a denoising step, VAE) are compared with their kind, by the mean of the log ratios
without the highest and lowest fifth: a neighbour that steals the processor for a moment spoils a few pieces,
not the mean. Kinds are added up by their share of a whole call. Where a call's steps cost differently, as
with a cache that spares some, whole calls are the pieces. Neighbouring ratios correlate, so the error comes
from the means of blocks. What differs between processes shows between pairs.

Of two processes of the same code the one that was built later is the faster one by up to 1 or 2 %: pairs in
which base was built first and pairs in which head was weigh the same together, whatever their number.

The pairs are looked at one after the other and measuring stops when the question is settled, so each look
gets a part of the risk (Bonferroni over the most looks there may be).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING

from perfsuite.decision.statistics import exp, tail_quantile
from perfsuite.decision.wording import change, percent
from perfsuite.records import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

TRIM = 0.2
"""Share of the log ratios left out at each end."""
BLOCKS = 12
"""Blocks of consecutive ratios, at most, whose means give the error of one pair."""
FLIPS = 4000
"""Random sign flips of the permutation test."""


@dataclass(frozen=True)
class PairedSettings:
    """What is accepted, and how sure one must be. Raises `ValueError` for a value outside its range."""

    tolerance: float = 0.02
    """OK if the whole interval lies below this slowdown, a fraction."""
    minimum_effect: float = 0.005
    """Slowdowns up to this one are nobody's concern."""
    risk: float = 0.025
    """Of calling REGRESSED what is slower by just `minimum_effect`, over all looks; one that is not slower
    at all is called so far less often."""
    confidence: float = 0.95
    most_looks: int = 2
    """How often the pairs are looked at, at most; the risk is divided by it."""
    least_pairs: int = 2
    between_sd: float = 0.006
    """Belief about the log ratio of identical code between fresh pairs, beyond what shows inside one."""
    between_df: float = 10.0
    """Weight of that belief."""

    def __post_init__(self) -> None:
        for name in ("tolerance", "risk", "confidence", "between_sd"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)!r}")
        if not 0 <= self.minimum_effect < self.tolerance:
            raise ValueError(f"minimum_effect must lie in [0, tolerance), got {self.minimum_effect!r}")
        if self.most_looks < 1 or self.least_pairs < 1:
            raise ValueError("most_looks and least_pairs must be 1 or more")


@dataclass(frozen=True)
class Turns:
    """What one pair of processes measured in turns."""

    names: tuple[str, ...]
    """Kind of each piece: ``text``, ``step`` or ``vae``."""
    base_s: tuple[float, ...]
    head_s: tuple[float, ...]
    """Seconds of the same piece on both sides."""
    first: str = ""
    """The side that was built first, ``base`` or ``head``; empty where it is not known."""

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.base_s) == len(self.head_s) or not self.names:
            raise ValueError(
                f"unequal or empty turns: {len(self.names)} names, {len(self.base_s)} and "
                f"{len(self.head_s)} times"
            )
        for side in (self.base_s, self.head_s):
            for index, seconds in enumerate(side):
                if not 0 < seconds < math.inf:
                    raise ValueError(f"piece {index} took {seconds!r} s: wanted positive and finite")

    def calls(self, per_call: int, kinds: Collection[str]) -> Turns:
        """Whole calls as pieces of the kind ``call``: the seconds of each call's pieces of those kinds.

        For calls whose steps cost differently: a trimmed mean over their ratios would leave the dear ones
        out, and a step stands for no other.

        Args:
            per_call: pieces in a call; calls that were not finished are left out.
            kinds: what is added up.
        """
        count = len(self.names) // per_call
        base_s, head_s = [0.0] * count, [0.0] * count
        pieces = zip(self.names, self.base_s, self.head_s, strict=True)
        for index, (name, base, head) in enumerate(pieces):
            call = index // per_call
            if name in kinds and call < count:
                base_s[call] += base
                head_s[call] += head
        return replace(self, names=("call",) * count, base_s=tuple(base_s), head_s=tuple(head_s))


@dataclass(frozen=True)
class PairRatio:
    """One pair's log ratio of whole calls, head over base."""

    shift: float
    error: float
    blocks: tuple[float, ...]
    """Log ratios of consecutive parts of it."""


def pair_ratio(turns: Turns, pieces: dict[str, int]) -> PairRatio:
    """Estimate one pair's ratio of whole calls; ``pieces`` says how many of each kind a call has.

    Raises:
        ValueError: a kind of a whole call that was not measured.
    """
    base_s: dict[str, list[float]] = {}
    ratios: dict[str, list[float]] = {}
    for name, base, head in zip(turns.names, turns.base_s, turns.head_s, strict=True):
        base_s.setdefault(name, []).append(base)
        ratios.setdefault(name, []).append(math.log(head / base))
    missing = pieces.keys() - ratios.keys()
    if missing:
        raise ValueError(f"no piece of the kind {', '.join(sorted(missing))} was measured")
    cost = {name: count * median(base_s[name]) for name, count in pieces.items()}
    total = sum(cost.values())
    means = {name: _trimmed(ratios[name]) for name in pieces}
    shift = math.log(sum(cost[n] / total * math.exp(means[n]) for n in pieces))
    variance, blocks = 0.0, []
    for name in pieces:
        parts = in_blocks(ratios[name])
        # Too few for blocks, as of text encoders and VAE in a few calls: each stands for itself.
        values = [_trimmed(part) for part in parts] if len(parts) > 1 else ratios[name]
        share = cost[name] / total
        if len(values) > 1:
            middle = fmean(values)
            squares = sum((v - middle) ** 2 for v in values)
            variance += share**2 * squares / (len(values) * (len(values) - 1))
        if share == max(cost.values()) / total:
            # Of whole calls: the other kinds, which have fewer values, stand at their means.
            blocks = [shift + share * (value - means[name]) for value in values]
    return PairRatio(shift, math.sqrt(variance), tuple(blocks))


def compare_turns(
    pairs: Sequence[Turns], pieces: dict[str, int], settings: PairedSettings | None = None
) -> Verdict:
    """Judge whether head is slower than base.

    REGRESSED and IMPROVED need both tests: Student's t over the pairs, with the spread between them
    shrunk to what is believed of it and not below what shows inside them, and random sign flips of all
    blocks of all pairs, which assumes no distribution.

    Args:
        pairs: one or more, each of fresh processes.
        pieces: how many pieces of each kind one whole call has.
        settings: what is accepted, and how sure one must be.

    Returns:
        The verdict: REGRESSED if certainly slower than the minimum effect and not certainly within the
        tolerance, IMPROVED likewise, OK if the interval lies below the tolerance, else INCONCLUSIVE.

    Raises:
        ValueError: no pair, or times that are not positive and finite.
    """
    settings = settings or PairedSettings()
    if not pairs:
        raise ValueError("no pair was measured")
    found = [pair_ratio(pair, pieces) for pair in pairs]
    count, orders = len(found), Counter(pair.first for pair in pairs)
    weights = [1 / len(orders) / orders[pair.first] for pair in pairs]
    shift = sum(w * f.shift for w, f in zip(weights, found, strict=True))
    middles = {o: fmean(f.shift for f, p in zip(found, pairs, strict=True) if p.first == o) for o in orders}
    squares = sum((f.shift - middles[p.first]) ** 2 for f, p in zip(found, pairs, strict=True))
    within = fmean(f.error**2 for f in found)
    df = settings.between_df + count - len(orders)
    prior = settings.between_sd**2 + within
    spread = max((settings.between_df * prior + squares) / df, within)
    error = math.sqrt(spread * sum(w**2 for w in weights))
    risk = settings.risk / settings.most_looks
    outer = (1 - settings.confidence) / 2
    effect = math.log1p(settings.minimum_effect)
    lower, upper = (shift + sign * tail_quantile(outer, df) * error for sign in (-1, 1))
    alarm = tail_quantile(risk, df) * error
    enough = count >= settings.least_pairs
    accepted = math.log1p(settings.tolerance)
    status, reason = Status.INCONCLUSIVE, "too noisy, or too short, to tell"
    p_value = _tail((shift - effect) / error if error else math.inf, df) if shift > effect else 1.0
    if enough and upper <= accepted and lower >= -accepted:
        status, reason = Status.OK, f"the whole interval lies within {percent(settings.tolerance)}"
    elif enough and shift - alarm > effect and _flips(found, weights, effect) <= risk:
        status, reason = Status.REGRESSED, ""
    elif enough and shift + alarm < -effect and _flips(found, weights, effect, -1) <= risk:
        status, reason = Status.IMPROVED, ""
    elif enough and upper <= accepted:
        status, reason = Status.OK, f"not slower by more than {percent(settings.tolerance)}"
    elif not enough:
        reason = f"fewer than {settings.least_pairs} pairs of processes"
    power = tail_quantile(1 - 0.8, df) * error
    mde = exp(max(effect + alarm, 0.0) + power) - 1
    of_processes = f"{count} pair{'s' if count > 1 else ''} of processes"
    text = (
        f"head is {change(exp(shift))} than base ({settings.confidence * 100:g} % interval "
        f"{(exp(lower) - 1) * 100:+.1f} to {(exp(upper) - 1) * 100:+.1f} %), {of_processes}, "
        f"{sum(len(p.names) for p in pairs)} pieces each; least slowdown this can find: {percent(mde)}"
    )
    return Verdict(
        status=status,
        ratio=exp(shift),
        interval=(exp(lower), exp(upper)),
        confidence=settings.confidence,
        minimum_detectable_effect=mde,
        tolerance=settings.tolerance,
        baseline_sessions=count,
        candidate_sessions=count,
        baseline_s=fmean(_call_s(pair, pieces) for pair in pairs),
        detail=f"{text}; {reason}" if reason else text,
        p_value=p_value,
    )


def _call_s(turns: Turns, pieces: dict[str, int]) -> float:
    """Seconds of a whole call of base, from the medians of its pieces."""
    kinds = Counter(turns.names)
    values = {k: median(s for n, s in zip(turns.names, turns.base_s, strict=True) if n == k) for k in kinds}
    return sum(count * values[name] for name, count in pieces.items())


def _trimmed(values: Sequence[float]) -> float:
    ordered = sorted(values)
    out = int(TRIM * len(ordered))
    return fmean(ordered[out : len(ordered) - out])


def in_blocks(values: Sequence[float]) -> list[Sequence[float]]:
    """Cut into consecutive parts of 5 values or more, `BLOCKS` of them at most."""
    count = max(1, min(BLOCKS, len(values) // 5))
    edges = [round(i * len(values) / count) for i in range(count + 1)]
    return [values[a:b] for a, b in pairwise(edges)]


def _flips(found: Sequence[PairRatio], weights: Sequence[float], effect: float, sign: int = 1) -> float:
    """One-sided p of the weighted mean block being beyond ``effect``, by random sign flips of the blocks."""
    import numpy as np

    values = sign * np.array([b for f in found for b in f.blocks]) - effect
    shares = np.array([w / len(f.blocks) for f, w in zip(found, weights, strict=True) for _ in f.blocks])
    flipped = np.random.default_rng(0).choice((-1.0, 1.0), (FLIPS, len(values))) @ (shares * values)
    return float((1 + (flipped >= shares @ values).sum()) / (1 + FLIPS))


def _tail(t: float, df: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(df, -t))
