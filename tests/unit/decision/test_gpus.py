"""Several GPUs of one model: what they differ by widens the interval; the same one is judged as ever."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sessions import make_session

from baselines import WOBBLE, session
from perfsuite.decision import DecisionSettings, compare
from perfsuite.decision.basis import judge, judge_sessions
from perfsuite.decision.estimates import compare_estimates, could_settle
from perfsuite.decision.gpus import Sides, spread
from perfsuite.records import Cause, Entry, Session, Status, Verdict

CUDA = DecisionSettings.for_device("cuda")


def stored(*gpus: str, factors: tuple[float, ...] = WOBBLE) -> Entry:
    """Sessions near one second, a GPU each."""
    sessions = [session(f, gpu=gpu) for f, gpu in zip(factors * 4, gpus, strict=False)]
    return Entry("shapes", "bf16", "p", tuple(sessions))


def judged(entry: Entry, factor: float, gpu: str) -> Verdict:
    return judge(entry, session(factor, gpu=gpu), "cuda")[0]


def width(verdict: Verdict) -> float:
    assert verdict.interval is not None
    return math.log(verdict.interval[1] / verdict.interval[0])


# -- how much of the GPUs is left in a shift -----------------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "candidate", "apart"),
    [
        (("a",), ("a",), 0.0),
        (("a", "a"), ("b",), 2.0),
        (("a", "b"), ("a", "b", "b", "a"), 0.0),
        (("a", "b"), ("a",), 0.5),
        (("a", "b", "c", "d"), ("e",), 1.25),
        (("", ""), ("b",), 0.0),
        (("a",), ("", ""), 0.0),
        (("a", ""), ("a",), 0.0),
    ],
)
def test_gpus_cancel_as_far_as_the_sides_share_them(
    baseline: tuple[str, ...], candidate: tuple[str, ...], apart: float
) -> None:
    assert Sides(baseline, candidate).apart == pytest.approx(apart)


def test_what_is_believed_gives_way_to_what_several_gpus_show() -> None:
    """Of eight GPUs that scatter by 6 % the belief of 2 % is soon forgotten; of one it stays."""
    rng = np.random.default_rng(5)
    means = 0.06 * rng.standard_normal(8)
    side = {f"gpu-{i}": [float(m), float(m) + 0.001, float(m) - 0.001] for i, m in enumerate(means)}
    found = spread([side, {"gpu-0": [0.0]}], 1e-6, CUDA)
    assert found.sd == pytest.approx(0.04, abs=0.01)
    assert (found.measured, found.df) == (8, CUDA.gpu_df + 7)
    alone = spread([{"gpu-0": [0.0, 0.1]}, {"gpu-1": [0.3]}], 1e-6, CUDA)
    assert (alone.sd, alone.df, alone.measured) == (pytest.approx(CUDA.gpu_sd), CUDA.gpu_df, 0)


def test_what_processes_alone_explain_is_no_spread_of_gpus() -> None:
    """Two GPUs, whose sessions scatter by as much as their means do."""
    side = {"a": [0.00, 0.02], "b": [0.01, 0.03]}
    assert spread([side], 0.02**2, CUDA).sd < CUDA.gpu_sd


# -- verdicts ------------------------------------------------------------------------------------------


def test_the_same_gpu_is_judged_as_ever() -> None:
    """A name on both sides, or on neither, or in older files on one: the same figures."""
    usual = judged(stored("", "", "", "", ""), 1.06, "")
    for entry, gpu in ((stored(*"aaaaa"), "a"), (stored("", "", "", "", ""), "a"), (stored(*"aaaaa"), "")):
        assert judged(entry, 1.06, gpu) == usual
    assert Cause.OTHER_GPU not in usual.causes


def test_another_gpu_widens_the_interval_and_is_said() -> None:
    same, other = judged(stored(*"aaaaa"), 1.08, "a"), judged(stored(*"aaaaa"), 1.08, "b")
    assert same.status is Status.REGRESSED
    assert other.status is Status.INCONCLUSIVE
    assert width(other) > 1.5 * width(same)
    assert other.minimum_detectable_effect is not None
    assert same.minimum_detectable_effect is not None
    assert other.minimum_detectable_effect > same.minimum_detectable_effect
    assert other.causes == (Cause.OTHER_GPU,)
    assert "GPUs of one model differ by 2.0 % (assumed), which is in the interval" in other.detail
    assert judged(stored(*"aaaaa"), 1.4, "b").status is Status.REGRESSED


def test_ratios_have_a_narrower_belief() -> None:
    """What limits a GPU slows both of a ratio."""
    sides = Sides(("a",) * 5, ("b",))
    ratios = DecisionSettings.for_device("cuda-relative")
    old, new = [[0.5 * w] * 8 for w in WOBBLE], [[0.53] * 8]
    same, other = (compare_estimates(old, new, ratios, None, gpus) for gpus in (None, sides))
    assert width(same) < width(other) < width(compare([[w] * 8 for w in WOBBLE], [[1.06] * 8], CUDA, sides))
    assert other.causes == (Cause.OTHER_GPU,)


def test_a_baseline_of_several_gpus_knows_their_spread() -> None:
    """New sessions of a fifth GPU: nearer than to one GPU alone, and what was measured is said."""
    one, four = judged(stored(*"a" * 12), 1.0, "e"), judged(stored(*"aaabbbcccddd"), 1.0, "e")
    assert width(four) < width(one)
    assert "(measured on 4)" in four.detail


def test_enough_sessions_of_the_same_gpu_are_compared_alone() -> None:
    """GPU b is 3 % slower than a, and its own stored sessions say so."""
    gpus, factors = ("a",) * 6 + ("b",) * 3, (1.0,) * 6 + (1.03, 1.031, 1.029)
    entry = stored(*gpus, factors=factors)
    verdict = judged(entry, 1.031, "b")
    assert (verdict.ratio, verdict.baseline_sessions) == (pytest.approx(1.001, abs=0.001), 3)
    assert verdict.detail.endswith("of the stored sessions the 3 of 9 of the same GPU")
    fewer = judged(replace(entry, sessions=entry.sessions[:8]), 1.031, "b")
    assert (fewer.baseline_sessions, fewer.causes) == (8, (Cause.OTHER_GPU,))
    assert fewer.ratio == pytest.approx(1.031, abs=0.005)


def test_more_sessions_of_another_gpu_do_not_settle_what_gpus_differ_by() -> None:
    old, fresh = [[w] * 8 for w in WOBBLE], [[1.0] * 8]
    ratios = DecisionSettings.for_device("cuda-relative")
    wide = replace(ratios, gpu_sd=0.05)
    assert could_settle(old, fresh, 4, wide)
    assert not could_settle(old, fresh, 4, wide, Sides(("a",) * 5, ("b",)))


def test_new_sessions_of_several_gpus_know_more_than_of_one() -> None:
    entry = stored(*"aaaaa")
    several = [session(1.0, gpu=gpu) for gpu in "bcde"]
    alike = [session(1.0, gpu="b") for _ in several]
    wide, narrow = (judge_sessions(entry, fresh, "cuda")[0] for fresh in (alike, several))
    assert width(narrow) < width(wide)


def test_gpus_that_differ_are_no_alarm() -> None:
    """Unchanged code, ten sessions of one GPU and four of another, for 300 pairs of GPUs that scatter by 2 %:
    few alarms, and without the names of the GPUs many. A slowdown of 15 % is found more often than not."""
    rng = np.random.default_rng(20)

    def some(count: int, level: float, gpu: str) -> list[Session]:
        levels = level + 0.004 * rng.standard_normal(count)
        calls = [np.exp(one + 0.002 * rng.standard_normal(8)).tolist() for one in levels]
        return [make_session(latency_s=tuple(each), gpu=gpu) for each in calls]

    def alarms(name: str, slower: float) -> int:
        found = 0
        for _ in range(300):
            then, now = 0.02 * rng.standard_normal(2)
            entry = Entry("w", "v", "p", tuple(some(10, then, name and "a")))
            verdict, _ = judge_sessions(entry, some(4, now + slower, name and "b"), "cuda")
            found += verdict.status is Status.REGRESSED
        return found

    assert alarms("named", 0.0) <= 6
    assert alarms("", 0.0) >= 30
    assert alarms("named", 0.14) >= 150


@pytest.mark.parametrize(("name", "value"), [("gpu_sd", 0.0), ("gpu_sd", 11.0), ("gpu_df", 0.5)])
def test_settings_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        DecisionSettings(**{name: value})
