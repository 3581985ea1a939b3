"""``perfsuite baselines``: show, diff and prune, with files of a few sessions."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sessions import make_session
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.records import Device, Relative
from perfsuite.records import Result as Measured
from perfsuite.store import Baselines

DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**34)
LONGEST = "bf16-sdpa-compile-qkv-int8-weights"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["baselines", *arguments])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Store five sessions of each variant in a folder; return the folder."""

    def add(folder: str = "one", seconds: float = 1.0, *variants: str, device: Device = DEVICE) -> Path:
        for name in variants or ("fp32", LONGEST):
            for i in range(5):
                figures: dict[str, Any] = {
                    "id": f"{folder}{name}{i}",
                    "latency_s": (seconds, seconds * (1 + 0.01 * i)),
                    "relative": None if name == "fp32" else Relative("fp32", (0.5, 0.502 + 0.002 * i)),
                    "date": (datetime.now(UTC) - timedelta(days=2)).isoformat(),
                    "versions": {"torch": "2.13.0", "python": "3.11"},
                    "compile_s": 64.4,
                    "peak_memory_bytes": 744 << 20,
                }
                result = Measured("shapes", name, "p", session=make_session(**figures))
                Baselines(tmp_path / folder).update(device, [result], "append")
        return tmp_path / folder

    return add


def test_show_reads_well_at_80_columns(write: Callable[..., Path]) -> None:
    """Two tables: spread with what a gate finds, then memory, compile time, age and modes."""
    folder = write()
    done = invoke("show", "--baselines", str(folder))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    # A path is never broken.
    assert max(len(line) for line in lines if str(folder) not in line) <= 80
    assert lines[0] == "cpu-example-2t: Example CPU, 16.0 GiB"
    rows = [line.split() for line in lines if line.split()[:1] == [LONGEST]]
    assert rows[0][1:4] == ["5", "1.01", "s"]
    assert rows[1][1:5] == ["744", "MiB", "64.4", "s"]
    assert "0.503 fp32" in " ".join(rows[1])
    assert "2 d" in " ".join(rows[1])
    assert any("versions of 10 sessions: python 3.11, torch 2.13.0" in line for line in lines)
    assert "80 % power" in " ".join(done.stdout.split())


def test_show_as_json(write: Callable[..., Path]) -> None:
    """Every figure with its unit; the two effects are those of the calibration's table."""
    folder = write()
    listed = json.loads(invoke("show", DEVICE.slug, "--json", "--baselines", str(folder)).stdout)
    assert listed["schema_version"] == 1
    (device,) = listed["devices"]
    assert (device["slug"], device["file"]) == (DEVICE.slug, str(folder / "cpu-example-2t.json"))
    entry = next(e for e in device["entries"] if e["variant"] == LONGEST)
    assert (entry["sessions"], entry["compile_s"], entry["relative_to"]) == (5, 64.4, "fp32")
    assert 0 < entry["relative_minimum_detectable_effect"] < entry["minimum_detectable_effect"]
    assert entry["age_days"] == pytest.approx(2.0, abs=0.1)
    assert entry["versions"] == [{"sessions": 5, "versions": {"torch": "2.13.0", "python": "3.11"}}]


def test_show_some(write: Callable[..., Path]) -> None:
    folder = write()
    done = invoke("show", "--variant", "fp32", "--workload", "shapes", "--baselines", str(folder))
    assert LONGEST not in done.stdout
    assert "\nfp32 " in done.stdout
    done = invoke("show", "--variant", "tf32", "--baselines", str(folder))
    assert "no entry of that name" in done.stdout


@pytest.mark.parametrize("command", ["show", "prune"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cpu-exampel-2t"], "unknown device 'cpu-exampel-2t': did you mean 'cpu-example-2t'?"),
        (["../one/cpu-example-2t"], "unknown device"),
    ],
)
def test_unknown_device(command: str, arguments: list[str], message: str, write: Callable[..., Path]) -> None:
    done = invoke(command, *arguments, "--baselines", str(write()))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("perfsuite: ")
    assert message in done.stderr


@pytest.mark.parametrize("command", ["show", "prune"])
def test_no_folder(command: str, tmp_path: Path) -> None:
    done = invoke(command, "--baselines", str(tmp_path / "none"))
    assert done.exit_code == 2
    assert f"no baselines in {tmp_path / 'none'}; record some: pytest" in done.stderr


