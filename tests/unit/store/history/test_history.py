"""What goes into a history comes out of it, from a file and from a server alike."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from nights import AROUND, EXACT, STEP, counts, measured, night_run
from sample_runs import DEVICE

from perfsuite.records import (
    HistoryEvent,
    Outcome,
    Point,
    Series,
    SeriesKind,
    State,
)
from perfsuite.store import StoreError
from perfsuite.store.history import History

ROOT = Path(__file__).parents[4]
LATENCY = Series(DEVICE.slug, "shapes", "shapes 128x128", "bf16", "latency", "s", SeriesKind.NOISY)
ADDS = replace(LATENCY, metric="operators: aten.add", unit="count", kind=SeriesKind.EXACT)
MULS = replace(ADDS, metric="operators: aten.mul")


def test_a_run_comes_out_as_it_went_in(place: str) -> None:
    """Night, environment, raw samples; every series is among all points as by itself."""
    run = night_run(0, measured("fp32", 0.7), measured())
    with History.open(place, create=True) as history:
        added = history.add(run)
        assert (added.new, added.night, added.device) == (True, "2026-03-04", DEVICE.slug)
        (known,) = history.runs()
        assert (known.id, known.outcome, known.commit) == ("run-0", Outcome.COMPLETE, "abc1234")
        assert known.environment.versions == {"torch": "2.13.0"}
        assert known.environment.git == {"torch": "abc"}
        assert known.environment.surroundings == {
            **AROUND,
            "python": "3.11.7",
            "code_for": "AVX512, 2 threads",
        }
        assert history.environment("run-0") == known.environment
        assert history.sessions("run-0") == {("shapes", r.variant): r.session for r in run.results}
        every = dict(history.all_points())
        assert list(every) == history.series() == history.series(DEVICE.slug) == sorted(every)
        assert every[LATENCY] == history.points(LATENCY)
        assert every[ADDS] == history.points(ADDS) == (Point("2026-03-04", "run-0", 3.0),)
        assert history.series("another") == history.runs("another") == []


def test_a_second_time_changes_nothing(place: str) -> None:
    """A run is known by its id, whatever else it says then."""
    with History.open(place, create=True) as history:
        history.add(night_run(0))
        before = list(history.all_points()), history.runs()
        again = history.add(night_run(3, measured(median_s=9.0), id="run-0"))
        assert (again.new, again.night, again.figures) == (False, "2026-03-04", 0)
        assert (list(history.all_points()), history.runs()) == before


def test_counts_of_nights_that_come_in_any_order(place: str) -> None:
    """Points are both ends and both sides of each difference, what was not counted is 0."""
    then, now = {"aten.add": 3}, {"aten.add": 4, "aten.mul": 1}
    with History.open(place, create=True) as history:
        for night, operators in ((0, then), (5, now), (2, then), (4, now), (1, then), (3, then)):
            history.add(night_run(night, measured(counts=counts(operators))))
        said = {s: [(p.run, p.value) for p in history.points(s)] for s in (ADDS, MULS)}
        assert said[ADDS] == [("run-0", 3.0), ("run-3", 3.0), ("run-4", 4.0), ("run-5", 4.0)]
        assert said[MULS] == [("run-0", 0.0), ("run-3", 0.0), ("run-4", 1.0), ("run-5", 1.0)]


def test_a_night_that_did_not_count_has_no_counts(history: History) -> None:
    """It is not 0 there."""
    history.add(night_run(0))
    history.add(night_run(1, measured(counts=counts(operators=None, flop=None))))
    history.add(night_run(2, measured(counts=None)))
    flop = replace(ADDS, metric="FLOPs: unet", unit="FLOP")
    assert [p.run for p in history.points(flop)] == ["run-0"]
    assert [p.run for p in history.points(ADDS)] == ["run-0", "run-1"]


def test_two_writers_lose_nothing(place: str) -> None:
    """Each adds runs of its own while the other does, and both the same one."""
    History.open(place, create=True)
    runs = [night_run(night) for night in range(8)]

    def add(some: list[int]) -> list[bool]:
        with History.open(place) as history:
            return [history.add(runs[i]).new for i in some]

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(add, ([0, 1, 2, 3, 7], [7, 4, 5, 6, 0])))
    assert sum(map(sum, done)) == 8
    with History.open(place) as history:
        assert [run.id for run in history.runs()] == [run.id for run in runs]
        assert [p.run for p in history.points(LATENCY)] == [run.id for run in runs]


KILLED = """
import os, signal, sys
sys.path.insert(0, "tests/helpers")
from nights import night_run
from perfsuite.store.history import History, adding
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
adding.refresh_events = die
History.open(sys.argv[1]).add(night_run(1))
"""


def test_a_killed_import_leaves_nothing(place: str) -> None:
    """Not even at its last step; and whoever comes next can add it."""
    with History.open(place, create=True) as history:
        history.add(night_run(0))
        before = list(history.all_points())
        command = [sys.executable, "-c", KILLED, place]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == -9, done.stderr
        assert (list(history.all_points()), len(history.runs())) == (before, 1)
        assert history.add(night_run(1)).new


# -- changes -----------------------------------------------------------------------------------------

PLAIN = replace(STEP, trials=(), decisions=(), state=State.NOMINATED)
(TRIAL,) = STEP.trials
DECISION = replace(
    STEP.decisions[0], who="a <b>person</b>", reason="it's known; DROP TABLE", until="2026-05-01"
)


def test_changes_with_all_that_belongs_to_them(place: str) -> None:
    """They are replaced by id; trials and decisions are added, each once."""
    with History.open(place, create=True) as history:
        history.add(night_run(0))
        history.save_changes([PLAIN, EXACT])
        assert history.changes() == [EXACT, PLAIN]
        assert (history.add_trial(TRIAL), history.add_trial(TRIAL)) == (True, False)
        assert (history.add_decision(DECISION), history.add_decision(DECISION)) == (True, False)
        opened = replace(DECISION, state=State.CONFIRMED, until=None)
        assert (history.add_decision(opened), history.add_decision(opened)) == (True, False)
        culprit = {"package": "torch", "good": "2.12.0", "bad": "2.13.0"}
        found = replace(PLAIN, state=State.FOUND, culprit=culprit, times_reopened=1, since="2026-03-09")
        history.save_changes([found])
        whole = replace(found, trials=(TRIAL,), decisions=(DECISION, opened))
        assert history.changes() == [EXACT, whole]


def test_what_moved_since_it_was_read_stays(history: History) -> None:
    """A command that took hours does not undo what a person said meanwhile."""
    with history:
        history.add(night_run(1))
        history.save_changes([PLAIN])
        accepted = replace(PLAIN, state=State.ACCEPTED)
        decision = replace(DECISION, state=State.ACCEPTED, until=None)
        assert history.save_changes([accepted], [PLAIN], [decision]) == []
        found = replace(PLAIN, state=State.FOUND)
        assert history.save_changes([found], [PLAIN]) == [PLAIN.id]
        assert history.changes() == [replace(accepted, decisions=(decision,))]


def test_what_belongs_to_nothing_is_refused(history: History) -> None:
    """A change of a series that is not there, evidence and words on a change that is not."""
    with pytest.raises(StoreError, match="no series bf16 latency"):
        history.save_changes([PLAIN])
    assert history.changes() == []
    with pytest.raises(StoreError, match="'c1': the history has none"):
        history.add_trial(TRIAL)
    with pytest.raises(StoreError, match="'c1': the history has none"):
        history.add_decision(DECISION)
    with pytest.raises(StoreError, match="run 'x': the history has none"):
        history.environment("x")


# -- names -------------------------------------------------------------------------------------------


def test_a_device_under_another_name(place: str) -> None:
    """Points, changes and events follow, and so do runs that still come by the old one."""
    with History.open(place, create=True) as history:
        history.add(night_run(0))
        history.save_changes([PLAIN])
        history.add_event(HistoryEvent(DEVICE.slug, "2026-03-05", "other", "moved"))
        history.rename_device(DEVICE.slug, "the lab's")
        assert history.add(night_run(1)).device == "the lab's"
        assert {run.device for run in history.runs()} == {"the lab's"}
        named = replace(LATENCY, device="the lab's")
        assert len(history.points(named)) == 2
        assert [change.series for change in history.changes()] == [named]
        assert [event.device for event in history.events()] == ["the lab's"]
        history.rename_device("the lab's", DEVICE.slug)
        assert {series.device for series in history.series()} == {DEVICE.slug}


def test_a_device_becomes_part_of_a_later_one(place: str) -> None:
    """Where one had its runs before the other; counts that only the earlier had are 0 from then on."""
    other = replace(DEVICE, slug="cpu-example-4t", count=4)
    mul = measured(counts=counts({"aten.mul": 2, "aten.add": 3}))
    with History.open(place, create=True) as history:
        history.add(night_run(0, mul))
        history.add(night_run(1, mul))
        history.add(night_run(2, device=other))
        history.add(night_run(3, device=other))
        history.save_changes([PLAIN])
        history.rename_device(DEVICE.slug, other.slug)
        assert [run.device for run in history.runs()] == [other.slug] * 4
        later = {"device": other.slug}
        assert [p.value for p in history.points(replace(MULS, **later))] == [2.0, 2.0, 0.0, 0.0]
        assert [p.run for p in history.points(replace(ADDS, **later))] == ["run-0", "run-3"]
        assert len(history.points(replace(LATENCY, **later))) == 4
        assert [change.series.device for change in history.changes()] == [other.slug]
        assert [(e.night, e.kind, e.text) for e in history.events()] == [
            ("2026-03-06", "machine", "count 2 -> 4")
        ]


def test_two_machines_stay_two(place: str) -> None:
    """Whose runs are of the same nights; nothing is changed then."""
    other = replace(DEVICE, slug="cpu-other-2t")
    with History.open(place, create=True) as history:
        for night in range(3):
            history.add(night_run(night, id=f"a{night}"))
            history.add(night_run(night, id=f"b{night}", device=other))
        before = list(history.all_points())
        with pytest.raises(StoreError) as refused:
            history.rename_device(DEVICE.slug, other.slug)
        for part in (DEVICE.slug, other.slug, "shapes bf16", "2026-03-04 to 2026-03-06"):
            assert part in str(refused.value)
        assert list(history.all_points()) == before


def test_a_variant_under_another_name(place: str) -> None:
    """Sessions, points, counts and changes follow; into one that is there where nights differ."""
    mul = counts({"aten.mul": 2, "aten.add": 3})
    with History.open(place, create=True) as history:
        history.add(night_run(0, measured("bf16", counts=mul)))
        history.save_changes([PLAIN])
        history.rename_variant("bf16", "half")
        assert list(history.sessions("run-0")) == [("shapes", "half")]
        history.add(night_run(1, measured("bf16")))
        history.rename_variant("half", "bf16")
        assert [p.value for p in history.points(MULS)] == [2.0, 0.0]
        assert len(history.points(LATENCY)) == 2
        assert [change.series.variant for change in history.changes()] == ["bf16"]
        history.add(night_run(2, measured("bf16"), measured("fp32")))
        with pytest.raises(StoreError, match="variant 'fp32' cannot become variant 'bf16'"):
            history.rename_variant("fp32", "bf16")


@pytest.mark.parametrize("what", ["device", "variant"])
def test_a_name_that_is_not_there(history: History, what: str) -> None:
    """The nearest one is offered."""
    history.add(night_run(0, measured("bf16-sdpa")))
    near, wrong = {"device": (DEVICE.slug, "cpu-exampel-2t"), "variant": ("bf16-sdpa", "bf16-spda")}[what]
    rename = {"device": history.rename_device, "variant": history.rename_variant}[what]
    with pytest.raises(StoreError, match=f"{what} '{wrong}': did you mean '{near}'"):
        rename(wrong, "new")
    rename(near, near)
    assert history.runs()[0].device == DEVICE.slug


def test_a_former_name_of_another_is_not_taken(history: History) -> None:
    """Runs may still come by it."""
    history.add(night_run(0))
    history.rename_device(DEVICE.slug, "one")
    history.add(night_run(0, id="other", device=replace(DEVICE, slug="cpu-other")))
    with pytest.raises(StoreError, match="was the name of 'one'"):
        history.rename_device("cpu-other", DEVICE.slug)


def test_a_machine_that_is_named_when_added(history: History) -> None:
    """Two of one kind are two devices."""
    assert history.add(night_run(0), device="left").device == "left"
    assert history.add(night_run(0, id="other"), device="right").device == "right"
    assert {s.device for s in history.series()} == {"left", "right"}
