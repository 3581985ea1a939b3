"""The ledger: nothing half-written counts, nobody else writes it, and it is of one plan."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from scripted_fleet import a_block, a_plan

from perfsuite.fleet.ledger import file as ledgers
from perfsuite.fleet.ledger.account import Account, Begun, End, this_sitting
from perfsuite.fleet.ledger.file import (
    Ledger,
    LedgerError,
    is_driven,
    read_account,
    read_attempts,
)
from perfsuite.records import Attempt, Ending
from perfsuite.store import StoreError
from perfsuite.store.files import held

PLAN = a_plan(a_block("a"), a_block("b"))
NOW = "2026-05-01T10:00:00+00:00"


def attempt(block: str = "a", number: int = 1, **values: Any) -> Attempt:
    given: dict[str, Any] = {"machine": "gpu0", "slot": "gpu0:0", "uuid": "GPU-0", "ending": Ending.PASSED}
    return Attempt(
        block=block, number=number, began=NOW, ended=NOW, seconds=1.5, placed_s=0.25, **(given | values)
    )


def begun(block: str = "a", number: int = 1) -> Begun:
    return Begun(block=block, number=number, machine="gpu0", slot="gpu0:0", uuid="GPU-0", began=NOW)


def test_what_is_added_is_read(tmp_path: Path) -> None:
    entries = [
        this_sitting("ray", NOW), begun(), attempt(cause="lost: é", ending=Ending.LOST),
        begun("b"), attempt("b", files={"results.jsonl": "ab" * 32}, clock_ahead_s=-3.5, free_bytes=7),
        begun("a", 2), End(ended=NOW, broken={"a": "why"}),
    ]  # fmt: skip
    with Ledger.open(tmp_path, PLAN) as ledger:
        for entry in entries:
            ledger.add(entry)
        held = ledger.account
    found = read_account(tmp_path)
    assert found == held
    assert found is not None
    assert found.attempts == [entries[2], entries[4]]
    assert list(found.running) == [("a", 2)]
    assert found.end == entries[-1]
    assert read_attempts(tmp_path) == (entries[2], entries[4])


def test_a_new_sitting_ends_the_one_before(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, PLAN) as ledger:
        for entry in (this_sitting("local", NOW), attempt(), End(ended=NOW)):
            ledger.add(entry)
        ledger.add(this_sitting("local", NOW, again=True))
        account = ledger.account
    assert (account.end, account.sat, account.again) == (None, 1, 1)


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_a_line_cut_short_does_not_count(cut: int, tmp_path: Path) -> None:
    with Ledger.open(tmp_path, PLAN) as ledger:
        ledger.add(attempt())
        ledger.add(attempt("b"))
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert read_attempts(tmp_path) == (attempt(),)
    with Ledger.open(tmp_path, PLAN) as ledger:
        ledger.add(attempt("b", 2))
    assert read_attempts(tmp_path) == (attempt(), attempt("b", 2))


def test_files_are_kept_by_their_hash(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, PLAN) as ledger:
        name = ledger.put(b"results")
        assert name == ledger.put(b"results") == hashlib.sha256(b"results").hexdigest()
        assert ledger.path(name).read_bytes() == b"results"
    assert [path.name for path in (tmp_path / "objects").iterdir()] == [name]


@pytest.mark.parametrize("written", [0, 15])
def test_a_full_disk_leaves_the_file_as_it_was(
    written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stream: Any, data: bytes) -> None:
        stream.write(data[:written])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Ledger.open(tmp_path, PLAN) as ledger:
        ledger.add(attempt())
        before = (tmp_path / "ledger.jsonl").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(ledgers, "_write_all", full)
            with pytest.raises(StoreError, match=r"ledger.jsonl: .*No space left .*what has ended is kept"):
                ledger.add(attempt("b"))
        assert (tmp_path / "ledger.jsonl").read_bytes() == before
        assert ledger.attempts == [attempt()]
        ledger.add(attempt("b"))
    assert len(read_attempts(tmp_path)) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_that_is_full(tmp_path: Path) -> None:
    """As the operating system says it."""
    with Ledger.open(tmp_path, PLAN) as ledger:
        (tmp_path / "ledger.jsonl").unlink()
        (tmp_path / "ledger.jsonl").symlink_to("/dev/full")
        with pytest.raises(StoreError, match="cannot be written"):
            ledger.add(attempt())
    assert ledger.attempts == []


def test_a_full_disk_keeps_no_half_of_what_a_block_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise StoreError(f"{path}: cannot be written (No space left on device); check the free space")

    with Ledger.open(tmp_path, PLAN) as ledger:
        monkeypatch.setattr(ledgers, "write_atomic", full)
        with pytest.raises(
            StoreError, match=r"No space left .*run the plan again: what ended before is kept"
        ):
            ledger.put(b"results")
    assert not (tmp_path / "objects").exists()


def test_a_first_line_that_is_damaged_is_not_to_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text("garbage\n")
    with pytest.raises(StoreError, match=r"'line 1': not valid JSON.*; take another --out: without"):
        Ledger.open(tmp_path, PLAN)


def test_the_ledger_of_another_plan_is_refused(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, PLAN) as ledger:
        ledger.add(attempt())
    before = (tmp_path / "ledger.jsonl").read_bytes()
    other = a_plan(a_block("c"), id="another", name="weekly")
    with pytest.raises(LedgerError, match=r"of the plan 'nightly' \(an-id\), not of 'weekly' \(another\)"):
        Ledger.open(tmp_path, other)
    assert (tmp_path / "ledger.jsonl").read_bytes() == before
    Ledger.open(tmp_path, PLAN).close()


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, PLAN) as ledger:
        ledger.add(this_sitting("ray", NOW))
        assert is_driven(tmp_path)
        with pytest.raises(LedgerError, match=f"another driver runs this plan, process {os.getpid()} on "):
            Ledger.open(tmp_path, PLAN)
        ledger.add(attempt())
    assert not is_driven(tmp_path)
    assert len(read_attempts(tmp_path)) == 1


def test_whoever_asks_refuses_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is had for an instant by ``--status``."""
    Ledger.open(tmp_path, PLAN).close()
    asking = held(tmp_path / "ledger.jsonl")
    assert asking is not None
    monkeypatch.setattr(ledgers.time, "sleep", lambda seconds: asking.release())
    with Ledger.open(tmp_path, PLAN) as ledger:
        assert ledger.attempts == []


