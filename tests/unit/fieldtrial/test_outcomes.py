"""Counts, their intervals, and what is wanted of them."""

import pytest

from perfsuite.fieldtrial.outcomes import FAILED, REFUSED, Judged, cells, share, targets


def judged(
    outcome: str, run: str = "1", *, regime: str = "quiet", slower: int = 0, slowed: bool = False
) -> Judged:
    return Judged(regime, slower, run, "bf16", slowed, outcome, 0.1, 60.0)


@pytest.mark.parametrize(
    ("hits", "of", "lower", "upper"),
    [(0, 120, 0.0, 0.030273), (120, 120, 0.969727, 1.0), (5, 10, 0.187086, 0.812914), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_the_exact_one(hits: int, of: int, lower: float, upper: float) -> None:
    """Figures of R's binom.test."""
    found = share(hits, of)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=1e-6)
    assert found.value == (hits / of if of else 0)


def test_cells_count_verdicts_and_runs() -> None:
    """Three rungs of a run that alarm are three verdicts and one run."""
    found = cells(
        [*(judged("REGRESSED", "1") for _ in range(3)), *(judged("OK", "2") for _ in range(3)),
         judged("OK", "3", slower=10), judged("REGRESSED", "3", slower=10, slowed=True)]
    )  # fmt: skip
    assert [(c.work, c.verdicts, c.runs) for c in found] == [
        ("unchanged", 6, 2), ("beside slowed", 1, 1), ("+10 %", 1, 1),
    ]  # fmt: skip
    assert (found[0].wrong_runs.hits, found[0].wrong_runs.of) == (1, 2)
    assert found[0].share("OK").value == 0.5
    assert (found[0].least_found, found[0].seconds) == (0.1, 60.0)


@pytest.mark.parametrize(
    ("outcomes", "met"),
    [
        (["OK"] * 6 + ["INCONCLUSIVE"] * 4, True),
        (["OK"] * 5 + ["INCONCLUSIVE"] * 5, False),
        (["OK"] * 9 + ["REGRESSED"], False),
        (["OK"] * 9 + ["IMPROVED"], False),
    ],
)
def test_quiet_and_unchanged_wants_no_alarm_and_six_of_ten_ok(outcomes: list[str], met: bool) -> None:
    (cell,) = cells(judged(each) for each in outcomes)
    assert cell.met is met


def test_refusing_is_as_good_as_finding_on_a_busy_machine_alone() -> None:
    busy, burst, broken = (
        cells(judged(outcome, regime=regime, slower=100, slowed=True) for _ in range(5))[0]
        for regime, outcome in (("busy-check", REFUSED), ("burst-check", REFUSED), ("busy-check", FAILED))
    )
    assert (busy.met, burst.met, broken.met) == (True, False, False)


def test_what_is_only_to_be_stated_is_neither_met_nor_missed() -> None:
    assert targets("burst-record", "+10 %") == ()
    (cell,) = cells([judged("INCONCLUSIVE", regime="burst-record", slower=10, slowed=True)])
    assert cell.met is None
    assert targets("busy-record", "beside slowed")
