"""Whether one of two ways loses no more of the same tasks than a margin: pairs of right and wrong, or scores.

Tango's score interval of the difference of paired shares (Statistics in Medicine 17, 1998) keeps its level
with few discordant pairs and with none; the exact McNemar test stands beside it for readers. Scores have
Student's interval of the mean difference.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.optimize import brentq
from scipy.stats import binomtest, norm, t

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95
LEAST_RIGHT = 0.5
"""Share that must be right without: of tasks that nobody can do nothing is lost."""


@dataclass(frozen=True)
class Paired:
    """How many of the same tasks two ways did, and the interval of the share that the second loses."""

    count: int
    right_without: int
    right_with: int
    lost: int
    """Right without, wrong with."""
    gained: int

    @property
    def loss(self) -> float:
        """Share that is lost, less the share that is gained."""
        return (self.lost - self.gained) / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Of `loss`, two-sided, at `CONFIDENCE`."""
        z = float(norm.ppf(0.5 + CONFIDENCE / 2))
        edge, loss = 1.0 - 1e-9, self.loss
        low = -1.0 if self._score(-edge) < z else brentq(lambda d: self._score(d) - z, -edge, loss)
        high = 1.0 if self._score(edge) > -z else brentq(lambda d: self._score(d) + z, loss, edge)
        return low, high

    @property
    def mcnemar(self) -> float:
        """Two-sided exact p-value that neither way is better."""
        discordant = self.lost + self.gained
        return 1.0 if not discordant else float(binomtest(self.lost, discordant).pvalue)

    def _score(self, difference: float) -> float:
        """Tango's statistic of a hypothetical loss; it falls as the loss grows."""
        count, lost, gained = self.count, self.lost, self.gained
        square = 2.0 * count
        linear = -lost - gained + (2.0 * count - lost + gained) * difference
        constant = -gained * difference * (1.0 - difference)
        share = (math.sqrt(max(linear * linear - 4.0 * square * constant, 0.0)) - linear) / (2.0 * square)
        variance = count * (2.0 * share + difference * (1.0 - difference))
        distance = lost - gained - count * difference
        if variance <= 0:
            return 0.0 if distance == 0 else math.copysign(math.inf, distance)
        return distance / math.sqrt(variance)

    def most_needed(self, margin: float) -> int | None:
        """About how many tasks would settle it, None where the loss itself is at the margin."""
        low, high = self.interval
        distance = abs(margin - self.loss)
        if distance < 1e-3:
            return None
        half = (high - self.loss) if self.loss < margin else (self.loss - low)
        return math.ceil(self.count * (half / distance) ** 2)


def paired(without: Sequence[bool], with_it: Sequence[bool]) -> Paired:
    """The pairs of the same tasks, in the same order."""
    pairs = list(zip(without, with_it, strict=True))
    return Paired(
        len(pairs),
        sum(without),
        sum(with_it),
        sum(a and not b for a, b in pairs),
        sum(b and not a for a, b in pairs),
    )


@dataclass(frozen=True)
class PairedScores:
    """What the same tasks lose in score, on average."""

    count: int
    loss: float
    """Mean of the score without less the score with it."""
    error: float
    """Standard error of `loss`."""

    @property
    def interval(self) -> tuple[float, float]:
        """Of `loss`, two-sided, at `CONFIDENCE`."""
        half = float(t.ppf(0.5 + CONFIDENCE / 2, self.count - 1)) * self.error
        return self.loss - half, self.loss + half

    def most_needed(self, margin: float) -> int | None:
        """About how many tasks would settle it, None where the loss itself is at the margin."""
        low, high = self.interval
        distance = abs(margin - self.loss)
        if distance < 1e-3 * abs(margin):
            return None
        return math.ceil(self.count * ((high - low) / 2.0 / distance) ** 2)


def paired_scores(without: Sequence[float], with_it: Sequence[float]) -> PairedScores:
    """The pairs of the same tasks, in the same order.

    Raises:
        ValueError: fewer than two pairs, or a score that is not finite.
    """
    losses = [a - b for a, b in zip(without, with_it, strict=True)]
    if len(losses) < 2 or not all(map(math.isfinite, losses)):
        raise ValueError(f"{len(losses)} pairs of scores; give at least two, all finite")
    return PairedScores(
        len(losses), statistics.fmean(losses), statistics.stdev(losses) / math.sqrt(len(losses))
    )
