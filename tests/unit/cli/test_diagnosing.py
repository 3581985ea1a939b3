"""``perfsuite doctor``: exit codes, JSON, and what becomes of its options; nothing is measured."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from perfsuite import doctor
from perfsuite.cli import app
from perfsuite.cli.app import terminal
from perfsuite.doctor import Examination
from perfsuite.records import Device, Finding, Health

DEVICE = Device("cpu", "Example CPU", "cpu-example-4t", 4, 2**34, {"bfloat16": "native"})
seen: list[Examination] = []


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put findings of these statuses in place of the checks'; None raises."""
    seen.clear()
    monkeypatch.setattr("perfsuite.doctor.examination.fingerprint", lambda choice: DEVICE)

    def place(*statuses: Health | None) -> None:
        def check(examination: Examination) -> Iterator[Finding]:
            seen.append(examination)
            assert examination.device is DEVICE
            for status in statuses:
                if status is None:
                    raise OSError("no such thing")
                yield Finding("thing", status, f"it is {status}", figures={"count": 1})

        monkeypatch.setattr(doctor.examine, "__defaults__", ((("thing", check),),))

    return place


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


@pytest.mark.parametrize(
    ("statuses", "arguments", "code", "last"),
    [
        ([Health.OK], [], 0, "fit to measure (1 OK)"),
        ([Health.OK, Health.WARNING], [], 0, "fit to measure, with warnings (1 OK, 1 WARNING)"),
        ([Health.OK, Health.WARNING], ["--strict"], 1, "fit to measure, with warnings (1 OK, 1 WARNING)"),
        ([Health.PROBLEM], [], 1, "not fit to measure: measurements would fail or mislead (1 PROBLEM)"),
        ([None], [], 3, "it cannot be told whether this machine is fit to measure (1 UNKNOWN)"),
    ],
)
def test_exit_code_and_last_line(
    statuses: list[Health | None], arguments: list[str], code: int, last: str, checks: Callable[..., None]
) -> None:
    checks(*statuses)
    done = invoke(*arguments)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (code, last)


def test_json(checks: Callable[..., None]) -> None:
    """On standard output alone, also where the machine is not fit."""
    checks(Health.PROBLEM)
    done = invoke("--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["exit_code"], document["verdict"]) == (1, 1, "UNFIT")
    assert document["device"]["slug"] == DEVICE.slug
    assert document["findings"][0]["figures"] == {"count": 1}


def test_a_check_that_raises(checks: Callable[..., None]) -> None:
    """Its text is shown; with --debug it ends in a traceback."""
    checks(None)
    assert "OSError: no such thing" in " ".join(invoke().stdout.split())
    done = invoke("--debug")
    assert isinstance(done.exception, OSError)
    assert done.exit_code == 1


def test_options(checks: Callable[..., None], tmp_path: Path) -> None:
    checks(Health.OK)
    invoke("--workload", "sdxl-base", "--variant", "bf16", "--variant", "bf16+sdpa", "--device", "cuda:1",
           "--weights", "random", "--baselines", str(tmp_path), "--seconds", "3", "--reference-cache", "off",
           "--compile-cache", str(tmp_path / "code"))  # fmt: skip
    invoke("--no-self-test")
    given, usual = seen
    assert given.workload.name == "sdxl-base"
    assert [v.name for v in given.variants] == ["bf16", "bf16-sdpa"]
    assert (given.choice, given.weights, given.baselines) == ("cuda:1", "random", tmp_path)
    assert (given.self_test_s, given.reference_cache, given.compile_cache) == (3.0, None, tmp_path / "code")
    assert (usual.self_test_s, usual.choice, usual.workload.name) == (0.0, "auto", "shapes")
    assert usual.reference_cache is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workload", "shape"], "unknown workload 'shape': did you mean 'shapes'?"),
        (["--variant", "bf16+sdap"], "unknown optimization 'sdap': did you mean 'sdpa'?"),
        (["--device", "gpu"], "--perf-device=gpu: did you mean 'cpu'?"),
        (["--seconds", "0"], "0.5"),
        (["--seconds", "nan"], "'--seconds'"),
    ],
)
def test_wrong_options(arguments: list[str], message: str, checks: Callable[..., None]) -> None:
    """They end with status 2, before anything is looked at."""
    checks(Health.OK)
    done = invoke(*arguments)
    assert (done.exit_code, done.stdout, seen) == (2, "", [])
    assert message in done.stderr


def test_no_colour_where_it_is_not_wanted(
    checks: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """None in a pipe; on a terminal, unless NO_COLOR is set."""
    checks(Health.OK)
    assert "\x1b" not in invoke().stdout
    monkeypatch.setattr(sys, "stdout", type("Tty", (), {"isatty": lambda self: True})())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal().colour is True
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal().colour is False
