"""`perfsuite bisect`, `track keep` and `track confirm`: words, files and exit codes; no A/B is run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nightlies import NIGHTS, STUB, commit, make_run, make_wheels, night, version
from typer.testing import CliRunner, Result

from perfsuite.cli import app, bisecting
from perfsuite.device import fingerprint
from perfsuite.environments import Index, WheelCache
from perfsuite.records import Change, Counts, Nomination, Shape, State
from perfsuite.store.history import History
from perfsuite.tracking import bisecting as searching
from perfsuite.tracking.bisection.candidates import Candidate
from perfsuite.tracking.bisection.journal import Question
from perfsuite.tracking.bisection.search import Answer, Reply
from perfsuite.tracking.keeping import keep_latest

COUNTS = Counts({"torch": "2.1"}, "AVX", {"aten.clone": 3}, {}, {}, None, {}, None)
SLOW_FROM = version(7)
WHEELS, INDEX = WheelCache(Path("wheels")), Index(find_links=("made",), alone=True)


class Team:
    """A history of twelve nights, and wheels of them in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.db = folder, str(folder / "history.db")
        self.slower = True
        self.asked = 0

    def run(self, *words: str) -> Result:
        shelf = (
            "--find-links",
            str(self.folder / "made"),
            "--no-index",
            "--wheels",
            str(self.folder / "wheels"),
        )
        return CliRunner().invoke(app, [*words, "--packages", STUB, *shelf])

    def nights(self, *words: str) -> Result:
        return self.run(*words, "--db", self.db)

    def oracle(self, builder: Any, plan: Any, **options: Any) -> Any:
        """In place of the A/B: nights from the seventh on are slower."""

        def ask(base: Candidate, head: Candidate, effort: int) -> Reply:
            self.asked += 1
            slower = self.slower and base.versions[STUB] < SLOW_FROM <= head.versions[STUB]
            ratio = 1.08 if slower else 1.0
            return Reply(Answer.REGRESSED if slower else Answer.OK, ratio, (ratio - 0.01, ratio + 0.01))

        return ask

    def change(self, **values: Any) -> Change:
        """One in the history."""
        with History.open(self.db) as history:
            series = next(s for s in history.series() if s.metric == "latency")
            step = Nomination(Shape.STEP, night(3), night(9), 1.0, 1.08, (1.05, 1.1), 9.0, "made 1")
            found = Change("c0ffee", series, step, State.CONFIRMED, True, night(9), night(9))
            history.save_changes([replace(found, **values)])
        return found

    def stored(self) -> Change:
        with History.open(self.db) as history:
            return history.changes()[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team")
    make_wheels(folder / "made")
    device = fingerprint("cpu")
    with History.open(folder / "history.db", create=True) as history:
        for n in NIGHTS:
            history.add(make_run(n, device, "shapes", "bf16", COUNTS), night(n))
    return folder


@pytest.fixture
def team(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    import shutil

    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    found = Team(tmp_path)
    monkeypatch.setattr(searching, "AbOracle", found.oracle)
    return found


BY_HAND = ("bisect", "--variant", "bf16", "--device", "cpu", "--no-explain")


def test_over_nights(team: Team) -> None:
    """A log that goes on, a text beside it, and nights, version and commits in the end."""
    words = (*BY_HAND, "--good", night(1), "--bad", night(12), "--log", "my.jsonl")
    done = team.nights(*words)
    assert done.exit_code == 0, done.output
    assert f"Found: {STUB}, between {night(6)} and {night(7)}: +8.0 % (+7.0 to +9.0 %)" in done.stdout
    assert Path("my.txt").read_text() == done.stdout
    lines = [json.loads(line) for line in Path("my.jsonl").read_text().splitlines()]
    assert lines[-1]["culprit"]["bad"] == SLOW_FROM
    asked = team.asked
    assert team.nights(*words).exit_code == 3
    again = team.nights(*words, "--resume")
    assert (again.exit_code, team.asked) == (0, asked)
    assert "Found: " in again.stdout


def test_kept_wheels_tell_which_nights_are_one(team: Team) -> None:
    """Their commits are not in the history."""
    for n in (5, 6):
        with History.open(team.db) as history:
            latest = [run for run in history.runs() if run.night == night(n)]
        assert keep_latest(WHEELS, INDEX, latest, (STUB,)) == []
    with History.open(team.db) as history:
        runs = history.runs()
    ends = (night(1), night(12))
    asked = Question("shapes", "bf16", "latency", "x", "auto", *ends, (STUB,), 60.0)
    found = searching.of_nights(asked, runs, WHEELS)
    assert [c.labels for c in found.candidates if night(5) in c.labels] == [(night(5), night(6))]
    assert found.candidates[3].git == {STUB: commit(5)}


def test_over_released_versions(team: Team) -> None:
    words = (*BY_HAND, "--package", STUB, "--good", version(1), "--bad", version(12), "--log", "my.jsonl")
    done = team.run(*words)
    assert done.exit_code == 0, done.output
    assert f"{STUB}  bad   {SLOW_FROM}" in done.stdout


def test_a_change_gets_its_culprit_and_its_evidence(team: Team) -> None:
    """A second time asks nothing and changes nothing."""
    team.change()
    done = team.nights("bisect", "--confirmed", "--device", "cpu", "--no-explain")
    assert done.exit_code == 0, done.output
    found = team.stored()
    assert (found.state, found.culprit["package"], found.culprit["bad_night"]) == (
        State.FOUND,
        STUB,
        night(7),
    )
    assert {t.purpose for t in found.trials} == {"bisect"}
    assert len(found.trials) == team.asked
    again = team.nights("bisect", "--confirmed", "--device", "cpu")
    assert (again.exit_code, again.stdout) == (0, "no confirmed change of this device wants a bisection\n")
    assert team.stored() == found


def test_what_the_time_did_not_suffice_for_goes_on(team: Team) -> None:
    team.change()
    words = ("bisect", "--confirmed", "--device", "cpu", "--no-explain")
    done = team.nights(*words, "--limit", "0")
    assert (done.exit_code, team.stored().state, team.asked) == (2, State.BISECTING, 0)
    assert "The time ran out; --resume goes on from here." in done.stdout
    assert team.nights(*words).exit_code == 0
    assert team.stored().state is State.FOUND


@pytest.mark.parametrize("state", [State.NOMINATED, State.DRIFTED, State.ACCEPTED])
def test_only_what_is_confirmed_is_searched(state: State, team: Team) -> None:
    """Else a search that finds nothing would open it."""
    team.change(state=state)
    done = team.nights("bisect", "--change", "c0ffee", "--device", "cpu")
    assert (done.exit_code, team.stored().state, team.asked) == (3, state, 0)
    assert f"--change c0ffee: is {state}; what is searched is confirmed first" in done.stderr


def test_a_change_whose_nights_are_known_better_has_a_log_of_its_own(team: Team) -> None:
    """Steps of another question are no answers to this one, and do not stop it."""
    change = team.change()
    words = ("bisect", "--confirmed", "--device", "cpu", "--no-explain")
    assert team.nights(*words, "--limit", "0").exit_code == 2
    sharper = replace(change.nomination, last_good=night(5))
    team.change(nomination=sharper, state=State.BISECTING)
    assert team.nights(*words).exit_code == 0
    assert len(list(bisecting.LOGS.glob("c0ffee-*.jsonl"))) == 2


def test_what_fails_in_the_explanation_loses_no_answer(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: Any) -> Any:
        raise OSError("no space left")

    monkeypatch.setattr(bisecting, "_explained", fail)
    team.change()
    done = team.nights("bisect", "--confirmed", "--device", "cpu")
    assert (done.exit_code, team.stored().state) == (3, State.FOUND)
    assert "no space left" in done.stderr


def test_a_log_is_not_the_text_beside_it(team: Team) -> None:
    done = team.nights(*BY_HAND, "--good", night(1), "--bad", night(12), "--log", "my.txt")
    assert done.exit_code == 3
    assert "take another suffix" in done.stderr


def test_good_and_bad_that_do_not_differ(team: Team) -> None:
    team.slower = False
    done = team.nights(*BY_HAND, "--good", night(1), "--bad", night(12))
    assert done.exit_code == 1
    assert "there is nothing to search for" in done.stdout
    assert list(bisecting.LOGS.glob("*.jsonl"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--good", night(4), "--bad", night(9)),
            f"{night(4)} is not there; the nearest: {night(3)}, {night(5)}",
        ),
        (("--good", night(9), "--bad", night(1)), "comes after --bad"),
        (("--good", night(9), "--bad", night(9)), "are both"),
        (("--good", night(1)), "--bad: wanted"),
        (("--good", "1.0", "--bad", "1.1"), "name two nights, as 2026-11-02, or the --package"),
        (("--good", "1.0", "--bad", night(9), "--package", STUB), "two versions, as 0.40.0"),
        (("--good", "9.0", "--bad", "9.1", "--package", STUB), "9.0 is not there; the nearest"),
        (("--good", "9.0", "--bad", "9.1", "--package", "not-there"), "not-there: not on the index"),
        (("--good", night(1), "--bad", night(9), "--package", "not-there"), "under test are perfsuite-stub"),
        (("--good", night(1), "--bad", night(9), "--confirmed"), "leave --variant, --good and --bad out"),
        (("--good", night(1), "--bad", night(9), "--workload", "nothing"), "nothing"),
        (("--good", night(1), "--bad", night(9), "--time", "x"), "--time"),
    ],
)
def test_what_cannot_be_bisected(words: tuple[str, ...], said: str, team: Team) -> None:
    """Exit code 3; nothing was asked, and no log begun."""
    done = team.nights(*BY_HAND, *words)
    assert done.exit_code == 3
    assert said in done.stderr
    assert team.asked == 0
    assert not bisecting.LOGS.exists()


def test_a_change_that_is_not_there(team: Team) -> None:
    done = team.nights("bisect", "--change", "abc", "--device", "cpu")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "there is no change 'abc'" in done.stderr


def test_nothing_to_confirm_and_no_history(team: Team) -> None:
    done = team.nights("track", "confirm", "--device", "cpu")
    assert (done.exit_code, done.stdout) == (0, "nothing wants an A/B here\n")
    for command in (("track", "confirm", "--device", "cpu"), ("bisect", "--confirmed", "--device", "cpu")):
        done = team.run(*command, "--db", "nowhere.db")
        assert done.exit_code == 3
        assert "nowhere.db" in done.stderr


def test_a_wheel_that_cannot_be_kept_is_told(team: Team) -> None:
    """The others are."""
    (team.folder / "made" / f"perfsuite_stub-{version(12)}-py3-none-any.whl").unlink()
    done = team.nights("track", "keep")
    assert done.exit_code == 1
    assert f"{STUB}=={version(12)}: not on the index" in done.stderr
    assert team.run("track", "keep", "--db", "nowhere.db").exit_code == 2
