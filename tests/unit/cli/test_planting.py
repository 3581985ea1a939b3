"""``perfsuite faults --compiled``: what it refuses, what it keeps, and how it ends; nothing is compiled."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.quality import compiled_trials
from perfsuite.quality.compiled_trials import CompiledBench, CompiledTrial
from perfsuite.quality.faults.compiler import MISTAKES, NotPlantedError
from perfsuite.records import Look, PictureStatus, Quality

OK, DEGRADED = PictureStatus.OK, PictureStatus.DEGRADED


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["faults", "--compiled", "--device", "cpu", *arguments])


def test_names_come_with_their_reports() -> None:
    """One line each: component, what is wrong, and where it was reported."""
    lines = invoke("--names").output.splitlines()
    assert [line.split()[0] for line in lines] == list(MISTAKES)
    for line, mistake in zip(lines, MISTAKES.values(), strict=True):
        assert line.endswith(f"{mistake.summary} ({mistake.source})")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--fault", "gelu-by-tanhh"],
            "unknown compiler's mistake 'gelu-by-tanhh': did you mean 'gelu-by-tanh'?",
        ),
        (["--variant", "bf16-sdpa"], "bf16-sdpa: nothing of it is compiled; name a variant with compile"),
        (
            ["--variant", "bf16-sdpa-compile", "--fault", "int8-rounded-down"],
            "int8-rounded-down can be planted in none of these: bf16-sdpa-compile: it has no int8",
        ),
        (
            ["--variant", "bf16-sdpa-compile-regional", "--fault", "decoder-upsampling-shifted"],
            "only its transformer blocks are compiled",
        ),
        (["--workload", "shape"], "unknown workload 'shape': did you mean 'shapes'?"),
    ],
)
def test_bad_input(arguments: list[str], message: str) -> None:
    """Status 2 and a line that names what is wrong and the remedy."""
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put what each mistake and honest case is judged in place of compiling it."""
    monkeypatch.setattr(compiled_trials, "unsupported", lambda variant, device: None)
    monkeypatch.setattr("perfsuite.pipelines.unsupported", lambda variant, device: None)

    def put(found: bool, alarm: bool = False, error: Exception | None = None) -> None:
        def trial(variant: str, case: str, bad: bool, **fields: Any) -> CompiledTrial:
            status = DEGRADED if bad else OK
            quality = Quality(status, (), (Look("compiled", status, 1, detail="a detail"),))
            return CompiledTrial(variant, case, fields.pop("fault", False), quality, **fields)

        def mistake(self: Any, variant: Any, mistake: Any) -> CompiledTrial:
            if error is not None:
                raise error
            return trial(variant.name, mistake.name, found, fault=True, planted=("a",), change=0.1)

        monkeypatch.setattr(CompiledBench, "mistake", mistake)
        monkeypatch.setattr(
            CompiledBench, "compiled_honestly", lambda self, case: trial(case.variant, case.name, alarm)
        )

    return put


@pytest.mark.parametrize(("found", "alarm", "code"), [(True, False, 0), (False, False, 1), (True, True, 1)])
def test_how_it_ends(found: bool, alarm: bool, code: int, judged: Callable[..., None]) -> None:
    """All found and no alarm; one missed; an alarm."""
    judged(found, alarm)
    done = invoke("--fault", "gelu-by-tanh", "--fault", "int8-rounded-down")
    assert done.exit_code == code, done.output
    assert f"bf16-sdpa-compile: found {int(found)} of 1" in done.stdout
    assert f"bf16-sdpa-compile-qkv-int8: found {2 * found} of 2" in done.stdout
    assert f"bf16-sdpa-compile: {10 * alarm} alarms in 10 honest builds" in done.stdout
    assert "bf16-sdpa-compile: gelu-by-tanh" in done.stderr


def test_without_honest_builds_and_with_a_file(judged: Callable[..., None], tmp_path: Path) -> None:
    """The file holds each trial."""
    judged(True)
    out = tmp_path / "below" / "mistakes.json"
    done = invoke("--no-honest", "--fault", "gelu-by-tanh", "--json", str(out))
    assert done.exit_code == 0
    assert "honest" not in done.stdout
    trials = json.loads(out.read_text())["trials"]
    assert [t["case"] for t in trials] == ["gelu-by-tanh"] * 2


def test_what_was_tried_is_kept_when_one_fails(
    judged: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of trials are not lost to the last."""
    judged(True)
    planted = CompiledBench.mistake

    def breaking(self: Any, variant: Any, mistake: Any) -> CompiledTrial:
        if mistake.name == "linear-bias-lost":
            raise ValueError("the compiler broke")
        return planted(self, variant, mistake)

    monkeypatch.setattr(CompiledBench, "mistake", breaking)
    out = tmp_path / "mistakes.json"
    done = invoke("--fault", "gelu-by-tanh", "--fault", "linear-bias-lost", "--json", str(out))
    assert (done.exit_code, "the compiler broke" in done.stderr) == (2, True)
    assert len(json.loads(out.read_text())["trials"]) == 1


def test_a_mistake_without_a_place_is_named(judged: Callable[..., None]) -> None:
    """It is neither found nor missed, so the command says that it was not tried."""
    judged(True, error=NotPlantedError("gelu-by-tanh has no place in what was compiled: vae"))
    done = invoke("--no-honest", "--fault", "gelu-by-tanh")
    assert done.exit_code == 2
    assert "gelu-by-tanh left out, gelu-by-tanh has no place in what was compiled: vae" in done.stderr
    assert "gelu-by-tanh could be planted in none of" in done.stderr
