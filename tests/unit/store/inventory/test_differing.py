"""Two files, or two versions of one: verdicts of the gate's own rule, and what is not compared."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from perfsuite.records import Cause, Session, Start, Status
from perfsuite.store import BaselineFile, Baselines, StoreError
from perfsuite.store.inventory import NothingToCompareError, differences, read_side
from perfsuite.store.inventory.differing import outcome

Write = Callable[..., BaselineFile]
Make = Callable[..., Session]
KEY = "shapes/fp32-sdpa"


def five(make: Make, name: str, seconds: float, ratio: float | None = None) -> list[Session]:
    """Sessions that differ by some per cent, and their relative latency by a thousandth."""
    return [
        make(f"{name}{i}", seconds * (1 + 0.02 * i), None if ratio is None else ratio * (1 + 0.001 * i))
        for i in range(5)
    ]


def other(store: Baselines) -> Baselines:
    return Baselines(store.directory.parent / "other")


def test_slower_sessions_are_regressed(store: Baselines, write: Write, session: Make) -> None:
    before = write(*five(session, "a", 1.0))
    after = write(*five(session, "b", 2.0), to=other(store))
    (found,) = differences(before, after)
    assert found.verdict is not None
    assert (found.key, found.verdict.status) == (KEY, Status.REGRESSED)
    assert found.verdict.ratio == pytest.approx(2.0, rel=0.05)
    assert outcome([found]).status is Status.REGRESSED


def test_a_start_that_takes_a_fifth_longer_is_regressed(
    store: Baselines, write: Write, session: Make
) -> None:
    """Though each call is as fast as before: three sessions a side, that scatter by 2 %."""

    def started(name: str, build_s: float) -> list[Session]:
        return [
            replace(session(f"{name}{i}", 1.0 + 0.01 * i), start=Start(build_s * (1 + 0.02 * i)))
            for i in range(3)
        ]

    before, after = write(*started("a", 40.0)), write(*started("b", 48.0), to=other(store))
    (found,) = differences(before, after)
    assert found.verdict is not None
    assert found.verdict.status is not Status.REGRESSED
    assert [(c.name, c.verdict.status) for c in found.amounts if c.name == "build"] == [
        ("build", Status.REGRESSED)
    ]
    assert outcome([found]).status is Status.REGRESSED


def test_the_same_code_is_not(store: Baselines, write: Write, session: Make) -> None:
    before = write(*five(session, "a", 1.0))
    after = write(*five(session, "b", 1.0), to=other(store))
    found = differences(before, after)
    assert found[0].verdict is not None
    assert found[0].verdict.status is not Status.REGRESSED
    assert outcome(found).status is Status.OK


def test_relative_latency_finds_what_seconds_do_not(store: Baselines, write: Write, session: Make) -> None:
    """8 % slower: by relative latency it is certain, by seconds it is not."""
    before = write(*five(session, "a", 1.0, 0.5))
    after = write(*five(session, "b", 1.08, 0.54), to=other(store))
    (found,) = differences(before, after)
    assert found.verdict is not None
    assert (found.verdict.status, found.verdict.basis) == (Status.REGRESSED, "relative to fp32")


def test_a_session_without_relative_latency_counts_in_seconds_only(
    store: Baselines, write: Write, session: Make
) -> None:
    """One among others, also as the last: the others are still compared the finer way."""
    before = write(*five(session, "a", 1.0, 0.5))
    after = write(*five(session, "b", 1.08, 0.54), session("c", 1.05), to=other(store))
    (found,) = differences(before, after)
    assert found.verdict is not None
    assert (found.verdict.status, found.verdict.basis) == (Status.REGRESSED, "relative to fp32")
    assert (found.verdict.candidate_sessions, found.added) == (5, 6)


def test_appended_sessions_are_what_is_judged(store: Baselines, write: Write, session: Make) -> None:
    """Those that both sides have would hide the change."""
    before = write(*five(session, "a", 1.0))
    after = write(*five(session, "b", 3.0))
    (found,) = differences(before, after)
    assert (found.before, found.after, found.added) == (5, 10, 5)
    assert found.verdict is not None
    assert found.verdict.ratio == pytest.approx(3.0, rel=0.05)


def test_the_same_file_has_nothing_to_judge(write: Write, session: Make) -> None:
    file = write(*five(session, "a", 1.0))
    (found,) = differences(file, file)
    assert (found.verdict, found.added) == (None, 0)


def test_an_entry_on_one_side(store: Baselines, write: Write, session: Make) -> None:
    before = write(session("a"))
    after = write(session("b"), variant="fp32", to=other(store))
    new, gone = differences(before, after)
    assert (new.key, new.before, new.after, new.verdict) == ("shapes/fp32", 0, 1, None)
    assert gone.verdict is not None
    assert (gone.key, gone.before, gone.after) == (KEY, 1, 0)
    assert gone.verdict.status is Status.LESS_JUDGED
    assert outcome([new, gone]).status is Status.NOT_JUDGED
    assert outcome([new, gone], [KEY]).status is Status.OK


def test_another_protocol_or_device_is_incompatible(store: Baselines, write: Write, session: Make) -> None:
    before = write(session("a"))
    after = write(session("b", 9.0), protocol="q", to=other(store))
    moved = replace(write(session("c", 9.0)), device=replace(before.device, slug="cpu-other", name="Other"))
    for side, said in ((after, "'p', then with 'q'"), (moved, "then on Other")):
        (found,) = differences(before, side)
        assert found.verdict is not None
        assert (found.verdict.status, said in found.verdict.detail) == (Status.INCOMPATIBLE, True)
        assert outcome([found]).status is Status.NOT_JUDGED


def test_versions_that_moved(store: Baselines, write: Write, session: Make) -> None:
    before = write(session("a", versions={"torch": "1", "python": "3"}))
    after = write(session("b", versions={"torch": "2", "python": "3", "x": "1"}), to=other(store))
    assert differences(before, after)[0].versions == (("torch", "1", "2"), ("x", "absent", "1"))


@pytest.fixture
def repository(store: Baselines, write: Write, session: Make, tmp_path: Path) -> Path:
    """Two commits of one baseline file; the path of the file."""

    def git(*arguments: str) -> None:
        names = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *names, *arguments], check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    for number, name in enumerate(("a", "b")):
        write(session(name, 1.0 + number))
        git("add", "baselines")
        git("commit", "--quiet", "-m", name)
    write(session("c", 3.0))
    return store.path("cpu-example-2t")


def test_a_file_as_it_was(repository: Path) -> None:
    counts = [len(read_side(repository, ref).entries[KEY].sessions) for ref in ("HEAD~1", "main", None)]
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("ref", ["nowhere", "--output=/tmp/x", "-p", ""])
def test_a_ref_that_is_not_there(repository: Path, ref: str) -> None:
    """One that looks like an option is no option."""
    with pytest.raises(NothingToCompareError, match="ref "):
        read_side(repository, ref)


def test_a_file_that_was_not_there_yet(repository: Path) -> None:
    with pytest.raises(NothingToCompareError, match=r"new\.json in 'main'"):
        read_side(repository.with_name("new.json"), "main")
    with pytest.raises(NothingToCompareError, match="no such file"):
        read_side(repository.with_name("new.json"))


def test_no_repository(write: Write, session: Make, store: Baselines) -> None:
    write(session("a"))
    with pytest.raises(NothingToCompareError):
        read_side(store.path("cpu-example-2t"), "main")


def test_a_damaged_side_names_its_place(repository: Path) -> None:
    repository.write_text('{"schema_version": 99}')
    with pytest.raises(StoreError, match="written by a newer perfsuite: schema 99") as caught:
        read_side(repository)
    assert str(repository) in str(caught.value)
    repository.write_text('{"schema_version": 1, "device": {}, "entries": {}}')
    with pytest.raises(StoreError, match=r"field device\."):
        read_side(repository)


def test_another_machine_of_the_same_name_is_not_compared(
    store: Baselines, write: Write, session: Make
) -> None:
    """Half the calls' time, with twice the cores: nobody became faster."""

    def limited(name: str, seconds: float, **more: str) -> list[Session]:
        around = {"threads": "2", "instruction_set": "AVX2", **more}
        return [replace(s, environment=around) for s in five(session, name, seconds)]

    before = write(*limited("a", 1.0, cpu_quota="1"))
    (found,) = differences(before, write(*limited("b", 0.5), to=other(store)))
    assert found.verdict is not None
    assert (found.verdict.status, found.verdict.causes) == (Status.INCOMPATIBLE, (Cause.ENVIRONMENT,))
    assert found.verdict.detail == "not the machine of before: cpu_quota 1 -> not set"
    assert outcome([found]).status is Status.NOT_JUDGED


def test_what_moved_around_a_regression_is_named_first(store: Baselines, write: Write, session: Make) -> None:
    def around(name: str, seconds: float, allocator: str) -> list[Session]:
        return [replace(s, environment={"allocator": allocator}) for s in five(session, name, seconds)]

    before = write(*around("a", 1.0, "glibc"))
    (found,) = differences(before, write(*around("b", 2.0, "libjemalloc"), to=other(store)))
    assert found.verdict is not None
    assert found.verdict.status is Status.REGRESSED
    assert found.verdict.causes[0] is Cause.ENVIRONMENT
    assert "allocator glibc -> libjemalloc" in found.verdict.detail
