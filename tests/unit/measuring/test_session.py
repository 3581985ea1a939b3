"""Warm-up ends when calls stop getting faster, and the rounds fit the budget; time is the test's."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from perfsuite.device.load import Stretch
from perfsuite.measuring import session
from perfsuite.measuring.session import Plan, is_steady, rounds_for, warm_up
from perfsuite.records import Device, Session


@pytest.mark.parametrize(
    ("warmup_s", "steady"),
    [
        ([], False),
        ([1.0], False),
        ([1.0, 1.0], False),
        ([1.0, 1.0, 1.0], True),
        ([2.0, 1.0, 1.0], False),
        ([2.0, 1.0, 1.0, 1.0], True),
        ([1.0, 0.981, 1.0], True),
        ([1.0, 0.979, 1.0], False),
        ([1.0, 1.0, 0.979], False),
        ([1.0, 3.0, 2.0], True),
        ([3.0, 2.0, 1.0], False),
        ([3.0, 1.0, 5.0, 4.0], True),
        ([1.0, 5.0, 2.0, 2.0], True),
        ([1.0, 0.97, 0.94, 0.91], False),
    ],
)
def test_steady_once_the_minimum_holds(warmup_s: Sequence[float], steady: bool) -> None:
    """Two calls that lower the least time by no more than 2 %: slower ones are noise, faster are not."""
    assert is_steady(warmup_s, Plan()) is steady


@pytest.mark.parametrize(("gain", "calls", "steady"), [(0.1, 2, True), (0.02, 2, False), (0.02, 1, True)])
def test_rule_is_the_plans(gain: float, calls: int, steady: bool) -> None:
    """Allowed gain and number of calls are taken from the plan."""
    assert is_steady([1.0, 0.95, 0.95], Plan(steady_gain=gain, steady_calls=calls)) is steady


class Calls:
    """A call that takes these seconds on the clock of the test, one after the other."""

    def __init__(self, durations_s: Sequence[float]) -> None:
        self._durations: Iterator[float] = iter(durations_s)
        self.time = 50.0
        self.made = 0

    def __call__(self) -> None:
        self.time += next(self._durations)
        self.made += 1


@pytest.mark.parametrize(
    ("durations_s", "made", "steady"),
    [
        ([4.0, 1.0, 1.0, 1.0, 9.0], 4, True),
        ([1.0, 1.5, 1.2, 9.0], 3, True),
        ([2.0**-i for i in range(20)], 10, False),
        ([*(2.0**-i for i in range(8)), 1.0, 1.0, 1.0], 10, True),
    ],
)
def test_warm_up_calls_until_steady(
    durations_s: Sequence[float], made: int, steady: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It returns each call's seconds, stops at once when steady, and says so if it met its limit first."""
    calls = Calls(durations_s)
    monkeypatch.setattr(session, "now", lambda: calls.time)
    seconds, rule_met = warm_up(calls, Plan())
    assert seconds == pytest.approx(durations_s[:made])
    assert (calls.made, rule_met) == (made, steady)


@pytest.mark.parametrize(
    ("call_s", "rounds"),
    [(1.0, 6), (1.1, 5), (1.21, 5), (100.0, 5), (0.13, 46), (0.12, 50), (1e-6, 50), (0.7, 8)],
)
def test_rounds_fit_the_budget(call_s: float, rounds: int) -> None:
    """As many as fit into six seconds, but at least 5 and at most 50."""
    assert rounds_for(call_s, Plan()) == rounds


def test_a_session_tells_of_memory_and_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory before each round and after the last; the build without the first call that proved it."""
    found = session.measure(stand_in(Calls([1.0] * 20), Watch(), monkeypatch), session.time_calls, Plan())
    assert found.memory is not None
    assert found.start is not None
    assert len(found.memory.held_bytes) == len(found.memory.resident_bytes) == len(found.latency_s) + 1
    assert found.memory.base_bytes == 2**20
    assert (found.start.build_s, found.start.contended, found.start.first) == (0.5, ("build",), True)


def test_what_was_taken_before_is_given_back_before_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what torch reserved would be of tests before; the warm-up takes its own anew."""
    calls, made = Calls([1.0] * 20), list[int]()
    prepared = stand_in(calls, Watch(), monkeypatch)
    monkeypatch.setattr(session, "free", lambda: made.append(calls.made))
    session.measure(prepared, session.time_calls, Plan())
    assert made == [0]


