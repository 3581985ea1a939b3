"""`perfsuite track nominate, list, show, decide, summary`: what a person and a cron job see of nights."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from sample_runs import result, session
from typer.testing import CliRunner, Result

from perfsuite.cli.tracking import track as commands
from perfsuite.records import Counts, Device, Run, State, Trial
from perfsuite.store.history import History

GPU = Device("cuda", "Example GPU", "example-gpu", 1, 80 * 2**30, {"cuda": "12.8"})
NAME = "<img src=x>"
LAST = 12
Fill = Callable[..., Path]
FIRST = datetime(2026, 3, 1, 2, tzinfo=UTC)


def night(number: int) -> str:
    return f"{FIRST + timedelta(days=number - 1):%Y-%m-%d}"


def run(number: int, slow: float, clones: int) -> Run:
    """One variant of that speed and those counts."""
    draw = random.Random(number)
    date = (FIRST + timedelta(days=number - 1)).isoformat()
    counts = Counts({"torch": "2.13.0"}, "sm90", {"aten.clone": clones}, None, None, None, None, None)
    seconds = tuple(0.5 * slow * math.exp(draw.gauss(0, 0.003)) for _ in range(9))
    measured = session(NAME, 0.5, date, latency_s=seconds, relative=None, stages=None)
    return Run(f"run-{number}", date, GPU, (replace(result(NAME, 0.5), session=measured, counts=counts),))


@pytest.fixture(scope="module")
def fill(tmp_path_factory: pytest.TempPathFactory) -> Fill:
    """Made once a kind, and copied."""

    @cache
    def made(slow_from: int, counts_from: int) -> Path:
        file = tmp_path_factory.mktemp("history") / "history.db"
        with History.open(file, create=True) as history:
            for i in range(1, LAST + 1):
                history.add(run(i, 1.2 if i >= slow_from else 1.0, 4 if i >= counts_from else 3))
        return file

    def filled(tmp_path: Path, slow_from: int = 99, counts_from: int = 99) -> Path:
        return Path(shutil.copy(made(slow_from, counts_from), tmp_path / "history.db"))

    return filled


def track(command: str, file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(commands, [command, "--db", str(file), *arguments], env={"COLUMNS": "200"})


def nominate(file: Path, number: int = LAST, *arguments: str) -> Result:
    return track("nominate", file, "--night", night(number), *arguments)


def stored(file: Path) -> list:
    return History.open(file).changes()


def test_nights_without_a_change(fill: Fill, tmp_path: Path) -> None:
    done = nominate(fill(tmp_path))
    assert (done.exit_code, done.output) == (0, f"nothing open on {night(LAST)}\n")


def test_a_step_is_undecided_until_an_ab(fill: Fill, tmp_path: Path) -> None:
    """The second evaluation of a night says nothing new and leaves the history as it is."""
    file = fill(tmp_path, slow_from=9)
    done = nominate(file)
    assert done.exit_code == 3, done.output
    assert "nominated" in done.output
    assert f"1 undecided on {night(LAST)}" in done.output
    before = stored(file)
    again = nominate(file)
    assert (again.exit_code, again.output) == (3, f"1 undecided on {night(LAST)}\n")
    assert stored(file) == before


def test_an_ab_opens_it_and_a_decision_closes_it(fill: Fill, tmp_path: Path) -> None:
    file = fill(tmp_path, slow_from=9)
    nominate(file)
    (change,) = [c for c in stored(file) if c.series.metric == "latency"]
    others = [c for c in stored(file) if c.worse and c.id != change.id]
    assert change.nomination.first_bad == night(9)
    with History.open(file) as history:
        for each in (change, *others):
            ends = {"torch": "2.12"}, {"torch": "2.13"}
            history.add_trial(Trial(each.id, "confirm", *ends, "REGRESSED", 1.2, None, 9.0, night(LAST)))
    done = nominate(file)
    assert done.exit_code == 1
    assert "confirmed" in done.output
    decided = track(
        "decide", file, change.id[:6], "accepted", "--reason", "worth it", "--group", "--who", "ada"
    )
    assert decided.exit_code == 0, decided.output
    assert {c.state for c in stored(file) if c.worse} == {State.ACCEPTED}
    assert track("list", file, "--night", night(LAST)).exit_code == 0
    assert nominate(file).exit_code == 0
    shown = track("show", file, change.id)
    assert "accepted by ada: worth it" in shown.output
    assert "A/B to confirm" in shown.output


def test_a_count_is_open_at_once(fill: Fill, tmp_path: Path) -> None:
    file = fill(tmp_path, counts_from=9)
    assert nominate(file).exit_code == 1
    listed = track("list", file, "--night", night(LAST))
    assert listed.exit_code == 1
    assert "3 -> 4" in listed.output
    document = json.loads(track("list", file, "--night", night(LAST), "--json").output)
    (group,) = [g for g in document["groups"] if g["state"] == "confirmed"]
    assert (group["first_bad"], group["changes"][0]["change"]) == (night(9), "3 -> 4")


def test_a_summary_begins_with_its_title(fill: Fill, tmp_path: Path) -> None:
    file = fill(tmp_path, counts_from=9)
    nominate(file)
    (id,) = [c.id for c in stored(file) if c.state is State.CONFIRMED]
    for arguments in (("--group", id[:5]), ("--night", night(LAST))):
        done = track("summary", file, *arguments)
        assert done.exit_code == 0, done.output
        title, empty, *body = done.output.splitlines()
        assert title.startswith("perfsuite: ")
        assert empty == ""
        assert NAME not in done.output
        assert "<" not in title
        assert "&#60;img src=x&#62;" in "\n".join(body)
        assert "find the night and the package: <code>perfsuite bisect" in done.output


def test_a_file_of_decisions(fill: Fill, tmp_path: Path) -> None:
    file = fill(tmp_path, counts_from=9)
    nominate(file)
    (change,) = [c for c in stored(file) if c.worse]
    decisions = tmp_path / "decisions.toml"
    text = f'[[decision]]\nchange = "{change.id}"\nstate = "ignored"\nreason = "known"\nwho = "ada"\n'
    decisions.write_text(f"{text}until = {night(20)}\n")
    for _ in range(2):
        assert nominate(file, LAST, "--decisions", str(decisions)).exit_code == 0
        (ignored,) = [c for c in stored(file) if c.worse]
        assert (ignored.state, len(ignored.decisions)) == (State.IGNORED, 1)
    late = nominate(file, 20, "--decisions", str(decisions), "--nights", "50")
    assert late.exit_code == 1, late.output


def test_a_file_of_decisions_that_is_wrong_saves_nothing(fill: Fill, tmp_path: Path) -> None:
    file = fill(tmp_path, counts_from=9)
    decisions = tmp_path / "decisions.toml"
    decisions.write_text('[[decision]]\nchange = "zz"\nstate = "fixed"\nreason = "x"\nwho = "ada"\n')
    done = nominate(file, LAST, "--decisions", str(decisions))
    assert done.exit_code == 2
    assert "decisions.toml, entry '1', field change: there is no change 'zz'" in done.output
    assert stored(file) == []


def test_nights_that_are_missing(fill: Fill, tmp_path: Path) -> None:
    file = fill(tmp_path)
    done = nominate(file, LAST + 2)
    assert (done.exit_code, done.output) == (3, f"1 absence on {night(LAST + 2)}\n")
    assert "no run" in track("list", file, "--night", night(LAST + 2)).output
    assert track("list", file, "--night", night(LAST + 2), "--nights", "3").exit_code == 0


def test_a_series_by_a_part_of_its_name(fill: Fill, tmp_path: Path) -> None:
    file = fill(tmp_path, slow_from=9)
    nominate(file)
    shown = track("show", file, f"{NAME} latency")
    assert shown.exit_code == 0, shown.output
    assert f"level {night(1)} to {night(8)}" in shown.output
    assert "%, a step, worse" in shown.output
    several = track("show", file, "on example-gpu")
    assert several.exit_code == 2
    assert "give more of it" in several.output
    assert track("show", file, "nothing").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nominate", "--night", "tomorrow"), "--night tomorrow: this is no date"),
        (("nominate", "--night", "2026-03-02"), "changes were evaluated until 2026-03-12 already"),
        (("decide", "zz", "fixed", "--reason", "x", "--who", "ada"), "there is no change 'zz'"),
        (
            ("decide", "ID", "gone", "--reason", "x", "--who", "ada"),
            "'gone' is none that a person can choose",
        ),
        (("decide", "ID", "ignored", "--reason", "x", "--who", "ada"), "until: is missing"),
        (("summary", "--group", "zz"), "--group zz: there is none"),
    ],
)
def test_what_cannot_be_done_is_said(
    fill: Fill, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    file = fill(tmp_path, counts_from=9)
    nominate(file)
    before = stored(file)
    command, *rest = arguments
    done = track(command, file, *(before[0].id if word == "ID" else word for word in rest))
    assert done.exit_code == 2
    assert said in done.output
    assert stored(file) == before


def test_no_history_yet(tmp_path: Path) -> None:
    for command in ("nominate", "list", "summary"):
        done = track(command, tmp_path / "none.db")
        assert done.exit_code == 2
        assert "there is no history yet" in done.output
    assert list(tmp_path.iterdir()) == []
