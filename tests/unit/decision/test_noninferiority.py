"""Paired right and wrong: intervals that hold their level, and the exact test beside them."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from perfsuite.decision.noninferiority import Paired, paired


def test_pairs_are_counted() -> None:
    """In the order of the tasks, which are the same on both sides."""
    found = paired([True, True, True, False, False], [True, False, False, True, False])
    assert found == Paired(5, 3, 2, lost=2, gained=1)
    assert found.loss == pytest.approx(0.2)


def test_tasks_of_unequal_number_are_no_pairs() -> None:
    """Whoever drew fewer has drawn others."""
    with pytest.raises(ValueError, match="shorter"):
        paired([True, True], [True])


def _score(lost: int, gained: int, count: int, difference: float) -> float:
    """Tango's statistic with the restricted likelihood's maximum found by search, not in closed form."""

    def minus_log_likelihood(share: float) -> float:
        shares = np.array([share + difference, share, 1.0 - 2.0 * share - difference])
        return -float(np.array([lost, gained, count - lost - gained]) @ np.log(shares))

    least, most = max(0.0, -difference), min(1.0, (1.0 - difference) / 2.0)
    room = 1e-9
    found = minimize_scalar(
        minus_log_likelihood, bounds=(least + room, most - room), options={"xatol": 1e-12}
    ).x
    variance = count * (2.0 * found + difference * (1.0 - difference))
    return float((lost - gained - count * difference) / np.sqrt(variance))


@pytest.mark.parametrize(("lost", "gained", "count"), [(12, 2, 50), (3, 2, 100), (9, 4, 80), (20, 1, 40)])
def test_the_interval_is_where_the_score_is_that_of_its_level(lost: int, gained: int, count: int) -> None:
    """At both ends, by another way to the same maximum."""
    low, high = Paired(count, count, count, lost, gained).interval
    assert low < (lost - gained) / count < high
    assert _score(lost, gained, count, low) == pytest.approx(1.95996, abs=1e-3)
    assert _score(lost, gained, count, high) == pytest.approx(-1.95996, abs=1e-3)


def test_without_a_discordant_pair_it_is_done_by_hand() -> None:
    """z^2 / (n + z^2) on both sides."""
    low, high = Paired(50, 45, 45, lost=0, gained=0).interval
    assert (-low, high) == pytest.approx((3.8415 / 53.8415,) * 2, rel=1e-3)


def test_sides_may_be_swapped() -> None:
    """What one loses the other gains."""
    low, high = Paired(80, 70, 65, lost=9, gained=4).interval
    assert Paired(80, 65, 70, lost=4, gained=9).interval == pytest.approx((-high, -low), abs=1e-6)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """2000 draws of 100 pairs, of which 8 % are lost and 3 % gained."""
    draws = np.random.default_rng(0).multinomial(100, (0.08, 0.03, 0.89), size=2000)
    kinds, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    covered = 0
    for (lost, gained), often in zip(kinds, counts, strict=True):
        low, high = Paired(100, 90, 90, int(lost), int(gained)).interval
        covered += often * (low <= 0.05 <= high)
    assert 0.93 <= covered / 2000 <= 0.98


def test_mcnemar_is_exact() -> None:
    """Of 8 discordant pairs all on one side: two in 256."""
    assert Paired(50, 50, 42, lost=8, gained=0).mcnemar == pytest.approx(2 / 256)
    assert Paired(50, 40, 40, lost=0, gained=0).mcnemar == 1.0


def test_how_many_would_settle_it() -> None:
    """More the nearer the loss is to the margin; none where it is there."""
    few = Paired(50, 45, 43, lost=4, gained=2)
    assert few.most_needed(0.1) > 50
    assert few.most_needed(0.05) > few.most_needed(0.1)
    assert Paired(50, 45, 40, lost=5, gained=0).most_needed(0.1) is None
