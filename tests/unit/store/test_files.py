"""Replacing a file in one step, and the lock: with failing writes, other processes, and killed ones."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perfsuite.records import Device, Result
from perfsuite.store import MAX_SESSIONS, Baselines, StoreError, files

WORKER = Path(__file__).with_name("workers.py")
ROOT = Path(files.__file__).parents[2]


@contextmanager
def worker(directory: Path, prefix: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A process that updates once told to, past its imports."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(WORKER), str(directory), prefix, str(count)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def start(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def stored_ids(baselines: Baselines, device: Device) -> list[str]:
    stored = baselines.load(device.slug)
    entry = stored.entries.get("shapes/bf16") if stored else None
    return [session.id for session in entry.sessions] if entry else []


def test_two_processes_lose_nothing_of_each_other(baselines: Baselines, device: Device) -> None:
    assert MAX_SESSIONS == 20
    with worker(baselines.directory, "a", 10) as a, worker(baselines.directory, "b", 10) as b:
        start(a, b)
        assert a.wait(timeout=60) == 0
        assert b.wait(timeout=60) == 0
    ids = stored_ids(baselines, device)
    assert sorted(ids) == sorted(f"{prefix}{number}" for prefix in "ab" for number in range(10))
    for prefix in "ab":
        assert [i for i in ids if i.startswith(prefix)] == [f"{prefix}{number}" for number in range(10)]
    assert list(baselines.directory.glob("*.tmp")) == []


def test_a_killed_process_leaves_a_whole_file_and_no_lock(
    baselines: Baselines, device: Device, make_result: Callable[..., Result]
) -> None:
    for attempt in range(5):
        with worker(baselines.directory, f"k{attempt}-", 0) as process:
            deadline = time.monotonic() + 30
            start(process)
            while not any(i.startswith(f"k{attempt}-") for i in stored_ids(baselines, device)):
                assert time.monotonic() < deadline, "the worker stored nothing"
            time.sleep(0.003 * attempt)  # another moment of the update each time
            process.kill()
            assert process.wait(timeout=30) == -9
        assert 1 <= len(stored_ids(baselines, device)) <= MAX_SESSIONS
        name = f"after{attempt}"
        after = make_result(name, protocol="p")
        assert [c.action for c in baselines.update(device, [after], "append")] == ["appended"]
        assert stored_ids(baselines, device)[-1] == name


def test_what_a_killed_process_left_behind_is_not_read(
    baselines: Baselines, device: Device, make_result: Callable[..., Result]
) -> None:
    baselines.directory.mkdir()
    path = baselines.path(device.slug)
    (path.parent / f".{path.name}.0123.tmp").write_text('{"schema_ver')
    (path.parent / f".{path.name}.lock").write_text("")
    assert baselines.load(device.slug) is None
    baselines.update(device, [make_result()], "new")
    assert stored_ids(baselines, device) == ["s1"]


def test_a_lock_that_is_held_is_named(
    baselines: Baselines,
    device: Device,
    make_result: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "LOCK_TIMEOUT_S", 0.05)
    path = baselines.path(device.slug)
    with files.locked(path), pytest.raises(StoreError) as caught:
        baselines.update(device, [make_result()], "new")
    for part in (str(path), f".{path.name}.lock", "0.05 s", "run again"):
        assert part in str(caught.value)
    assert not path.exists()
    baselines.update(device, [make_result()], "new")
    assert stored_ids(baselines, device) == ["s1"]


def test_an_error_inside_frees_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_TIMEOUT_S", 0.05)
    with pytest.raises(KeyboardInterrupt), files.locked(tmp_path / "x.json"):
        raise KeyboardInterrupt
    with files.locked(tmp_path / "x.json"):
        pass


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failure: BaseException
) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(os, step, fail)
    expected = StoreError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        files.write_atomic(path, b"new")
    if isinstance(failure, OSError):
        assert str(path) in str(caught.value)
        assert "No space left on device" in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(descriptor: int) -> None:
        assert os.fstat(descriptor).st_size == 3
        calls.append("fsync")
        fsync(descriptor)

    def traced_replace(source: Path, target: Path) -> None:
        assert source.parent == target.parent
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    files.write_atomic(tmp_path / "deep" / "er" / "x", b"new")
    assert calls == ["fsync", "replace"]
    assert (tmp_path / "deep" / "er" / "x").read_bytes() == b"new"


def test_importing_the_store_is_cheap() -> None:
    code = (
        "import sys, perfsuite.store; print([m for m in ('pydantic', 'filelock', 'numpy', 'torch', 'pytest') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
