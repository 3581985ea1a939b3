"""Night by night: what a history makes of its changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_nights import COUNT, LATENCY, Stairs, Team, night, points, trial

from perfsuite.records import Decision, HistoryEvent, Point, State
from perfsuite.tracking.life import states
from perfsuite.tracking.life.evaluate import Evidence, evaluate
from perfsuite.tracking.life.notices import News, notices

STEP = [1.0] * 6 + [1.1] * 30
BACK = [1.0] * 6 + [1.1] * 6 + [1.0] * 30
RETURN = [1.0] * 6 + [1.1] * 6 + [1.0] * 6 + [1.1] * 30


def only(changes: tuple) -> object:
    (change,) = changes
    return change


def said(team: Team, state: State, on: int, until: str | None = None) -> None:
    """A person decides."""
    (change,) = [c for c in team.changes if c.worse]
    decision = Decision(change.id, state, "ada", f"{night(on)}T09:00:00", "because", until)
    team.put(states.decided(change, decision, night(on)))


def confirmed(values: list[float], by: int) -> Team:
    """A team whose one change for the worse an A/B has confirmed."""
    team = Team({LATENCY: values})
    team.nights(1, by)
    (change,) = team.changes
    team.put(replace(change, trials=(*change.trials, trial(change, "REGRESSED", by))))
    team.evaluate(by)
    assert only(team.changes).state is State.CONFIRMED
    return team


def test_a_step_is_one_change_however_often_it_is_seen() -> None:
    team = Team({LATENCY: STEP})
    assert team.nights(1, 7) == ()
    first = only(team.evaluate(8))
    assert (first.state, first.worse, first.nominated) == (State.NOMINATED, True, night(8))
    assert (first.nomination.last_good, first.nomination.first_bad) == (night(6), night(7))
    assert only(team.nights(9, 30)) == first


def test_its_life_to_the_level_that_is_held() -> None:
    team = confirmed(STEP, by=8)
    team.put(replace(only(team.changes), state=State.FOUND, culprit={"package": "torch"}))
    said(team, State.ACCEPTED, 9)
    accepted = only(team.nights(9, 30))
    assert (accepted.state, accepted.since) == (State.ACCEPTED, night(9))


def test_what_comes_after_an_accepted_level_is_another_change() -> None:
    team = Team({LATENCY: [1.0] * 6 + [1.1] * 6 + [1.25] * 10})
    team.nights(1, 9)
    said(team, State.ACCEPTED, 9)
    first, second = team.nights(10, 16)
    assert (first.state, second.state) == (State.ACCEPTED, State.NOMINATED)
    assert first.id != second.id


def test_a_level_that_is_back_recovers_and_its_return_opens_the_same() -> None:
    team = confirmed(RETURN, by=8)
    id = only(team.changes).id
    states = {}
    for on in range(9, 25):
        states[on] = {c.id: (c.state, c.times_reopened) for c in team.evaluate(on)}[id]
    assert states[14] == (State.CONFIRMED, 0)  # two nights could be luck
    assert states[15] == (State.RECOVERED, 0)
    assert states[20] == (State.NOMINATED, 1)  # the A/B of its first time says nothing of its second
    again = next(c for c in team.changes if c.id == id)
    assert again.nomination.first_bad == night(19)
    team.put(replace(again, trials=(*again.trials, trial(again, "REGRESSED", 24))))
    assert {c.id: c.state for c in team.evaluate(24)}[id] is State.CONFIRMED


def test_who_is_told_what_and_when() -> None:
    """Once on entry, once on a better answer, once on recovery, once on its return; never one a night."""
    team = Team({LATENCY: RETURN})
    told = []
    for on in range(1, 30):
        before = team.changes
        team.evaluate(on)
        for change in team.changes:
            if change.worse and change.state is State.NOMINATED and on in (9, 22):
                team.put(replace(change, trials=(*change.trials, trial(change, "REGRESSED", on))))
                team.evaluate(on)
            if change.worse and change.state is State.CONFIRMED and on == 10:
                team.put(replace(change, state=State.FOUND, culprit={"package": "torch"}))
        told += [(on, notice.news) for notice in notices(before, team.changes)]
    assert told == [(9, News.ENTRY), (10, News.ANSWER), (15, News.RECOVERY), (22, News.RETURN)]


def test_the_machine_moved() -> None:
    team = Team({LATENCY: STEP})
    team.nights(1, 8)
    change = only(team.changes)
    team.put(replace(change, trials=(trial(change, "OK", 8),)))
    before = team.changes
    assert only(team.evaluate(9)).state is State.DRIFTED
    assert notices(before, team.changes) == ()
    assert only(team.nights(10, 30)).state is State.DRIFTED


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        (["INCONCLUSIVE"], State.UNCONFIRMED),
        (["NOT_JUDGED"], State.UNCONFIRMED),
        (["INCONCLUSIVE", "REGRESSED"], State.CONFIRMED),
        (["IMPROVED"], State.DRIFTED),
    ],
)
def test_what_an_ab_says(verdicts: list[str], state: State) -> None:
    team = Team({LATENCY: STEP})
    change = only(team.nights(1, 8))
    team.put(replace(change, trials=tuple(trial(change, v, 8 + i) for i, v in enumerate(verdicts))))
    assert only(team.evaluate(10)).state is state


def test_a_step_that_vanishes_before_it_was_tried_is_no_longer_open() -> None:
    class Doubting(Stairs):
        def nominations(self, series, points, epochs, accepted):  # type: ignore[no-untyped-def]
            return [] if len(points) > 9 else super().nominations(series, points, epochs, accepted)

        def levels(self, series, points, epochs):  # type: ignore[no-untyped-def]
            found = super().levels(series, points, epochs)
            return (replace(found[0], last=found[-1].last),) if len(points) > 9 else found

    changes: tuple = ()
    for on in range(1, 12):
        changes = evaluate(Evidence([(LATENCY, points(STEP))], changes=changes), night(on), Doubting())
    assert only(changes).state is State.RECOVERED


def test_ignored_until_a_version() -> None:
    team = confirmed(STEP, by=8)
    said(team, State.IGNORED, 9, until="torch>=2.14")
    team.versions = {"torch": "2.14.0.dev20261110+cu128"}
    assert only(team.nights(9, 14)).state is State.IGNORED
    team.versions = {"torch": "2.14.0"}
    before = team.changes
    again = only(team.evaluate(15))
    assert (again.state, again.since, again.times_reopened) == (State.CONFIRMED, night(15), 1)
    assert [n.news for n in notices(before, team.changes)] == [News.RETURN]
    assert only(team.nights(16, 30)) == again


def test_ignored_until_a_date() -> None:
    team = confirmed(STEP, by=8)
    said(team, State.IGNORED, 9, until=night(12))
    assert only(team.nights(9, 11)).state is State.IGNORED
    assert only(team.evaluate(12)).state is State.CONFIRMED


def test_called_fixed_and_is_not() -> None:
    team = confirmed(STEP, by=8)
    said(team, State.FIXED, 9)
    assert only(team.nights(9, 13)).state is State.FIXED
    assert only(team.evaluate(14)).state is State.CONFIRMED
    assert only(team.changes).times_reopened == 1


def test_called_fixed_and_is() -> None:
    team = confirmed(BACK, by=8)
    said(team, State.FIXED, 12)
    states = [c.state for c in team.nights(12, 30) if c.worse]
    assert states == [State.RECOVERED]


def test_a_count_needs_no_statistics() -> None:
    team = Team({COUNT: [100.0] * 6 + [101.0] * 6 + [100.0, 101.0, 101.0]})
    assert team.nights(1, 6) == ()
    change = only(team.evaluate(7))
    assert (change.state, change.worse) == (State.CONFIRMED, True)
    assert only(team.nights(8, 12)) == change
    assert {c.id: c.state for c in team.evaluate(13)}[change.id] is State.RECOVERED
    again = next(c for c in team.evaluate(14) if c.id == change.id)
    assert (again.state, again.times_reopened) == (State.CONFIRMED, 1)


def test_counts_on_two_nights_are_two_changes() -> None:
    team = Team({COUNT: [100.0] * 3 + [101.0, 102.0, 103.0]})
    assert len({c.id for c in team.nights(1, 6)}) == 3


def test_a_count_that_never_rests_is_told_of_a_few_times_only() -> None:
    team = Team({COUNT: [100.0, 101.0] * 20})
    told = []
    for on in range(1, 41):
        before = team.changes
        told += notices(before, team.evaluate(on))
    assert 1 <= len(told) <= 8
    assert len(team.changes) <= 2


def test_a_count_beside_a_known_event_waits_for_an_ab() -> None:
    driver = HistoryEvent("h100", night(7), "driver", "570 -> 580")
    team = Team({COUNT: [100.0] * 6 + [101.0] * 6}, events=[driver])
    assert only(team.nights(1, 9)).state is State.NOMINATED


def test_an_event_begins_anew() -> None:
    driver = HistoryEvent("h100", night(7), "driver", "570 -> 580")
    assert Team({LATENCY: STEP}, events=[driver]).nights(1, 20) == ()


def test_an_event_after_a_change_hides_whether_it_recovered() -> None:
    """What another machine measures says nothing of a change on the old one."""
    team = confirmed(BACK, by=8)
    team.events = [HistoryEvent("h100", night(13), "machine", "another")]
    assert only(team.nights(9, 20)).state is State.CONFIRMED


def test_an_improvement_is_kept_and_nobody_is_told() -> None:
    team = Team({LATENCY: [1.0] * 6 + [0.8] * 10, COUNT: [5.0] * 6 + [4.0] * 10})
    before = team.changes
    found = team.nights(1, 16)
    assert [c.worse for c in found] == [False, False]
    assert notices(before, found) == ()


def test_a_first_look_at_a_long_history_finds_what_is_open() -> None:
    """What came and went before anybody looked is no news."""
    team = Team({LATENCY: RETURN, COUNT: [7.0] * 4 + [8.0] + [7.0] * 30})
    found = team.evaluate(30)
    assert [c.nomination.first_bad for c in found if c.worse] == [night(19)]


def test_one_point_only() -> None:
    assert Team({LATENCY: [1.0], COUNT: [3.0]}).nights(1, 5) == ()


def test_points_without_weight_take_no_part() -> None:
    hot = [replace(p, excluded="throttled") if p.night > night(6) else p for p in points(STEP)]
    nan = [replace(p, value=float("nan")) if p.night == night(3) else p for p in points([4.0] * 9)]
    evidence = Evidence([(LATENCY, hot), (COUNT, nan)])
    assert evaluate(evidence, night(20), Stairs()) == ()


def test_the_order_in_which_runs_came_does_not_matter() -> None:
    """A machine's clock went backwards, or an old night was imported later."""
    changes = evaluate(Evidence([(LATENCY, points(STEP)[::-1])]), night(20), Stairs())
    assert changes == evaluate(Evidence([(LATENCY, points(STEP))]), night(20), Stairs())


