"""``perfsuite faults --compiled``: what it refuses, what it keeps, and how it ends; nothing is compiled."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.quality import compiled_bench
from perfsuite.quality.compiled_bench import CompiledBench
from perfsuite.quality.compiled_crediting import Located
from perfsuite.quality.compiled_trials import CompiledTrial
from perfsuite.quality.faults.compiler import MISTAKES, NotPlantedError
from perfsuite.quality.faults.compiler.sites import Site
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
        (
            ["--one-at-a-time", "--group", "1"],
            "--group and --one-at-a-time exclude each other; leave one out",
        ),
        (["--group", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_input(arguments: list[str], message: str) -> None:
    """Status 2 and a line that names what is wrong and the remedy."""
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize("option", [["--one-at-a-time"], ["--group", "1"]])
def test_what_is_for_compiled_code_alone(option: list[str]) -> None:
    """It would change nothing, so it is refused."""
    done = CliRunner().invoke(app, ["faults", "--device", "cpu", *option])
    assert done.exit_code == 2
    assert "--group and --one-at-a-time are for a compiler's mistakes; add --compiled" in done.stderr


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put what each mistake and honest case is judged in place of compiling it."""
    monkeypatch.setattr(compiled_bench, "unsupported", lambda *_: None)
    monkeypatch.setattr("perfsuite.pipelines.unsupported", lambda *_: None)

    def put(found: bool, alarm: bool = False, error: Exception | None = None) -> None:
        def trial(variant: str, case: str, bad: bool, **fields: Any) -> CompiledTrial:
            status = DEGRADED if bad else OK
            quality = Quality(status, (), (Look("compiled", status, 1, detail="a detail"),))
            return CompiledTrial(variant, case, fields.pop("fault", False), quality, **fields)

        def mistake(self: Any, variant: Any, mistake: Any) -> CompiledTrial:
            if error is not None:
                raise error
            located = Located.YES if found else Located.NO
            return trial(
                variant.name, mistake.name, found, fault=True, planted=("a",), change=0.1, located=located
            )

        def group(self: Any, variant: Any, sites: Any, number: int) -> list[CompiledTrial]:
            alone = [CompiledBench.mistake(self, variant, site.mistake) for site in sites]
            return [replace(each, group=number) for each in alone]

        def pairs(self: Any, variant: Any, mistakes: Any) -> list[tuple[Site, ...]]:
            sites = [Site(mistake, ("a",)) for mistake in mistakes]
            return [tuple(sites[at : at + 2]) for at in range(0, len(sites), 2)]

        monkeypatch.setattr(CompiledBench, "mistake", mistake)
        monkeypatch.setattr(CompiledBench, "group", group)
        monkeypatch.setattr(CompiledBench, "groups", pairs)
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
    assert f"bf16-sdpa-compile: 1 mistakes in 1 groups: {int(found)} located" in done.stdout
    assert f"bf16-sdpa-compile-qkv-int8: 2 mistakes in 1 groups: {2 * found} located" in done.stdout
    assert f"bf16-sdpa-compile: {10 * alarm} alarms in 10 honest builds" in done.stdout
    assert "bf16-sdpa-compile: group 1 of 1: gelu-by-tanh" in done.stderr
    assert "bf16-sdpa-compile: int8-rounded-down left out, it has no int8" in done.stderr


def test_one_at_a_time(judged: Callable[..., None]) -> None:
    """Each mistake by all looks; the table says what the outputs alone show of it."""
    judged(True)
    done = invoke("--fault", "gelu-by-tanh", "--no-honest", "--one-at-a-time")
    assert done.exit_code == 0, done.output
    assert "bf16-sdpa-compile: gelu-by-tanh" in done.stderr
    assert "bf16-sdpa-compile: 1 mistakes: 1 located" in done.stdout
    assert "bf16-sdpa-compile: found 1 of 1, by the outputs alone 0 of 1" in done.stdout


def test_groups_by_their_numbers(judged: Callable[..., None]) -> None:
    """So that a long run can be made in pieces; a number beyond them is an error."""
    judged(True)
    names = ["gelu-by-tanh", "gate-swapped", "linear-bias-lost"]
    given = ["--variant", "bf16-sdpa-compile", "--no-honest", *(f"--fault={name}" for name in names)]
    done = invoke(*given, "--group", "2")
    assert done.exit_code == 0, done.output
    assert "group 2 of 2: linear-bias-lost" in done.stderr
    assert "bf16-sdpa-compile: 1 mistakes in 1 groups" in done.stdout
    done = invoke(*given, "--group", "3")
    assert (done.exit_code, "there is no group 3: bf16-sdpa-compile has 2" in done.stderr) == (2, True)


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
    done = invoke(
        "--fault", "gelu-by-tanh", "--fault", "linear-bias-lost", "--json", str(out), "--one-at-a-time"
    )
    assert (done.exit_code, "the compiler broke" in done.stderr) == (2, True)
    assert len(json.loads(out.read_text())["trials"]) == 1


def test_a_mistake_without_a_place_is_named(judged: Callable[..., None]) -> None:
    """It is neither found nor missed, so the command says that it was not tried."""
    judged(True, error=NotPlantedError("gelu-by-tanh has no place in what was compiled: vae"))
    done = invoke("--no-honest", "--fault", "gelu-by-tanh")
    assert done.exit_code == 2
    assert "group 1 left out, gelu-by-tanh has no place in what was compiled: vae" in done.stderr
    assert "gelu-by-tanh could be planted in none of" in done.stderr