def test_a_killed_driver_blocks_nobody(tmp_path: Path) -> None:
    """A process of its own, ended by SIGKILL while it holds the folder."""
    code = f"""
        import time
        from pathlib import Path
        from perfsuite.fleet.ledger.account import this_sitting
        from perfsuite.fleet.ledger.file import Ledger
        from scripted_fleet import a_block, a_plan
        ledger = Ledger.open(Path({str(tmp_path)!r}), a_plan(a_block("a"), a_block("b")))
        ledger.add(this_sitting("local", {NOW!r}))
        print("open", flush=True)
        time.sleep(60)
    """
    helpers = Path(__file__).parents[3] / "helpers"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(helpers), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(LedgerError, match=f"process {process.pid} on "):
            Ledger.open(tmp_path, PLAN)
        process.send_signal(signal.SIGKILL)
        process.wait()
    began = time.monotonic()
    Ledger.open(tmp_path, PLAN).close()
    assert time.monotonic() - began < 1.0


def test_no_ledger(tmp_path: Path) -> None:
    assert read_account(tmp_path) is None
    assert not is_driven(tmp_path)
    with pytest.raises(StoreError, match="there is no ledger; run the plan first"):
        read_attempts(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{}", r"'line 3', field kind: must be one of sitting, begun, attempt, end; take another --out"),
        ('{"kind": "verdict"}', "field kind: must be one of"),
        ('{"kind": "attempt", "block": "a"}', "'line 3', field .*Field required"),
        ("not JSON", "field kind"),
        ('{"kind": "end", "ended": "now", "broken": {}, "unplaced": {}, "more": 1}', "field more"),
        (
            '{"kind": "begun", "block": "a", "number": 1, "machine": "m", "slot": "s", "uuid": "u", '
            f'"began": "{NOW}", "ticket": "../x"}}',
            "'line 3', field ticket",
        ),
    ],
)
def test_a_bad_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path, PLAN) as ledger:
        ledger.add(attempt())
    with (tmp_path / "ledger.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(StoreError, match=said):
        Ledger.open(tmp_path, PLAN)
    with pytest.raises(StoreError, match=said):
        read_account(tmp_path)


def test_a_ledger_from_before_tickets_is_gone_on_with(tmp_path: Path) -> None:
    """Nothing is found then of what its last blocks left."""
    with Ledger.open(tmp_path, PLAN) as ledger:
        ledger.add(begun())
    file = tmp_path / "ledger.jsonl"
    old = file.read_text().replace(', "ticket": ""', "").replace('"schema_version": 3', '"schema_version": 2')
    assert "ticket" not in old
    file.write_text(old)
    with Ledger.open(tmp_path, PLAN) as ledger:
        assert ledger.account.running == {("a", 1): begun()}


def test_a_newer_ledger_is_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text('{"kind": "ledger", "schema_version": 99, "owner": 1}\n')
    with pytest.raises(StoreError, match="written by a newer perfsuite"):
        read_account(tmp_path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_bytes(b"")
    with pytest.raises(StoreError, match=r"ledger.jsonl, entry 'line 1': empty"):
        Ledger.open(tmp_path, PLAN)


def test_an_account_begins_empty() -> None:
    assert Account("id", "name").running == {}
