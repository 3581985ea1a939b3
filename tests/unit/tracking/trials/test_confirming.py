"""What an A/B makes of a nomination; the A/B itself is stood in for, the history is a real one."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_nights import night, step
from nightlies import make_run

from perfsuite.records import Change, Counts, Device, Series, SeriesKind, Shape, Start, State, Status, Verdict
from perfsuite.store.history import History
from perfsuite.tracking.bisection.candidates import Candidate
from perfsuite.tracking.bisection.search import Answer, BrokenError, Reply
from perfsuite.tracking.keeping import pinned
from perfsuite.tracking.trials import confirming
from perfsuite.tracking.trials.confirming import MOST_TRIALS, Means, confirm, waiting
from perfsuite.tracking.trials.judging import is_timed, of_metric, settings_for
from perfsuite.workers.ab import Comparison, Plan

DEVICE = Device("cuda", "NVIDIA H100", "h100", 1, 1)
LATENCY = Series("h100", "sdxl", "made", "bf16-sdpa", "latency", "s", SeriesKind.NOISY)
COUNT = replace(LATENCY, metric="operators: aten.clone", unit="count", kind=SeriesKind.EXACT)
COUNTS = Counts({"torch": "2.1"}, "sm_90", {"aten.clone": 3}, {}, {}, None, {}, None)


class Oracles:
    """In place of both oracles: what they are asked, and what they answer."""

    def __init__(self, *statuses: Status) -> None:
        self.statuses = list(statuses)
        self.asked: list[tuple[str, str, int, float]] = []
        self.error: Exception | None = None

    def make(self, builder: Any, plan: Plan, settings: Any = None, **options: Any) -> Any:
        oracles = self

        class Made:
            last: Comparison | None = None

            def __call__(self, base: Candidate, head: Candidate, effort: int) -> Reply:
                oracles.asked.append((base.label, head.label, effort, plan.time_s))
                if oracles.error is not None:
                    raise oracles.error
                status = oracles.statuses.pop(0)
                ratio = 1.08 if status is Status.REGRESSED else 1.0
                self.last = Comparison(plan, verdict=Verdict(status, ratio, (ratio - 0.01, ratio + 0.01)))
                return Reply(Answer.OK if status is Status.OK else Answer.REGRESSED, ratio, None, "3 before")

        return Made()


@pytest.fixture
def oracles(monkeypatch: pytest.MonkeyPatch) -> Oracles:
    made = Oracles()
    monkeypatch.setattr(confirming, "AbOracle", made.make)
    monkeypatch.setattr(confirming, "CountsOracle", made.make)
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve nights; torch is a new one each night, but on the nights 11 and 12."""
    path = tmp_path_factory.mktemp("history") / "history.db"
    found = History.open(path, create=True)
    for n in range(1, 13):
        run = make_run(n, DEVICE, "sdxl", "bf16-sdpa", COUNTS)
        versions = {"torch": f"2.{min(n, 11)}", "accelerate": "1.1" if n == 10 else "1.0"}
        (result,) = run.results
        assert result.session is not None
        around = {"allocator": "glibc", "driver": f"55{n // 6}"}
        session = replace(result.session, versions=versions, environment=around, start=Start(9.0))
        found.add(replace(run, results=(replace(result, session=session),)), night(n))
    return path


@pytest.fixture
def history(made: Path, tmp_path: Path) -> History:
    shutil.copy(made, tmp_path)
    return History.open(tmp_path / made.name)


def nominated(history: History, good: int, bad: int, series: Series = LATENCY, **changes: Any) -> Change:
    """A change in the history."""
    shape = Shape.EXACT if series is COUNT else Shape.STEP
    found = Change(
        f"{series.metric[:3]}{good}", series, step(good, bad, 1.0, 1.08, shape), State.NOMINATED, True,
        night(bad), night(bad),
    )  # fmt: skip
    found = replace(found, **changes)
    history.save_changes([found])
    return found


def decided(history: History, **options: Any) -> list[Change]:
    """All that waits, decided; as the history has it then."""
    runs = history.runs("h100")
    means = Means(builder=None, plan=Plan(time_s=60.0), packages=("torch",), **options)  # type: ignore[arg-type]
    confirm(history, waiting(history.changes(), runs, "h100"), runs, means)
    return history.changes()


