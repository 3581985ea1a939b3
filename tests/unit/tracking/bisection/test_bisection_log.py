"""What surrounds the search: its log, where it walks, and what is told of it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from made_nights import night, run

from perfsuite.store import StoreError
from perfsuite.tracking.bisection.candidates import (
    Candidate,
    NoSuchCandidateError,
    between,
    of_runs,
    of_versions,
    restricted,
)
from perfsuite.tracking.bisection.journal import Journal, Question, Step
from perfsuite.tracking.bisection.links import compare_link
from perfsuite.tracking.bisection.running import bisect
from perfsuite.tracking.bisection.search import Answer, BrokenError, OutOfTimeError, Reply
from perfsuite.tracking.bisection.telling import step as told

QUESTION = Question(
    "shapes", "bf16", "latency", "cpu-x", "auto", night(1), night(12), ("torch", "diffusers"), 60.0
)


class Oracle:
    """Nights from the seventh on are 8 % slower; counts how often it is asked."""

    def __init__(self, broken: str = "") -> None:
        self.asked = 0
        self.broken = broken

    def __call__(self, base: Candidate, head: Candidate, effort: int) -> Reply:
        self.asked += 1
        for each in (base, head):
            if each.label == self.broken:
                raise BrokenError(each, "does not start")
        slower = base.label < night(7) <= head.label
        ratio = 1.08 if slower else 1.0
        return Reply(
            Answer.REGRESSED if slower else Answer.OK, ratio, (ratio - 0.01, ratio + 0.01), "so it is"
        )


def walk() -> list[Candidate]:
    return of_runs([run(n, torch=f"2.{n}", diffusers="0.42.1") for n in range(1, 13) if n != 4], ("torch",))


def journal(path: Path, oracle: Oracle, question: Question = QUESTION, **options: Any) -> Journal:
    return Journal(path, question, oracle, **options)


def found_by(log: Journal) -> list[tuple[str, str]]:
    found = bisect(walk(), ("torch",), log)
    return [(n.culprit.good.label, n.culprit.bad.label) for n in found.named]


@pytest.mark.parametrize("cut", [1, 2, 4, 6])
def test_an_interrupted_one_goes_on_where_it_was(cut: int, tmp_path: Path) -> None:
    """Killed in the middle of a line: that step is asked again, those before it are not."""
    path, oracle = tmp_path / "log.jsonl", Oracle(broken=night(6))
    log = journal(path, oracle)
    log.begin(resume=False)
    whole = found_by(log)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:cut]) + lines[cut][:20])
    again = Oracle(broken=night(6))
    resumed = journal(path, again)
    resumed.begin(resume=True)
    assert found_by(resumed) == whole == [(night(5), night(7))]
    assert again.asked == oracle.asked - (cut - 1)
    assert path.read_text().count("\n") == len(lines)
    third = Oracle()
    last = journal(path, third)
    last.begin(resume=True)
    assert found_by(last) == whole
    assert third.asked == 0


def test_a_broken_night_is_not_tried_again(tmp_path: Path) -> None:
    log = journal(tmp_path / "log.jsonl", oracle := Oracle(broken=night(6)))
    log.begin(resume=False)
    found_by(log)
    asked = oracle.asked
    broken = next(c for c in walk() if c.label == night(6))
    with pytest.raises(BrokenError, match="does not start"):
        log(walk()[0], broken, 2)
    assert oracle.asked == asked


@pytest.mark.parametrize(
    ("text", "resume", "said"),
    [
        (None, True, "there is no log to go on with; leave --resume out"),
        ("", False, "there is a log already; go on with --resume, or name another --log"),
        ('{"kind": "run"}\n', True, "is no log of a bisection by this perfsuite"),
        ("[1]\n", True, "line 1 is no line of such a log"),
        ("HEAD\n{}\n", True, "line 2 is no line of such a log"),
        ('HEAD\n{"kind": "step", "number": "x"}\n', True, "line 2 is no line of such a log"),
    ],
)
def test_a_log_that_cannot_be_used(text: str | None, resume: bool, said: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    journal(path, Oracle()).begin(resume=False)
    head = path.read_text().strip()
    path.unlink()
    if text is not None:
        path.write_text(text.replace("HEAD", head))
    with pytest.raises(StoreError, match=said):
        journal(path, Oracle()).begin(resume=resume)


def test_a_log_of_another_question_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    journal(path, Oracle()).begin(resume=False)
    other = Question(*(*list(vars(QUESTION).values())[:-1], 30.0))
    with pytest.raises(
        StoreError, match=r"of another question: time_s was 60\.0 and is 30\.0; ask as before"
    ):
        journal(path, Oracle(), other).begin(resume=True)


def test_nothing_is_asked_after_the_limit(tmp_path: Path) -> None:
    log = journal(tmp_path / "log.jsonl", oracle := Oracle(), until=time.monotonic())
    log.begin(resume=False)
    with pytest.raises(OutOfTimeError):
        log(walk()[0], walk()[-1], 0)
    assert oracle.asked == 0


@pytest.mark.parametrize("left", ["", '{"kind": "bisec'])
def test_a_log_that_was_hardly_begun(left: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(left)
    log = journal(path, Oracle())
    log.begin(resume=True)
    assert found_by(log) == [(night(6), night(7))]
    assert json.loads(path.read_text().splitlines()[0])["question"]["variant"] == "bf16"


def test_each_step_is_a_line_that_a_person_can_read(tmp_path: Path) -> None:
    steps: list[Step] = []
    log = journal(tmp_path / "log.jsonl", Oracle(), told=steps.append)
    log.begin(resume=False)
    found_by(log)
    log.conclude({"culprit": {"package": "torch"}})
    again = journal(log.path, Oracle())
    again.begin(resume=True)
    again.conclude({"culprit": {"package": "torch"}})
    assert told(steps[0]) == "  1. 2026-11-01 -> 2026-11-12: REGRESSED +8.0 % (+7.0 to +9.0 %), 0 s"
    documents = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [d["kind"] for d in documents] == ["bisection", *["step"] * len(steps), "found"]
    assert documents[1]["head_versions"] == {"torch": "2.12"}


# -- candidates --------------------------------------------------------------------------------------


def test_nights_in_order_without_those_that_are_missing() -> None:
    """A second run of a night counts in place of the first; a package that is not installed is none."""
    runs = [run(2, torch="2.2", triton="not installed"), run(1, torch="2.1"), run(3, torch="2.2")]
    found = of_runs(runs, ("torch", "triton"), lambda package, version: None)
    assert [(c.label, c.labels, dict(c.versions)) for c in found] == [
        (night(1), (night(1),), {"torch": "2.1"}),
        (night(2), (night(2), night(3)), {"torch": "2.2"}),
    ]


def test_versions_of_one_commit_are_the_same() -> None:
    """As the kept wheels tell, where the history does not."""
    commits = {"2.5": "abcdef0", "2.6": "abcdef0", "2.7": "0123456"}
    found = of_runs(
        [run(n, torch=f"2.{n}") for n in (5, 6, 7)], ("torch",), lambda package, version: commits[version]
    )
    assert [c.labels for c in found] == [(night(5), night(6)), (night(7),)]


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (night(1), night(1), "--good and --bad are both 2026-11-01"),
        (night(5), night(2), "--good 2026-11-05 comes after --bad 2026-11-02; exchange them"),
        (night(4), night(9), r"2026-11-04 is not there; the nearest: 2026-11-03, 2026-11-05"),
        (night(1), "2027-01-01", r"2027-01-01 is not there; the nearest: 2026-11-11, 2026-11-12"),
        (night(1), "soon", "soon is not there; the nearest"),
    ],
)
def test_ends_that_cannot_be(good: str, bad: str, said: str) -> None:
    with pytest.raises(NoSuchCandidateError, match=said):
        between(walk(), good, bad)


def test_two_nights_that_ran_the_same() -> None:
    same = of_runs([run(n, torch="2.1") for n in (1, 2, 3)], ("torch",))
    with pytest.raises(NoSuchCandidateError, match=r"ran the same packages \(torch 2\.1\).*the machine"):
        between(same, night(1), night(3))
    with pytest.raises(NoSuchCandidateError, match="there is nothing to search in"):
        between([], night(1), night(3))


def test_one_package_alone_is_exchanged() -> None:
    rows = [run(n, torch=f"2.{n}", diffusers=f"0.4{n // 2}") for n in range(1, 6)]
    found = restricted(of_runs(rows, ("torch", "diffusers")), "diffusers")
    assert [(c.label, c.labels, dict(c.versions)) for c in found] == [
        (night(1), (night(1),), {"torch": "2.1", "diffusers": "0.40"}),
        (night(2), (night(2), night(3)), {"torch": "2.1", "diffusers": "0.41"}),
        (night(4), (night(4), night(5)), {"torch": "2.1", "diffusers": "0.42"}),
    ]


def test_versions_in_their_own_order() -> None:
    assert [c.label for c in of_versions("diffusers", ["0.40.0", "0.9.0", "0.41.0.dev1"])] == [
        "0.9.0", "0.40.0", "0.41.0.dev1"
    ]  # fmt: skip


# -- links -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "versions", "git", "links", "wanted"),
    [
        ("torch", ("2.13.0", "2.14.0"), ("a" * 40, "b" * 40), (),
         f"https://github.com/pytorch/pytorch/compare/{'a' * 40}...{'b' * 40}"),
        ("diffusers", ("0.40.0", "0.42.1"), (None, None), (),
         "https://github.com/huggingface/diffusers/compare/v0.40.0...v0.42.1"),
        # A night has no tag, and half a pair of hashes is none.
        ("torch", ("2.14.0.dev20261101", "2.14.0.dev20261102"), ("a" * 40, None), (),
         "https://github.com/pytorch/pytorch"),
        ("mine", ("1.0", "1.1"), (None, None), ("Homepage, https://example.org", "Source, https://github.com/me/mine.git"),
         "https://github.com/me/mine/compare/v1.0...v1.1"),
        ("mine", ("1.0", "1.1"), (None, None), ("Source, http://github.com/me/mine",), None),
        ("mine", ("1.0", "1.1"), (None, None), ("Source, https://github.com.evil.org/me/mine",), None),
        ("mine", ("1.0", "1.1"), (None, None), ('Source, https://github.com/me/"><script>',), None),
        ("torch", ('1.0"><script>', "1.1"), ('"><script>', "b" * 40), (), "https://github.com/pytorch/pytorch"),
    ],
)  # fmt: skip
def test_where_the_commits_are(
    package: str,
    versions: tuple[str, str],
    git: tuple[str | None, str | None],
    links: tuple[str, ...],
    wanted: str | None,
) -> None:
    """Https and a known forge alone; what comes from metadata is in no link as it is."""
    assert compare_link(package, versions, git, links) == wanted
