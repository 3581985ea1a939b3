"""``perfsuite calibrate --sessions`` and ``perfsuite trace``, with workers that measure nothing."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.device import versions
from perfsuite.pipelines import models
from perfsuite.pipelines.models import sources
from perfsuite.records import Device, Session
from perfsuite.store import Baselines
from perfsuite.workers import WorkerError

DEVICE = Device("cpu", "Example CPU", "cpu-example-4", 4, 2**34, {"bfloat16": "native"})


class FakeServer:
    """Its workers' calls take a second and a little more each time."""

    opened: list[int]
    fails_from = 1000

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(self, *error: object) -> None:
        self.opened.append(-1)

    def worker(self) -> "FakeServer":
        self.opened.append(len(self.opened) + 1)
        return self

    def ask(self, command: str, **arguments: Any) -> Any:
        number = len(self.opened)
        if number >= self.fails_from:
            raise WorkerError("no room")
        if command == "warm":
            return [1 + 0.001 * (number + i) for i in range(arguments["calls"])]
        if command != "session":
            return {}
        found = Session(
            f"s{number}", "2025-01-02T03:04:05+00:00", (1.0 + 0.01 * number, 1.02), 1, 1.0, None, (1.0,),
            True, None, versions(), {}, 9.0,
        )  # fmt: skip
        return asdict(found)

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeServer, "opened", [], raising=False)
    monkeypatch.setattr("perfsuite.workers.Server", FakeServer)
    monkeypatch.setattr("perfsuite.device.fingerprint", lambda choice="auto": DEVICE)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def calibrate(folder: Path, *arguments: str) -> Result:
    return invoke("calibrate", "--sessions", "2", "--baselines", str(folder), *arguments)


def test_sessions_are_stored_and_their_spread_is_shown(tmp_path: Path) -> None:
    """Progress on stderr; the table and the file on stdout."""
    done = calibrate(tmp_path, "--variant", "bf16+sdpa", "--variant", "fp32")
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == [
        f"shapes {v}: session {n} of 2" for n in (1, 2) for v in ("bf16-sdpa", "fp32")
    ]
    lines = done.stdout.splitlines()
    assert lines[0] == "fresh sessions on Example CPU"
    assert [line.split()[:2] for line in lines[2:4]] == [["bf16-sdpa", "2"], ["fp32", "2"]]
    assert lines[-1] == f"baselines {tmp_path / 'cpu-example-4.json'}"
    stored = Baselines(tmp_path).load(DEVICE.slug)
    assert stored is not None
    assert {e.variant: [s.id for s in e.sessions] for e in stored.entries.values()} == {
        "bf16-sdpa": ["s1", "s3"],
        "fp32": ["s2", "s4"],
    }


def test_again_it_has_nothing_to_do_and_restart_does_it_anew(tmp_path: Path) -> None:
    """Other weights are another protocol, which is refused."""
    calibrate(tmp_path, "--variant", "fp32")
    FakeServer.opened.clear()
    assert calibrate(tmp_path, "--variant", "fp32").exit_code == 0
    assert FakeServer.opened == [-1]
    other = calibrate(tmp_path, "--variant", "fp32", "--weights", "random")
    assert other.exit_code == 2
    assert other.stderr.startswith(
        f"perfsuite: {tmp_path / 'cpu-example-4.json'}: entry shapes/fp32: measured "
    )
    assert other.stderr.endswith("so do not replace it: name those with --weights\n")
    again = calibrate(tmp_path, "--variant", "fp32", "--weights", "random", "--restart")
    assert again.exit_code == 0
    stored = Baselines(tmp_path).load(DEVICE.slug)
    assert stored is not None
    assert stored.entries["shapes/fp32"].protocol.endswith(" weights random")