@pytest.mark.parametrize(
    ("statuses", "state", "asked"),
    [
        ([Status.REGRESSED], State.CONFIRMED, 1),
        ([Status.OK], State.DRIFTED, 1),
        ([Status.IMPROVED], State.DRIFTED, 1),
        ([Status.INCONCLUSIVE, Status.REGRESSED], State.CONFIRMED, 2),
        ([Status.INCONCLUSIVE, Status.INCONCLUSIVE], State.UNCONFIRMED, 2),
    ],
)
def test_the_ab_decides(
    statuses: list[Status], state: State, asked: int, history: History, oracles: Oracles
) -> None:
    """With more time where it cannot tell; the evidence is stored."""
    nominated(history, 6, 7)
    oracles.statuses = list(statuses)
    (found,) = decided(history)
    assert found.state is state
    assert [(a, b, e) for a, b, e, _ in oracles.asked] == [(night(6), night(7), n) for n in range(asked)]
    (trial,) = found.trials
    assert (trial.purpose, trial.verdict) == ("confirm", statuses[-1])
    assert (dict(trial.base), dict(trial.head)) == ({"torch": "2.6"}, {"torch": "2.7"})


def test_what_could_not_be_settled_is_tried_on_a_later_night_and_not_without_end(
    history: History, oracles: Oracles
) -> None:
    nominated(history, 6, 7)
    oracles.statuses = [Status.INCONCLUSIVE] * 2
    (found,) = decided(history)
    runs = history.runs("h100")
    assert waiting([found], runs, "h100") == []
    later = [*runs, replace(runs[-1], date="2099-01-01T00:00:00")]
    assert waiting([found], later, "h100") == [found]
    often = replace(found, trials=found.trials * MOST_TRIALS)
    assert waiting([often], later, "h100") == []
    assert waiting([found], later, "cpu") == []


def test_bisections_and_earlier_occurrences_are_no_tries(history: History, oracles: Oracles) -> None:
    """What was confirmed and bisected, recovered and came back, wants an A/B of its own."""
    nominated(history, 6, 7)
    oracles.statuses = [Status.REGRESSED]
    (found,) = decided(history)
    runs = history.runs("h100")
    step_of_search = replace(found.trials[0], purpose="bisect")
    old = replace(found, trials=(*found.trials, *[step_of_search] * 8))
    back = replace(old, state=State.NOMINATED, nominated="2099-01-01", times_reopened=1)
    assert waiting([back], runs, "h100") == [back]
    searched = replace(old, state=State.NOMINATED, trials=(step_of_search,) * 8)
    assert waiting([searched], runs, "h100") == [searched]


def test_no_difference_says_nothing_where_others_changed_too(history: History, oracles: Oracles) -> None:
    nominated(history, 9, 10)
    oracles.statuses = [Status.OK]
    (found,) = decided(history)
    assert found.state is State.UNCONFIRMED
    (trial,) = found.trials
    assert trial.verdict == "NOT_JUDGED"
    assert "others changed too, which no A/B exchanges: accelerate 1.0 -> 1.1" in trial.detail


