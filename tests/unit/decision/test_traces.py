"""Traces are read whole, or refused with file, field, place and remedy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perfsuite.decision.traces import Traces, TracesError, load
from perfsuite.records import Device, Result, Session
from perfsuite.store import Baselines, ResultsWriter
from perfsuite.store.traces import read_traces


def write(path: Path, **fields: Any) -> Path:
    np.savez(path, **fields)
    return path


def latencies(*shape: int) -> Any:
    return 1.0 + np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_everything_is_read(tmp_path: Path) -> None:
    """Figures in double precision, names and projects as text."""
    path = write(tmp_path / "t.npz", latency_s=latencies(2, 3, 4), name=["a", "b"], project=["p", "q"])
    traces = load(path)
    assert traces.latency_s.dtype == np.float64
    assert np.array_equal(traces.latency_s, latencies(2, 3, 4))
    assert (traces.names, traces.groups, traces.source) == (("a", "b"), ("p", "q"), str(path))
    assert (traces.benchmarks, traces.processes, traces.samples) == (2, 3, 4)


def test_names_are_made_up(tmp_path: Path) -> None:
    """Where the file has none."""
    traces = load(write(tmp_path / "t.npz", latency_s=latencies(2, 1, 1)))
    assert (traces.names, traces.groups) == (("benchmark 0", "benchmark 1"), ("", ""))


def spoilt(value: float) -> Any:
    array = latencies(2, 3, 4)
    array[1, 2, 3] = value
    return array


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"times": latencies(2, 2, 2)}, "there is no field latency_s, found times; name the array so"),
        ({"latency_s": latencies(2, 2)}, "must have 3 dimensions (benchmark, process, sample), found 2"),
        ({"latency_s": np.float64(1)}, "must have 3 dimensions (benchmark, process, sample), found 0"),
        ({"latency_s": latencies(2, 0, 2)}, "is empty along process"),
        ({"latency_s": spoilt(np.nan)}, "benchmark 1, process 2, sample 3 (benchmark 1): nan is not"),
        ({"latency_s": spoilt(0.0)}, "benchmark 1, process 2, sample 3 (benchmark 1): 0.0 is not positive"),
        ({"latency_s": spoilt(-1.0)}, "-1.0 is not positive and finite (the first of 1)"),
        ({"latency_s": np.full((1, 1, 1), "x")}, "must be real numbers, found <U1"),
        ({"latency_s": latencies(2, 1, 1), "name": ["a"]}, "has 2 benchmarks, but there are 1 values"),
        ({"latency_s": latencies(2, 1, 1), "project": ["a"] * 3}, "there are 3 values of project"),
        ({"latency_s": np.array([[[1, None]]], dtype=object)}, "pickled objects, which are not read"),
    ],
)  # fmt: skip
def test_unfit_figures_are_refused(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The message opens with the file."""
    path = write(tmp_path / "t.npz", **fields)
    with pytest.raises(TracesError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_no_file_and_no_npz(tmp_path: Path) -> None:
    """A missing file, a text file, a cut one, and a single array."""
    with pytest.raises(TracesError, match="there is no such file"):
        load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(TracesError, match="not a plain npz file"):
        load(tmp_path / "text.npz")
    whole = write(tmp_path / "t.npz", latency_s=latencies(2, 3, 4)).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TracesError, match="not a readable npz file"):
        load(tmp_path / "cut.npz")
    np.save(tmp_path / "one.npy", latencies(2, 3, 4))
    with pytest.raises(TracesError, match="a single array"):
        load(tmp_path / "one.npy")


def test_parts_are_whole_groups() -> None:
    """Sorted by name, the first for tuning, the second for the report, and so on."""
    groups = ("c", "a", "b", "a", "c")
    traces = Traces(latencies(5, 1, 1).astype(float), tuple("vwxyz"), groups, "t")
    assert (traces.part("tune").names, traces.part("tune").groups) == (
        ("v", "w", "y", "z"),
        ("c", "a", "a", "c"),
    )
    assert traces.part("report").names == ("x",)
    assert traces.part("report").latency_s.ravel().tolist() == [3.0]
    assert traces.part("all") is traces
    with pytest.raises(TracesError, match="split 'half' is none of all, tune, report"):
        traces.part("half")
    with pytest.raises(TracesError, match="only one, so there is no part 'report'; use --split all"):
        Traces(traces.latency_s[:1], ("v",), ("",), "t").part("report")


def test_too_few_processes_for_a_design() -> None:
    """What is needed, what is there, and what to do."""
    traces = Traces(latencies(1, 3, 4).astype(float), ("v",), ("",), "t")
    traces.require(3, 4, "design 1v2")
    with pytest.raises(TracesError, match="design 2x4 needs 4 processes of every benchmark, found 3; record"):
        traces.require(4, 4, "design 2x4")
    with pytest.raises(TracesError, match="needs 5 samples a process of every benchmark, found 4"):
        traces.require(3, 5, "design 1x5")


DEVICE = Device("cpu", "Example CPU", "cpu-example", 4, 2**30)


def session(name: str, *latency_s: float) -> Session:
    return Session(
        id=name,
        date="2025-01-02T03:04:05+00:00",
        latency_s=latency_s,
        peak_memory_bytes=1,
        first_call_s=1.0,
        compile_s=None,
        warmup_s=(),
        warmup_steady=True,
        stages=None,
        versions={},
        conditions={},
        wall_s=1.0,
    )


def result(variant: str, measured: Session | None) -> Result:
    return Result(workload="shapes", variant=variant, protocol="p", session=measured)


def test_result_files_are_processes(tmp_path: Path) -> None:
    """One a file; cut to the shortest session and to the fewest that a benchmark has."""
    runs = [
        {"fp32": (1.0, 2.0, 3.0), "bf16": (4.0, 5.0)},
        {"fp32": (6.0, 7.0, 8.0), "bf16": (9.0, 10.0, 11.0)},
        {"fp32": (12.0, 13.0)},
    ]
    for i, run in enumerate(runs):
        writer = ResultsWriter(tmp_path / f"{i}.jsonl", f"run{i}", "2025-01-02", DEVICE)
        for variant, latency_s in run.items():
            writer.add(result(variant, session(f"{i}{variant}", *latency_s)))
        writer.add(result("none", None))
    traces = read_traces(tmp_path)
    assert traces.names == ("shapes/fp32", "shapes/bf16")
    assert traces.groups == ("cpu-example", "cpu-example")
    assert traces.latency_s.tolist() == [[[1.0, 2.0], [6.0, 7.0]], [[4.0, 5.0], [9.0, 10.0]]]


def test_baselines_are_read(tmp_path: Path) -> None:
    """Each stored session is a process."""
    for i in range(3):
        Baselines(tmp_path).update(DEVICE, [result("bf16", session(f"s{i}", 1.0 + i, 2.0 + i))], "append")
    assert read_traces(tmp_path).latency_s.tolist() == [[[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]]


def test_empty_folder(tmp_path: Path) -> None:
    """It says what to do."""
    with pytest.raises(TracesError, match="no sessions in"):
        read_traces(tmp_path)
