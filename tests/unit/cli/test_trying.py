"""``perfsuite field-trial``: its table, its figures, its exit codes, and how it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from sessions import make_session
from typer.testing import CliRunner, Result

from perfsuite import records
from perfsuite.cli import app
from perfsuite.fieldtrial import environment, trial
from perfsuite.fieldtrial.journal import Plan, Step
from perfsuite.fieldtrial.sessions import folder_of
from perfsuite.store import ResultsWriter

DEVICE = records.Device("cpu", "Some CPU", "some-cpu", 2, 1 << 30)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["field-trial", *arguments])


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Ten quiet moments of two rungs."""
    rng = np.random.default_rng(3)
    for number in range(10):
        path = folder_of(tmp_path, "quiet", 0) / f"{number}.jsonl"
        writer = ResultsWriter(path, str(number), "2025-01-02T03:04:05+00:00", DEVICE)
        for variant in ("fp32-sdpa", "bf16"):
            samples = tuple(np.exp(rng.normal(0, 0.001, 8)).tolist())
            session = make_session(latency_s=samples, relative=records.Relative("fp32", samples))
            writer.add(records.Result("shapes", variant, "p", session=session))
    return tmp_path


def test_a_replay_prints_a_table_and_writes_figures(kept: Path, tmp_path: Path) -> None:
    done = invoke(
        "--replay", str(kept), "--regimes", "quiet,busy-check", "--slower", "30,100", "--draws", "7",
        "--variants", "fp32-sdpa,bf16", "--json", str(tmp_path / "new" / "figures.json"),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    head, beside, slowed, *_ = done.stdout.splitlines()
    assert head.split()[:6] == ["regime", "work", "n", "runs", "OK", "INCONCLUSIVE"]
    assert beside.split()[:4] == ["quiet", "beside", "slowed", "14"]
    assert "7: 100 % [59-100]" in slowed
    assert slowed.endswith("REGRESSED >= 95 %   met")
    assert "lengthened, not measured: quiet +30 %" in done.stdout
    assert "left out: busy-check +30 %: wanted 3 moments of quiet-0 and 5 others of busy-30" in done.stdout
    document = json.loads((tmp_path / "new" / "figures.json").read_text())
    assert document["plan"]["draws"] == 7
    found = {cell["work"]: cell for cell in document["cells"]}
    assert found["+30 %"]["outcomes"]["REGRESSED"]["count"] == 7
    assert found["+30 %"]["met"] is True


def test_a_missed_target_is_exit_code_1(kept: Path) -> None:
    """With one stored session nothing is OK."""
    done = invoke(
        "--replay", str(kept), "--regimes", "quiet", "--slower", "0", "--sessions", "1", "--draws", "3",
        "--variants", "fp32-sdpa,bf16",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "MISSED" in done.stdout


def test_a_trial_is_run_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps of a runner that pretends; what was recorded is told beside the verdicts."""

    def steps(
        folder: Path, plan: Plan, extent: trial.Extent, runner: object, **options: object
    ) -> list[Step]:
        assert (folder, plan.checks, plan.time_budget_s) == (tmp_path / "field", 2, 1.5)
        assert ([r.name for r in extent.regimes], extent.slower, extent.runs) == (["quiet"], (0,), 3)
        assert options["resume"] is True
        writer = ResultsWriter(
            folder_of(folder, "quiet", 0) / "a.jsonl", "a", "2025-01-02T03:04:05+00:00", DEVICE
        )
        writer.add(records.Result("shapes", "bf16", "p", session=make_session()))
        ok = {"bf16": records.Verdict(records.Status.OK)}
        return [
            Step(regime="quiet", number=1, slower=slower, check=check, seconds=9.0, exit_code=0, verdicts=ok,
                 stored=("bf16",), more_work=(), said="")
            for slower, check in ((None, 0), (0, 1), (0, 2))
        ]  # fmt: skip

    monkeypatch.setattr(trial, "run_trial", steps)
    monkeypatch.setattr(environment, "build", lambda folder: folder / "bin" / "python")
    done = invoke(
        "--out", str(tmp_path / "field"), "--regimes", "quiet", "--slower", "0", "--runs", "3",
        "--checks", "2", "--variants", "bf16", "--time-budget", "1.5", "--resume",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2: 100 % [16-100]" in done.stdout
    assert "quiet: 1 recordings of 9 s (median)" in done.stdout
    assert f"wrote {tmp_path / 'field' / 'traces' / 'quiet-0-seconds.npz'}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--regimes", "idle"], "unknown regime 'idle'"),
        (["--slower", "a tenth"], "--slower 'a tenth': wanted whole percentages"),
        (["--variants", "bf61"], "did you mean 'bf16'?"),
        (["--variants", "bf16-sdpa-compile"], "compiled code cannot be slowed"),
        (["--replay", "nowhere"], "nowhere: no sessions in sessions/*/*.jsonl"),
    ],
)
def test_refuses(arguments: list[str], said: str, tmp_path: Path) -> None:
    """Status 2 and one line, before anything is made."""
    done = invoke("--out", str(tmp_path / "field"), *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("perfsuite: ")
    assert said in done.stderr
    assert not (tmp_path / "field").exists()


def test_the_help_names_the_exit_codes() -> None:
    done = invoke("--help")
    assert done.exit_code == 0
    assert "Exit code 0: no target was missed; 1: one was; 2:" in " ".join(done.stdout.split())