def test_random_weights_that_nobody_chose_are_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub does not answer, and nothing is stored that would say what is meant."""
    monkeypatch.setattr(sources, "_is_cached", lambda *_: False)
    monkeypatch.setattr(sources, "_unreachable", lambda hub: "the hub cannot be reached (Timeout)")
    models.resolve.cache_clear()
    sdxl = ("--workload", "sdxl-base", "--variant", "fp32")
    refused = calibrate(tmp_path, *sdxl)
    assert refused.exit_code == 2
    assert "sdxl-base: no baseline begins with these weights: they are random" in refused.stderr
    assert refused.stderr.endswith("if random weights are meant, say so: --weights=random\n")
    assert not list(tmp_path.iterdir())
    assert calibrate(tmp_path, *sdxl, "--weights=random").exit_code == 0
    assert calibrate(tmp_path, *sdxl, "--restart").exit_code == 0
    models.resolve.cache_clear()


def test_the_default_is_what_the_suite_runs_here(tmp_path: Path) -> None:
    """The reference too; what the device does not support, or need not run, is left out."""
    calibrate(tmp_path)
    stored = Baselines(tmp_path).load(DEVICE.slug)
    assert stored is not None
    found = {e.variant for e in stored.entries.values()}
    assert {"fp32", "bf16", "bf16-sdpa-compile"} <= found
    assert not [name for name in found if name.startswith(("fp16", "fp32-"))]


def test_an_unsupported_variant_that_is_named_is_refused(tmp_path: Path) -> None:
    """With the reason, before anything is measured."""
    done = calibrate(tmp_path, "--variant", "fp32", "--variant", "fp16")
    assert done.exit_code == 2
    assert done.stderr.startswith("perfsuite: fp16: fp16: ")
    assert FakeServer.opened == []
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_do() -> None:
    done = invoke("calibrate")
    assert done.exit_code == 2
    assert done.stderr == ("perfsuite: nothing to do: give --sessions, --quality, --golden or several\n")
    assert invoke("calibrate", "--restart").exit_code == 2


def test_a_process_that_keeps_failing_ends_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured before is stored."""
    monkeypatch.setattr(FakeServer, "fails_from", 2)
    done = calibrate(tmp_path, "--variant", "fp32")
    assert done.exit_code == 2
    assert done.stderr.endswith("perfsuite: no room\n")
    stored = Baselines(tmp_path).load(DEVICE.slug)
    assert stored is not None
    assert len(stored.entries["shapes/fp32"].sessions) == 1


# -- trace -----------------------------------------------------------------------------------------


def trace(out: Path, *arguments: str) -> Result:
    variants = ("--variant", "fp32", "--variant", "bf16+sdpa")
    return invoke("trace", str(out), *variants, "--samples", "4", *arguments)


def test_a_trace_is_what_evaluate_reads(tmp_path: Path) -> None:
    out = tmp_path / "new" / "trace.npz"
    done = trace(out, "--processes", "6")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"wrote {out}\n"
    assert len(done.stderr.splitlines()) == 6
    judged = invoke(
        "evaluate", str(out), "--rule", "perfsuite", "--design", "2x3", "--repeats", "1",
        "--sessions", "2", "--samples", "3",
    )  # fmt: skip
    assert judged.exit_code == 0, judged.output
    assert "on 2 benchmarks" in judged.stdout


def test_a_trace_is_named_by_workload_and_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants by their own names, however they were spelled; so many cores are kept busy."""
    import contextlib

    from perfsuite.store.traces import read_traces
    from perfsuite.workers import tracing

    asked: list[int] = []

    def load(count: int) -> Any:
        asked.append(count)
        return contextlib.nullcontext()

    monkeypatch.setattr(tracing, "load", load)
    for busy, group in (("0", "shapes, alone"), ("3", "shapes, 3 cores busy")):
        trace(tmp_path / "trace.npz", "--processes", "2", "--busy", busy)
        found = read_traces(tmp_path / "trace.npz")
        assert (found.names, found.groups) == (("fp32", "bf16-sdpa"), (group, group))
        assert found.latency_s.shape == (2, 2, 4)
    assert asked == [0, 3]


def test_what_was_recorded_before_a_failure_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from perfsuite.store.traces import read_traces

    monkeypatch.setattr(FakeServer, "fails_from", 3)
    done = trace(tmp_path / "trace.npz", "--processes", "5")
    assert done.exit_code == 2
    assert done.stderr.endswith("perfsuite: no room\n")
    assert read_traces(tmp_path / "trace.npz").processes == 2


@pytest.mark.parametrize(
    ("out", "arguments", "message"),
    [
        ("t.npz", ["--variant", "bf61"], "unknown"),
        ("t.npz", ["--workload", "shape"], "did you mean 'shapes'?"),
        ("file/t.npz", [], "file: the folder cannot be created (File exists); check its permissions"),
    ],
)
def test_trace_refuses_with_a_line(out: str, arguments: list[str], message: str, tmp_path: Path) -> None:
    """Status 2."""
    (tmp_path / "file").write_text("in the way")
    done = trace(tmp_path / out, "--processes", "2", *arguments)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("perfsuite: ")
    assert message in done.stderr
