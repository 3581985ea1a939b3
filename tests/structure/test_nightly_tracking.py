"""Twelve nights, end to end: what changed is found, by package and night, and nothing else.

The nights' figures are made, their counts are counted; A/B and bisection build real environments from an
index on the loopback and run real pipelines in them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nightlies import MORE, NIGHTS, SLOWER, STUB, commit, make_run, make_wheels, night, version
from stub_wheels import served, write_index
from typer.testing import CliRunner

from perfsuite.cli import app
from perfsuite.device import fingerprint
from perfsuite.pipelines import unsupported
from perfsuite.records import Change, State

WORKLOAD, VARIANT = "shapes@64x64+6steps", "bf16"


class Team:
    """A team with a nightly job: its history, its wheels, its commands."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.db = folder, str(folder / "history.db")
        self.wheels = folder / "wheels"
        self._index = ["--index-url", address, "--wheels", str(self.wheels), "--packages", STUB]

    def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """One command; what it said."""
        done = CliRunner().invoke(app, list(words))
        print(done.output)
        assert done.exit_code in codes, done.output
        return done.output

    def asked(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """One command that builds environments."""
        return self.run(*words, "--db", self.db, *self._index, codes=codes)

    def changes(self) -> dict[str, Change]:
        """For the worse, by metric."""
        from perfsuite.store.history import History

        with History.open(self.db) as history:
            return {c.series.metric: c for c in history.changes() if c.worse}


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    monkeypatch.setenv("PERFSUITE_PACKAGES", STUB)
    # Threads that wait for each other at each operation make far noisier pairs where others are at work.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    write_index(tmp_path / "simple", make_wheels(tmp_path / "made"))
    with served(tmp_path / "simple") as address:
        yield Team(tmp_path, address)


def counted(team: Team, number: int) -> Any:
    """What the pipeline of a night does."""
    from perfsuite.environments import Builder, Index, WheelCache
    from perfsuite.tracking.bisection.candidates import Candidate
    from perfsuite.tracking.trials.oracles import built, counts_of
    from perfsuite.workers.ab import Plan

    cache = WheelCache(team.wheels)
    builder = Builder(
        team.folder / f"counting-{number}", cache, Index(find_links=(str(team.folder / "made"),))
    )
    candidate = Candidate(night(number), {STUB: version(number)})
    return counts_of(built(builder, candidate), Plan(WORKLOAD, VARIANT, device="cpu"), candidate)


@pytest.mark.selftest
def test_what_changed_is_found_and_nothing_else(team: Team) -> None:
    from perfsuite.store.history import History  # SQLAlchemy, which collecting must not import

    device = fingerprint("cpu")
    reason = unsupported(VARIANT, device)
    if reason is not None:
        pytest.skip(reason)
    before, after = counted(team, 1), counted(team, MORE)
    for number in NIGHTS:
        counts = after if number >= MORE else before
        with History.open(team.db, create=True) as history:
            history.add(make_run(number, device, WORKLOAD, VARIANT, counts), night(number))
        team.run("track", "nominate", "--db", team.db, "--night", night(number), codes=(0, 1, 3))
        team.asked("track", "keep")
    clones = [metric for metric in team.changes() if metric.startswith("operators: aten.clone")]
    assert len(clones) == 1
    exact = {*clones, "peak of allocations: denoising"}  # the copy is held meanwhile
    found = set(team.changes())
    assert {"relative latency", *clones} <= found <= {"relative latency", "latency", *exact}

    said = team.asked("track", "confirm", "--time", "60", "--device", "cpu", codes=(1,))
    assert "confirmed" in said
    said = team.asked("bisect", "--confirmed", "--time", "60", "--device", "cpu", "--no-explain")
    changes = team.changes()
    for metric in found:
        check(changes[metric], MORE if metric in exact else SLOWER)
    assert changes["relative latency"].trials[0].verdict == "REGRESSED"

    # By hand over all nights; a count takes one run a night. Equal commits are never told apart.
    words = ["--variant", VARIANT, "--workload", WORKLOAD, "--metric", clones[0], "--device", "cpu"]
    said = team.asked("bisect", "--good", night(1), "--bad", night(12), *words, "--no-explain")
    assert f"Found: {STUB}, between {night(MORE - 1)} and {night(MORE)}" in said
    assert f"commit {commit(MORE)}" in said

    # A second run of everything changes nothing.
    for command in (["track", "keep"], ["track", "confirm", "--time", "60"], ["bisect", "--confirmed"]):
        again = team.asked(*command)
        assert "pair 1" not in again
    team.run("track", "nominate", "--db", team.db, "--night", night(12), codes=(1,))
    assert team.changes() == changes


def check(change: Change, first_bad: int) -> None:
    """Found, at this very night."""
    assert change.state is State.FOUND
    assert (change.culprit["package"], change.culprit["bad"]) == (STUB, version(first_bad))
    assert change.culprit["bad_git"] == commit(first_bad)
