"""A run's results: on disk line by line, complete after a kill, merged when read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perfsuite.records import (
    Cause,
    CodeSource,
    Compilation,
    Device,
    Exhibits,
    PictureFiles,
    PictureScore,
    PictureStatus,
    Quality,
    Result,
    Run,
    Session,
    Status,
    Verdict,
)
from perfsuite.store import ResultsWriter, StoreError, files, merge_results, read_results
from perfsuite.store.results import SCHEMA_VERSION

Make = Callable[..., Result]
VERDICT = Verdict(
    Status.REGRESSED, 1.2, (1.1, 1.3), 0.95, causes=(Cause.NOISY_MACHINE,), detail="a\nb\u2028c"
)
QUALITY = Quality(
    PictureStatus.BROKEN,
    (
        PictureScore("Ü", PictureStatus.BROKEN, None, None, 0.9),
        PictureScore("b", PictureStatus.OK, 1, 120, 0.9),
    ),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "run.jsonl"


@pytest.fixture
def writer(path: Path, device: Device) -> ResultsWriter:
    return ResultsWriter(path, "run-1", "2025-01-02", device)


def test_a_run_without_results(path: Path, writer: ResultsWriter, device: Device) -> None:
    assert read_results(path) == Run("run-1", "2025-01-02", device, ())


def test_what_was_to_run_and_what_was_kept_read_back(path: Path, device: Device, make_result: Make) -> None:
    """Which tells an interrupted run from a complete one."""
    kept = Exhibits((PictureFiles("p", "a.png", "b.png", "c.png", None, 0.01, None),), "n.json")
    chosen = ("shapes/bf16", "shapes/fp16")
    ResultsWriter(path, "run-3", "2025-01-02", device, chosen).add(make_result(exhibits=kept))
    found = read_results(path)
    assert found.chosen == chosen
    assert [result.exhibits for result in found.results] == [kept]


def test_what_is_added_reads_back_equal(
    path: Path, writer: ResultsWriter, device: Device, make_result: Make
) -> None:
    first = make_result("s1", verdict=VERDICT, quality=QUALITY, evidence=("42 SDPA calls",))
    second = make_result(None, "fp16", verdict=Verdict(Status.NEW))
    writer.add(first)
    writer.add(second)
    assert read_results(str(path)) == Run("run-1", "2025-01-02", device, (first, second))


def test_where_compiled_code_came_from_is_kept(
    path: Path, writer: ResultsWriter, make_result: Make, make_session: Callable[..., Session]
) -> None:
    """A file of before it was recorded is read too, and does not know."""
    compilation = Compilation(CodeSource.ARTIFACT, 2, 0, 123)
    writer.add(make_result(make_session("s1", compilation=compilation)))
    assert [r.session and r.session.compilation for r in read_results(path).results] == [compilation]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    del lines[1]["session"]["compilation"]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (older,) = read_results(path).results
    assert older.session is not None
    assert older.session.compilation is None


def test_each_result_is_one_line_with_its_kind(path: Path, writer: ResultsWriter, make_result: Make) -> None:
    writer.add(make_result("s1", verdict=VERDICT))
    writer.add(make_result("s1", "fp16"))
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    header, *results = (json.loads(line) for line in lines)
    assert (header["kind"], header["schema_version"], header["id"]) == ("run", SCHEMA_VERSION, "run-1")
    assert [(r["kind"], r["variant"]) for r in results] == [("result", "bf16"), ("result", "fp16")]


def test_a_line_is_on_disk_when_add_returns(
    path: Path, writer: ResultsWriter, make_result: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    writer.add(make_result())
    assert sizes == [path.stat().st_size]


def test_what_was_added_survives_sigkill(tmp_path: Path, device: Device) -> None:
    path = tmp_path / "run.jsonl"
    code = f"""
