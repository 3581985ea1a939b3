"""The command line: what it lists, what it refuses, and what `calibrate` stores; no model runs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from sessions import make_session
from typer.testing import CliRunner, Result

import perfsuite
from perfsuite.cli import app
from perfsuite.device import fingerprint
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.quality.faults import FAULTS
from perfsuite.quality.reference import Reference
from perfsuite.records import Device
from perfsuite.records import Result as Measured
from perfsuite.store import Baselines, PromptThreshold, Thresholds, load_thresholds


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_the_version() -> None:
    """As a person and a script want it."""
    done = invoke("--version")
    assert (done.exit_code, done.output) == (0, f"perfsuite {perfsuite.__version__}\n")


def test_without_a_command_there_is_help() -> None:
    """With what can be done, and the exit code that says that nothing was."""
    done = invoke()
    assert done.exit_code == 2
    assert "Usage: " in done.output
    assert all(name in done.output for name in ("list", "doctor", "calibrate", "baselines"))


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(_commands(typer.main.get_group(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_what_it_ends_with(name: str) -> None:
    """Success, and that of a mistake; for pipelines these are the command."""
    said = " ".join((COMMANDS[name].help or "").split())
    assert "Exit code 0: " in said
    assert "; 3: wrong options" in said if name == "ab" else "; 2: " in said


def test_list_names_all_there_is() -> None:
    """Every workload, rung and optimization is on a line of its own, the hidden step is not."""
    done = invoke("list")
    first_words = [line.split()[0] for line in done.output.splitlines()]
    shown = [name for name, o in OPTIMIZATIONS.items() if not o.hidden]
    assert done.exit_code == 0
    assert {*workloads.WORKLOADS, *variants.VARIANTS, *shown} <= set(first_words)
    assert "no-sdpa" not in first_words
    assert max(map(len, done.output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("section", "keys", "first"),
    [
        ("workloads", {"workloads"}, "shapes"),
        ("variants", {"variants", "beside"}, "fp32"),
        ("optimizations", {"optimizations", "techniques"}, "fp32"),
        ("faults", {"faults"}, next(iter(FAULTS))),
        ("baselines", {"baselines"}, None),
    ],
)
def test_list_one_section(section: str, keys: set[str], first: str | None, tmp_path: Path) -> None:
    """Alone, as text and as JSON."""
    listed = json.loads(invoke("list", section, "--json", "--baselines", str(tmp_path)).output)
    assert listed.keys() == {"schema_version"} | keys
    lines = invoke("list", section, "--baselines", str(tmp_path)).output.splitlines()
    if first is None:
        assert lines == [f"baselines in {tmp_path}: none yet"]
    else:
        assert lines[0].split()[0].rstrip(",") == section
        assert lines[1].split()[0] == first


def test_list_refuses_a_section_that_is_not_there() -> None:
    done = invoke("list", "variant")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "unknown section 'variant': did you mean 'variants'?" in done.stderr


def test_list_of_baselines(tmp_path: Path) -> None:
    """Sessions of each entry; a file that cannot be read is named, and the others are still listed."""
    device = Device("cpu", "Example CPU", "cpu-example", 2, 2**34)
    Baselines(tmp_path).update(device, [Measured("shapes", "fp32", "p", session=make_session())], "new")
    (tmp_path / "broken.json").write_text("{")
    done = invoke("list", "baselines", "--baselines", str(tmp_path))
    assert done.exit_code == 2
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["broken", "damaged"], ["cpu-example", "Example", "CPU"], ["shapes/fp32", "n=1"],
    ]  # fmt: skip
    assert "broken.json: not valid JSON" in done.stderr
    listed = json.loads(invoke("list", "baselines", "--json", "--baselines", str(tmp_path)).stdout)
    assert listed["baselines"]["cpu-example"] == {"name": "Example CPU", "sessions": {"shapes/fp32": 1}}


def test_list_as_json() -> None:
    """Programs get the ladder in order, with the optimizations as they are applied."""
    listed = json.loads(invoke("list", "--json").output)
    assert list(listed["variants"]) == [variant.name for variant in variants.LADDER]
    assert list(listed["beside"]) == [variant.name for variant in variants.BESIDE]
    assert listed["variants"]["bf16-sdpa-compile"] == ["bf16", "sdpa", "compile"]
    assert listed["workloads"]["shapes"] == workloads.SHAPES.protocol
    assert "no-sdpa" not in listed["optimizations"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to do: give --sessions, --quality, --golden or several"),
        (["--quality", "--workload", "shape"], "unknown workload 'shape': did you mean 'shapes'?"),
        (["--quality", "--variant", "bf16+sdap"], "unknown optimization 'sdap': did you mean 'sdpa'?"),
        (["--golden", "--variant", "bf16+qkv"], "qkv requires sdpa; add it"),
    ],
)
def test_calibrate_refuses_before_it_measures(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wrong argument ends with status 2 and a line that says what is wrong; nothing is built."""
    monkeypatch.setattr("perfsuite.quality.record_reference", lambda *a, **k: pytest.fail("drew"))
    done = invoke("calibrate", *arguments, "--baselines", str(tmp_path))
    assert done.exit_code == 2
    assert done.output.startswith("perfsuite: ")
    assert message in done.output
    assert list(tmp_path.iterdir()) == []