def test_a_night_that_is_imported_late_sharpens_the_interval() -> None:
    missing = [100.0] * 5 + [None, 101.0, 101.0]
    team = Team({COUNT: missing})
    first = only(team.nights(1, 8))
    assert first.nomination.last_good == night(5)
    team.values = {COUNT: [100.0 if v is None else v for v in missing]}
    late = only(team.evaluate(8))
    assert (late.id, late.nomination.last_good) == (first.id, night(6))


def test_two_runs_of_one_night_that_differ() -> None:
    two = [*points([5.0] * 7), Point(night(7), "second", 6.0), *points([6.0] * 4, first=8)]
    changes: tuple = ()
    for on in range(1, 11):
        changes = evaluate(Evidence([(COUNT, two)], changes=changes), night(on), Stairs())
    assert only(changes).state is State.CONFIRMED


def test_what_a_series_is_called_is_its_identity() -> None:
    """Another variant of the same figures has changes of its own; what is known of a lost one stays."""
    team = Team({LATENCY: STEP})
    known = only(team.nights(1, 8))
    renamed = replace(LATENCY, variant="<b>bf16</b>")
    team.values = {renamed: STEP}
    found = team.evaluate(9)
    assert known in found
    assert len({c.id for c in found}) == 2


def test_a_renamed_variant_takes_its_ids_along() -> None:
    """One that comes by its old name later, with a change on the same night, has another."""
    team = Team({COUNT: [5.0] * 6 + [6.0] * 4})
    (known,) = team.nights(1, 8)
    renamed = replace(COUNT, variant="new")
    team.changes = (replace(known, series=renamed),)
    team.values = {COUNT: team.values[COUNT], renamed: team.values[COUNT]}
    found = team.evaluate(9)
    assert len({c.id for c in found}) == len(found) == 2