import os, signal
from perfsuite.records import Device, Result
from perfsuite.store import ResultsWriter
writer = ResultsWriter({str(path)!r}, "r", "d", {device!r})
writer.add(Result("shapes", "bf16", "p", evidence=("x",)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(files.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=False, timeout=60)
    assert done.returncode == -9
    assert read_results(path) == Run("r", "d", device, (Result("shapes", "bf16", "p", evidence=("x",)),))


def test_a_new_run_replaces_the_file(
    path: Path, writer: ResultsWriter, device: Device, make_result: Make
) -> None:
    writer.add(make_result())
    with pytest.raises(StoreError, match="another run writes its results there"):
        ResultsWriter(path, "run-2", "2025-01-03", device)
    assert len(read_results(path).results) == 1
    writer.close()
    ResultsWriter(path, "run-2", "2025-01-03", device)
    assert read_results(path) == Run("run-2", "2025-01-03", device, ())


def test_every_line_has_the_runs_id(path: Path, writer: ResultsWriter, make_result: Make) -> None:
    """A line of another run, or of none, is refused by its number; a file of before had none."""
    writer.add(make_result())
    head, line = path.read_text().splitlines()
    assert json.loads(line)["run"] == "run-1"
    for changed, said in ((line.replace("run-1", "run-2"), "of run 'run-2'"), (_without(line), "of no run")):
        path.write_text(f"{head}\n{line}\n{changed}\n")
        with pytest.raises(StoreError, match=rf"line 3.*is {said}, the file of run 'run-1'"):
            read_results(path)
    path.write_text(f"{head}\n{line}\n{head}\n")
    with pytest.raises(StoreError, match=r"line 3.*begins another run"):
        read_results(path)
    path.write_text(f"{head.replace(': 5', ': 2')}\n{_without(line)}\n")
    assert len(read_results(path).results) == 1


def _without(line: str) -> str:
    document = json.loads(line)
    del document["run"]
    return json.dumps(document)


def test_latency_first_quality_later(path: Path, writer: ResultsWriter, make_result: Make) -> None:
    latency = make_result("s1", verdict=VERDICT, evidence=("x",))
    writer.add(latency)
    writer.add(make_result("s1", "fp16"))
    writer.add(make_result(None, quality=QUALITY))
    assert read_results(path).results == (replace(latency, quality=QUALITY), make_result("s1", "fp16"))


def test_the_later_of_two_wins(make_result: Make) -> None:
    earlier = make_result("s1", verdict=VERDICT, evidence=("old",))
    later = make_result("s2", protocol="other", evidence=("new",))
    assert merge_results([earlier, later]) == (replace(later, verdict=VERDICT),)


def test_other_workloads_are_not_merged(make_result: Make) -> None:
    results = (make_result("s1"), make_result("s1", workload="sdxl"))
    assert merge_results(results) == results


def test_a_last_line_cut_anywhere_is_tolerated(path: Path, writer: ResultsWriter, make_result: Make) -> None:
    writer.add(make_result("s1", evidence=("ü",)))
    whole = path.read_bytes()
    kept = read_results(path)
    writer.add(make_result("s2", "fp16", evidence=("ü",)))
    raw = path.read_bytes()
    for length in [*range(len(whole), len(raw), 5), len(raw) - 1]:
        path.write_bytes(raw[:length])
        assert read_results(path) == kept
    path.write_bytes(raw)
    assert len(read_results(path).results) == 2


def damage(raw: bytes, number: int, line: bytes) -> bytes:
    lines = raw.split(b"\n")
    lines[number - 1] = line
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("number", "line", "found"),
    [
        (1, b"", "empty"),
        (1, b'{"schema_version": 1, "kind": "run"', "cut short"),
        (1, b'{"schema_version": 1, "kind": "run", "id": "x", "date": "d"}', "field device: Field required"),
        (1, b'{"schema_version": 1, "kind": "result"}', "field kind: "),
        (1, b'{"schema_version": 6}', "schema 6, this one reads up to 5; upgrade perfsuite"),
        (2, b"", "empty"),
        (2, b'{"kind": "resu', "cut short"),
        (2, b"\xff", "not UTF-8"),
        (2, b"[]", "the top level must be an object"),
        (2, b'{"kind": "result", "kind": "result"}', "the key 'kind' is there twice"),
        (2, b'{"kind": "other", "workload": "w", "variant": "v", "protocol": "p"}', "field kind: "),
        (2, b'{"workload": "w", "variant": "v", "protocol": "p"}', "field kind: Field required"),
        (3, b'{"kind": "result", "workload": "w", "variant": "v"}', "field protocol: Field required"),
        (3, b'{"kind": "result", "workload": "w", "variant": "v", "protocol": "p", "a": 1}', "field a: "),
        (
            3,
            b'{"kind": "result", "workload": "w", "variant": "v", "protocol": "", "verdict": {"status": 1}}',
            "field verdict.status: ",
        ),
    ],
)
def test_other_damage_is_named_with_its_line(
    path: Path, writer: ResultsWriter, make_result: Make, number: int, line: bytes, found: str
) -> None:
    writer.add(make_result("s1"))
    writer.add(make_result("s1", "fp16"))
    path.write_bytes(damage(path.read_bytes(), number, line))
    with pytest.raises(StoreError) as caught:
        read_results(path)
    for part in (str(path), f"line {number}", found):
        assert part in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b'{"schema_version": 1, "ki'])
def test_a_cut_header_is_not_a_run(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(raw)
    with pytest.raises(StoreError, match="line 1"):
        read_results(path)


def test_no_file_is_an_error(path: Path) -> None:
    with pytest.raises(StoreError, match=r"run\.jsonl: there is no such file; name one"):
        read_results(path)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"verdict": Verdict(Status.OK, ratio=float("nan"))}, "verdict.ratio"),
        ({"verdict": Verdict("FINE")}, "verdict.status"),  # type: ignore[arg-type]
        ({"evidence": (1,)}, "evidence[0]"),
    ],
)
def test_what_could_not_be_read_is_not_added(
    path: Path, writer: ResultsWriter, make_result: Make, changes: dict[str, Any], field: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        writer.add(make_result(**changes))
    for part in (str(path), "shapes/bf16", f"field {field}: ", "nothing was written"):
        assert part in str(caught.value)
    assert path.read_bytes() == before


def test_a_failed_append_does_not_spoil_the_next(
    path: Path, writer: ResultsWriter, make_result: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="No space left on device"):
            writer.add(make_result("s1"))
    writer.add(make_result("s2", "fp16"))
    assert read_results(path).results == (make_result("s2", "fp16"),)


def test_a_file_deleted_meanwhile_does_not_come_back_without_header(
    path: Path, writer: ResultsWriter, make_result: Make
) -> None:
    path.unlink()
    with pytest.raises(StoreError, match="cannot be appended"):
        writer.add(make_result())
    assert not path.exists()