@pytest.mark.parametrize(
    "command", [["show"], ["prune", "--yes"], ["diff", "cpu-example-2t", "--ref", "main"]]
)
@pytest.mark.parametrize(
    ("where", "value", "parts"),
    [
        (["schema_version"], 99, ["field schema_version", "newer perfsuite", "upgrade perfsuite"]),
        (
            ["entries", "shapes/fp32", "sessions", 0, "latency_s"], ["fast"],
            ["entry 'shapes/fp32'", "field sessions[0].latency_s[0]", "git checkout"],
        ),
    ],
)  # fmt: skip
def test_damaged_file(
    command: list[str], where: list[str | int], value: object, parts: list[str], write: Callable[..., Path]
) -> None:
    """The message names file, entry, field and remedy, and the bytes stay as they are."""
    folder = write()
    path = folder / "cpu-example-2t.json"
    document = json.loads(path.read_text())
    target = document
    for step in where[:-1]:
        target = target[step]
    target[where[-1]] = value
    path.write_text(json.dumps(document))
    if command[0] == "diff":
        command = ["diff", str(path), str(path)]
    done = invoke(*command, "--baselines", str(folder))
    assert done.exit_code == 2
    for part in (str(path), *parts):
        assert part in done.stderr
    assert json.loads(path.read_text()) == document


def test_diff_finds_what_got_slower(write: Callable[..., Path]) -> None:
    """Exit code 1, the change with its interval, n of both sides, and nothing of the other entry."""
    files = [folder / "cpu-example-2t.json" for folder in (write(), write("two", 3.0, "fp32"))]
    done = invoke("diff", *map(str, files))
    assert done.exit_code == 1, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines[2:])) <= 80
    # The table would be wider: figures stand below the name.
    row = lines[lines.index("shapes/fp32") + 1]
    assert "REGRESSED n=5->5" in row
    assert "+200.0 %" in row
    assert any(line.endswith("LESS_JUDGED n=5->0") for line in lines)
    document = json.loads(invoke("diff", *map(str, files), "--json").stdout)
    by_name = {e["entry"]: e for e in document["entries"]}
    assert by_name["shapes/fp32"]["verdict"]["status"] == "REGRESSED"
    assert by_name[f"shapes/{LONGEST}"]["verdict"]["status"] == "LESS_JUDGED"


def test_diff_of_the_same(write: Callable[..., Path]) -> None:
    path = str(write() / "cpu-example-2t.json")
    done = invoke("diff", path, path)
    assert done.exit_code == 0
    assert done.stdout.count("no new session n=5->5") == 2
    assert done.stdout.endswith("OK (2 entries)\n")


def _rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


GONE = f"shapes/{LONGEST}"


def _pop(document: dict[str, Any]) -> None:
    del document["entries"][GONE]


def _other_protocol(document: dict[str, Any]) -> None:
    for entry in document["entries"].values():
        entry["protocol"] = "another"


def _none(document: dict[str, Any]) -> None:
    document["entries"] = {}


def _new_alone(document: dict[str, Any]) -> None:
    entry = document["entries"].pop("shapes/fp32") | {"variant": "bf16"}
    document["entries"] = {"shapes/bf16": entry}


@pytest.mark.parametrize(
    ("change", "status", "missed"),
    [
        (_pop, "LESS_JUDGED", [GONE]),
        (_other_protocol, "NOT_JUDGED", [GONE, "shapes/fp32"]),
        (_none, "NOT_JUDGED", [GONE, "shapes/fp32"]),
        (_new_alone, "NOT_JUDGED", [GONE, "shapes/fp32"]),
    ],
)
def test_diff_that_compares_less_than_there_was(
    change: Callable[[dict[str, Any]], None], status: str, missed: list[str], write: Callable[..., Path]
) -> None:
    """It fails, says of what, and how to say that it is meant; then it passes."""
    before, after = write() / "cpu-example-2t.json", write("two") / "cpu-example-2t.json"
    _rewritten(after, change)
    files = (str(before), str(after))
    done = invoke("diff", *files)
    assert done.exit_code == 1, done.output
    said = " ".join(done.stdout.split())
    assert f"{status}: {len(missed)} of 2 entries were compared with nothing" in said
    accept = [word for key in missed for word in ("--accept", key)]
    assert said.endswith(f"if that is meant: {' '.join(accept)}")
    document = json.loads(invoke("diff", *files, "--json").stdout)
    assert (document["status"], document["missed"]) == (status, missed)
    for meant in (accept, ["--accept", "all"]):
        assert invoke("diff", *files, *meant).exit_code == 0
    if len(missed) > 1:
        assert invoke("diff", *files, *accept[:2]).exit_code == 1