def test_budget_is_the_plans() -> None:
    """A larger budget means more rounds, between the same bounds."""
    rounds = [rounds_for(0.5, Plan(time_budget_s=budget)) for budget in (0.1, 3.0, 6.0, 12.0, 60.0)]
    assert rounds == [5, 6, 12, 24, 50]


class Watch:
    """In place of `Conditions`: rounds with these numbers are throttled, or contended."""

    def __init__(self, throttled: Sequence[int] = (), contended: Sequence[int] = ()) -> None:
        self._throttled, self._contended, self._rounds = throttled, contended, 0

    def mark(self) -> None:
        self._rounds += 1

    def pause(self) -> None:
        pass

    def throttled(self) -> list[int]:
        return [i for i in self._throttled if i < self._rounds]

    def contended(self) -> list[int]:
        return [i for i in self._contended if i < self._rounds]

    def finish(self) -> dict[str, float]:
        return {"rounds": float(self._rounds)}


def stand_in(calls: Calls, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A prepared pipeline whose generations are the calls; all beside them takes no time."""
    monkeypatch.setattr(session, "now", lambda: calls.time)
    monkeypatch.setattr(session, "Conditions", lambda kind: watch)
    for name in ("measure_stages", "limits"):
        monkeypatch.setattr(session, name, lambda prepared: None)
    monkeypatch.setattr(session, "settings_apart", dict)
    monkeypatch.setattr(session, "control_s", lambda kind: 0.1)
    return SimpleNamespace(
        context=SimpleNamespace(
            first_call=lambda pipe: 2.0,
            device=Device("cpu", "Example", "cpu-example-2t", 2, 2**33),
            first_call_s=2.0,
            first_call_watched=Stretch(2.0, fixed_work_s=(0.005, 0.006)),
            variant=SimpleNamespace(compiled=False),
            compilation=None,
        ),
        pipe=None,
        generate=calls,
        build_s=2.5,
        building=Stretch(2.5, contended=True, fixed_work_s=(0.004, 0.005)),
        first_call_inside=True,
        base_bytes=2**20,
        first=True,
    )


@pytest.mark.parametrize(
    ("bad", "kept", "left_out", "unfit"),
    [
        ([], 5, 0, ""),
        ([0, 3], 5, 2, ""),
        ([0, 3, 5, 6], 5, 4, ""),
        ([1, 2, 3, 4, 5, 6, 7, 8], 10, 8, "8 of 10 rounds were disturbed: "),
    ],
)
@pytest.mark.parametrize("of", ["throttled", "contended"])
def test_disturbed_rounds_are_measured_again(
    of: str, bad: Sequence[int], kept: int, left_out: int, unfit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until there are enough, at most as many as there were; with too few fit ones all stand, and the session
    says that it is unfit."""
    found = measured(Watch(**{of: bad}), Plan(time_budget_s=5.0), monkeypatch)
    why = {"throttled": "the GPU was throttled", "contended": "other processes took its cores"}[of]
    assert (len(found.latency_s), len(getattr(found, f"{of}_s"))) == (kept, left_out)
    assert found.unfit == (unfit + why if unfit else "")
    assert found.conditions["rounds"] <= 10


def test_a_round_that_was_both_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(Watch([0, 1], [1, 2]), Plan(time_budget_s=5.0), monkeypatch)
    assert (len(found.latency_s), len(found.throttled_s), len(found.contended_s)) == (5, 2, 1)


@pytest.mark.parametrize(("contended", "fit"), [(range(5), False), ([0], True)])
def test_as_it_comes_nothing_is_set_apart_and_the_session_says_so(
    contended: Sequence[int], fit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(time_budget_s=6.0, as_it_comes=True)
    found = measured(Watch(contended=contended), plan, monkeypatch)
    assert (len(found.latency_s), found.contended_s) == (6, ())
    assert found.unfit == ("" if fit else "5 of 6 rounds ran while other processes took its cores")


def test_where_every_round_is_throttled_they_all_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(Watch(range(10)), Plan(time_budget_s=5.0), monkeypatch)
    assert (len(found.latency_s), len(found.throttled_s)) == (10, 10)
    assert found.unfit == "10 of 10 rounds were disturbed: the GPU was throttled"


@pytest.mark.parametrize(
    ("waits", "contended", "rounds", "waited_s", "unfit"),
    [
        # Busy all the time: it is not asked twice.
        ([(False, 20.0)], range(5), 5, 20.0, True),
        # A burst over all rounds, and then silence.
        ([(True, 1.0), (True, 4.0)], range(5), 10, 5.0, False),
        # Busy again, and still so.
        ([(True, 1.0), (False, 19.0)], range(5), 5, 20.0, True),
        # Some rounds were fit, so more may be.
        ([(True, 1.0), (False, 19.0)], range(4), 9, 20.0, False),
    ],
)
def test_where_others_stay_nothing_is_repeated(
    waits: list[tuple[bool, float]], contended: Sequence[int], rounds: int, waited_s: float, unfit: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Rounds beside others are slow ones; a session that waits for ever would be slower still."""
    answers = iter(waits)
    monkeypatch.setattr(session, "wait_until_quiet", lambda threads, limit_s: next(answers))
    found = measured(Watch(contended=contended), Plan(time_budget_s=5.0, wait_s=20.0), monkeypatch)
    assert (found.conditions["rounds"], found.conditions["waited_s"]) == (rounds, waited_s)
    assert bool(found.unfit) is unfit
    assert next(answers, None) is None


def test_what_was_waited_stands_in_the_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what it may wait, so that a run knows what is left of its patience."""
    asked: list[tuple[int, float]] = []

    def wait(threads: int, limit_s: float) -> tuple[bool, float]:
        asked.append((threads, limit_s))
        return True, 1.5

    monkeypatch.setattr(session, "wait_until_quiet", wait)
    found = measured(Watch(), Plan(time_budget_s=5.0, wait_s=20.0), monkeypatch)
    assert (asked, found.conditions["waited_s"]) == ([(2, 20.0)], 1.5)
    assert "waited_s" not in measured(Watch(), Plan(time_budget_s=5.0), monkeypatch).conditions


def measured(watch: Watch, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session of calls of one second, beside what `watch` saw."""
    calls = Calls([1.0] * 99)
    return session.measure(stand_in(calls, watch, monkeypatch), session.time_calls, plan)


def test_a_start_has_the_fixed_work_beside_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's import here, so none of it."""
    start = measured(Watch([]), Plan(time_budget_s=5.0), monkeypatch).start
    assert start is not None
    assert start.fixed_work_s == {"build": (0.004, 0.005), "first call": (0.005, 0.006)}
    assert start.contended == ("build",)


def test_rounds_follow_the_last_calls_of_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are slower than what will be timed."""
    prepared = stand_in(Calls([8.0, 4.0, *[1.0] * 99]), Watch([]), monkeypatch)

    found = session.measure(prepared, session.time_calls, Plan(time_budget_s=12.0))

    assert found.warmup_s == pytest.approx((8.0, 4.0, 1.0, 1.0, 1.0))
    assert len(found.latency_s) == 12


def test_time_calls_prepares_each_outside_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls([1.0, 2.0, 3.0])
    monkeypatch.setattr(session, "now", lambda: calls.time)

    def before() -> None:
        calls.time += 100.0

    assert session.time_calls(calls, 3, before) == [1.0, 2.0, 3.0]