def test_calibrate_golden_stores_a_picture_a_prompt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The reference of this device goes below ``reference/<workload>``, of random weights apart from it."""
    asked = []

    def record(*arguments: Any, **options: Any) -> Reference:
        asked.append((arguments, options))
        rng = np.random.default_rng(0)
        return Reference(workloads.SHAPES, tuple(rng.random((4, 16, 16, 3), dtype=np.float32)))

    monkeypatch.setattr("perfsuite.quality.record_reference", record)
    where = ("--baselines", str(tmp_path), "--device", "cpu", "--weights", "random")
    done = invoke("calibrate", "--golden", *where)
    assert done.exit_code == 0, done.output
    ((workload, device, weights), options) = asked[0]
    assert (workload, device.kind, weights) == ("shapes", "cpu", "random")
    # Their own errors are stored too; float16 is emulated on a CPU, and bfloat16 on some.
    native = fingerprint("cpu").details["bfloat16"] == "native"
    assert options == {"precisions": ["fp32", "bf16"] if native else ["fp32"]}
    stored = sorted(path.name for path in (tmp_path / "reference" / "shapes-random").iterdir())
    assert stored == ["levels.json", *(f"prompt-{i}.png" for i in range(4))]


def thresholds(protocol: str, **floors: float) -> Thresholds:
    """Thresholds of one prompt for each of the variants named."""
    found = {name: {"p": PromptThreshold(floor, 3, floor - 0.01)} for name, floor in floors.items()}
    return Thresholds("shapes", protocol, 3.0, "Example CPU", {}, found)


@pytest.mark.parametrize(
    ("protocol", "wanted"),
    [("same", {"fp32": 1.0, "bf16": 0.95, "fp16": 0.98}), ("other", {"bf16": 0.95, "fp16": 0.98})],
)
def test_calibrate_quality_keeps_variants_of_the_same_protocol(
    protocol: str, wanted: dict[str, float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Measured variants are replaced; others are kept, unless the pictures are no longer the same."""
    found = [thresholds(protocol, bf16=0.95, fp16=0.98), thresholds("same", fp32=1.0, bf16=0.9)]
    monkeypatch.setattr("perfsuite.quality.noise_floor.measure_noise", lambda *a, **k: found.pop())
    for _ in range(2):
        done = invoke("calibrate", "--quality", "--baselines", str(tmp_path))
        assert done.exit_code == 0, done.output
    stored = load_thresholds(tmp_path / "reference" / "shapes" / "thresholds.json")
    assert stored is not None
    assert {name: prompts["p"].floor for name, prompts in stored.variants.items()} == wanted


def test_calibrate_quality_keeps_what_the_kept_variants_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And forgets it of those that are measured anew."""
    before = replace(thresholds("same", one=0.9, two=0.9), loaded={"one": "a 0123456789ab", "two": "b"})
    found = [replace(thresholds("same", two=0.8), loaded={}), before]
    monkeypatch.setattr("perfsuite.quality.noise_floor.measure_noise", lambda *a, **k: found.pop())
    for _ in range(2):
        invoke("calibrate", "--quality", "--baselines", str(tmp_path))
    stored = load_thresholds(tmp_path / "reference" / "shapes" / "thresholds.json")
    assert stored is not None
    assert stored.loaded == {"one": "a 0123456789ab"}