def test_diff_with_another_device(write: Callable[..., Path]) -> None:
    """Nothing of it can be compared."""
    other = Device("cpu", "Other CPU", "cpu-other-2t", 2, 2**34)
    files = write() / "cpu-example-2t.json", write("two", device=other) / "cpu-other-2t.json"
    done = invoke("diff", *map(str, files))
    assert done.exit_code == 1
    assert "NOT_JUDGED: 2 of 2 entries were compared with nothing" in " ".join(done.stdout.split())
    assert invoke("diff", *map(str, files), "--accept", "all").exit_code == 0


def test_diff_accepts_no_regression_and_no_unknown_name(write: Callable[..., Path]) -> None:
    files = [str(folder / "cpu-example-2t.json") for folder in (write(), write("two", 3.0))]
    assert invoke("diff", *files, "--accept", "all").exit_code == 1
    done = invoke("diff", *files, "--accept", "shapes/fp23")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--accept=shapes/fp23: no such entry before" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cpu-example-2t"], "name a second file, or a git ref"),
        (["a.json", "b.json"], "a.json: no such file"),
        (["cpu-exampl-2t", "b.json"], "unknown device 'cpu-exampl-2t': did you mean"),
        (["cpu-example-2t", "cpu-example-2t", "--ref", "main"], "name that file alone"),
        (["cpu-example-2t", "--ref", "a", "--ref", "b", "--ref", "c"], "3 times"),
    ],
)
def test_diff_of_nothing(arguments: list[str], message: str, write: Callable[..., Path]) -> None:
    done = invoke("diff", *arguments, "--baselines", str(write()))
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_prune_says_first_and_writes_when_told(write: Callable[..., Path]) -> None:
    folder = write()
    path = folder / "cpu-example-2t.json"
    before = path.read_bytes()
    done = invoke("prune", "--keep", "2", "--baselines", str(folder))
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "cpu-example-2t shapes/fp32: 3 sessions, 2 stay: more than the newest 2" in said
    assert said.endswith("nothing is written yet: give --yes")
    assert path.read_bytes() == before
    done = invoke("prune", "--keep", "2", "--yes", "--json", "--baselines", str(folder))
    document = json.loads(done.stdout)
    assert document["written"] is True
    assert [e["left"] for e in document["devices"]["cpu-example-2t"]] == [2, 2]
    stored = Baselines(folder).load(DEVICE.slug)
    assert stored is not None
    assert [s.id for s in stored.entries["shapes/fp32"].sessions] == ["onefp323", "onefp324"]
    assert invoke("prune", "--keep", "2", "--yes", "--baselines", str(folder)).stdout == "nothing to prune\n"


def test_prune_reads_all_before_it_writes(write: Callable[..., Path]) -> None:
    """One damaged file among several: none is written."""
    folder = write()
    before = (folder / "cpu-example-2t.json").read_bytes()
    (folder / "zzz.json").write_text("{")
    done = invoke("prune", "--keep", "1", "--yes", "--baselines", str(folder))
    assert (done.exit_code, "zzz.json" in done.stderr) == (2, True)
    assert (folder / "cpu-example-2t.json").read_bytes() == before
    assert (folder / "zzz.json").read_text() == "{"


@pytest.mark.parametrize("arguments", [["--keep", "0"], ["--older-than", "-1"], ["--not-torch", " "]])
def test_prune_refuses_rules_that_mean_nothing(arguments: list[str], write: Callable[..., Path]) -> None:
    done = invoke("prune", *arguments, "--yes", "--baselines", str(write()))
    assert done.exit_code == 2
    assert arguments[0] in done.stderr


PROGRAM = """
import sys
from perfsuite.cli import main
sys.argv = ["perfsuite", "baselines", *{arguments!r}]
try:
    main()
except SystemExit as stop:
    print("exit", stop.code or 0, sorted({{"torch", "diffusers", "transformers"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "command", [["show"], ["show", "--json"], ["diff"], ["prune", "--keep", "1", "--yes"]]
)
def test_torch_stays_out(command: list[str], write: Callable[..., Path]) -> None:
    """In a fresh process the work is done without it."""
    folder = write()
    path = str(folder / "cpu-example-2t.json")
    arguments = [*command, path, path] if command == ["diff"] else [*command, "--baselines", str(folder)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(arguments=arguments)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["exit 0 []"], done.stdout[-2000:] + done.stderr[-2000:]
    assert "shapes" in done.stdout