def test_what_is_smaller_than_an_ab_tells_is_not_called_the_machines(
    history: History, oracles: Oracles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of memory 5 % more at the least: 4 % a month would be accepted for ever."""
    nominated(history, 6, 7)
    oracles.statuses = [Status.OK]
    verdict = Verdict(Status.OK, 1.08, (1.07, 1.09), tolerance=0.15)
    monkeypatch.setattr(confirming, "of_metric", lambda *words: verdict)
    (found,) = decided(history)
    assert (found.state, found.trials[0].verdict) == (State.UNCONFIRMED, "NOT_JUDGED")
    assert "8.0% is less than the 15% that an A/B tells of latency" in found.trials[0].detail


def test_a_decision_during_the_ab_holds(
    history: History, oracles: Oracles, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = nominated(history, 6, 7)
    oracles.statuses = [Status.REGRESSED]
    judge = confirming.of_metric

    def meanwhile(*words: Any) -> Any:
        history.save_changes([replace(asked, state=State.ACCEPTED)])
        return judge(*words)

    monkeypatch.setattr(confirming, "of_metric", meanwhile)
    (found,) = decided(history)
    assert found.state is State.ACCEPTED
    assert [t.verdict for t in found.trials] == ["REGRESSED"]


def test_equal_packages_need_no_ab(history: History, oracles: Oracles) -> None:
    """The driver changed, and nothing else that is known."""
    nominated(history, 11, 12)
    (found,) = decided(history)
    assert found.state is State.DRIFTED
    assert "driver 551 -> 552; perfsuite track event tells of it" in found.trials[0].detail
    assert oracles.asked == []


def test_a_package_that_is_not_exchanged_may_have_done_it(history: History, oracles: Oracles) -> None:
    nominated(history, 10, 11)
    runs = [r if r.night != night(11) else replace(r, environment=replace(
        r.environment, versions={**r.environment.versions, "torch": "2.10"})) for r in history.runs("h100")
    ]  # fmt: skip
    means = Means(builder=None, plan=Plan(), packages=("torch",))  # type: ignore[arg-type]
    (found,) = confirm(history, history.changes(), runs, means)
    assert found.change.state is State.UNCONFIRMED
    assert "accelerate 1.1 -> 1.0; see --packages" in found.trial.detail
    assert oracles.asked == []


def test_no_wheel_is_left(history: History, oracles: Oracles) -> None:
    nominated(history, 6, 7)
    oracles.error = BrokenError(None, "torch==2.6: not on the index")
    (found,) = decided(history)
    assert (found.state, found.trials[0].detail) == (State.UNCONFIRMED, "torch==2.6: not on the index")


def test_a_night_that_is_gone(history: History, oracles: Oracles) -> None:
    nominated(history, 6, 20)
    (found,) = decided(history)
    assert found.state is State.UNCONFIRMED
    assert found.trials[0].detail == f"the history has no run of {night(20)} any more"


def test_metrics_of_one_variant_share_an_ab(history: History, oracles: Oracles) -> None:
    for metric, unit in (("latency", "s"), ("relative latency", "ratio")):
        nominated(history, 6, 7, replace(LATENCY, metric=metric, unit=unit))
    oracles.statuses = [Status.REGRESSED]
    assert [c.state for c in decided(history)] == [State.CONFIRMED] * 2
    assert len(oracles.asked) == 1


def test_what_an_ab_does_not_measure_says_so(history: History, oracles: Oracles) -> None:
    nominated(history, 6, 7, replace(LATENCY, metric="build"))
    (found,) = decided(history)
    assert (found.state, found.trials[0].detail) == (State.UNCONFIRMED, "an A/B does not measure build")


@pytest.mark.parametrize(
    ("status", "state"), [(Status.OK, State.DRIFTED), (Status.REGRESSED, State.CONFIRMED)]
)
def test_an_exact_metric_is_counted_on_both_sides(
    status: Status, state: State, history: History, oracles: Oracles
) -> None:
    nominated(history, 6, 7, COUNT)
    oracles.statuses = [status]
    (found,) = decided(history)
    assert found.state is state
    assert found.trials[0].detail == "counted in both environments: 3 before"


def test_after_the_limit_nothing_is_begun(history: History, oracles: Oracles) -> None:
    nominated(history, 6, 7)
    (found,) = decided(history, until=time.monotonic())
    assert (found.state, found.trials) == (State.NOMINATED, ())


def test_wheels_between_the_nights_of_an_open_change_are_needed(history: History) -> None:
    changes = [nominated(history, 6, 8), nominated(history, 2, 3, state=State.RECOVERED)]
    assert pinned(changes, history.runs(), ("torch",)) == {("torch", f"2.{n}") for n in (6, 7, 8)}


# -- what an A/B says of a metric --------------------------------------------------------------------


def test_the_tolerance_is_less_than_what_is_looked_for() -> None:
    """A change that is half found in each half would be found in none."""
    assert [round(settings_for(r).tolerance, 4) for r in (1.5, 1.03, 1.01, 1 / 1.03)] == [
        0.02, 0.0149, 0.006, 0.0149
    ]  # fmt: skip
    assert settings_for(float("inf")).tolerance == 0.02
    assert settings_for(1.08, 5).risk == pytest.approx(0.005)


def test_which_metrics_an_ab_can_say_anything_of() -> None:
    timed = [
        "latency",
        "relative latency",
        "latency in fixed work",
        "stage: VAE",
        "peak memory",
        "first call",
    ]
    assert all(map(is_timed, timed))
    assert not any(
        map(is_timed, ["SSIM", "operators: aten.clone", "compile, cold", "gate: counts", "stage: other"])
    )


def test_memory_and_first_call_are_judged_by_their_own_rule() -> None:
    found = Comparison(Plan(), verdict=Verdict(Status.OK))
    for side, factor in (("base", 1.0), ("head", 2.0)):
        found.facts[side].peak_memory_bytes = [int(factor * 2**30)] * 3
        found.facts[side].first_call_s = [10 * factor] * 3
    for metric, status in (
        ("latency", Status.OK),
        ("peak memory", Status.REGRESSED),
        ("first call", Status.REGRESSED),
    ):
        verdict = of_metric(found, metric, settings_for(1.1))
        assert verdict is not None
        assert verdict.status is status
    assert of_metric(found, "stage: VAE", settings_for(1.1)) is None
