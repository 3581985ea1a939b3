"""`perfsuite ab`: what it refuses, its exit codes, and what it writes; nothing is measured."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from perfsuite.cli import app
from perfsuite.decision.paired import PairedSettings
from perfsuite.pipelines.workloads import SHAPES
from perfsuite.records import Status, Verdict
from perfsuite.store import PromptThreshold, Thresholds, write_thresholds
from perfsuite.workers import WorkerError
from perfsuite.workers.ab import Comparison, Plan

RUN_AB = "perfsuite.workers.ab.run_ab"
DEFAULT = "perfsuite.workers.ab.default_variant"
BUILD = "perfsuite.workers.environments.build"
BOTH = ("--base", "/one/python", "--head", "/two/python")
VERDICT = Verdict(
    Status.OK, ratio=1.01, interval=(0.99, 1.02), confidence=0.95, baseline_s=0.5, p_value=0.2, detail="why"
)  # fmt: skip


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ab", *arguments])


def picture(seed: int = 0) -> np.ndarray:
    """A smooth gradient with some noise in [0, 1]."""
    ramp = np.linspace(0.1, 0.8, 64, dtype=np.float32)
    noise = np.random.default_rng(seed).random((64, 64, 3), dtype=np.float32)
    return (ramp[:, None, None] + 0.15 * noise).astype(np.float32)


class Asked:
    """Stands for `run_ab`: keeps what it was asked, and answers a comparison with pictures of both sides."""

    def __init__(self) -> None:
        self.verdict = VERDICT
        self.default = "bf16-sdpa"
        self.pictures = {"base": picture(), "head": picture()}
        self.error: Exception | None = None
        self.plan = Plan()
        self.settings = PairedSettings()
        self.pythons: dict[str, str] = {}
        self.folder = Path()
        self.began = 0.0

    def __call__(
        self,
        servers: Any,
        plan: Plan,
        folder: Path,
        settings: PairedSettings,
        progress: Callable[[str], None],
        began: float,
    ) -> Comparison:
        self.plan, self.settings, self.folder, self.began = plan, settings, folder, began
        self.pythons = {side: server.python for side, server in servers.items()}
        progress("pair 1: as scripted")
        if self.error is not None:
            raise self.error
        found = Comparison(plan, verdict=self.verdict, wall_s=12.0)
        for side, drawn in self.pictures.items():
            found.pictures[side] = str(folder / f"{side}.safetensors")
            save_file({"000": drawn}, found.pictures[side])
        return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """In a folder without baselines."""
    asked = Asked()
    monkeypatch.setattr(RUN_AB, asked)
    monkeypatch.setattr(DEFAULT, lambda server, device: asked.default)
    monkeypatch.chdir(tmp_path)
    return asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either --base PYTHON or --base-ref REF"),
        (["--base", "p"], "name either --head PYTHON or --head-ref REF"),
        ([*BOTH, "--base-ref", "main"], "name either --base PYTHON or --base-ref REF"),
        ([*BOTH, "--head-ref", "main"], "name either --head PYTHON or --head-ref REF"),
        ([*BOTH, "--design", "both"], "--design=both: one of auto, lockstep, alternate"),
        ([*BOTH, "--workload", "shape"], "unknown workload 'shape': did you mean 'shapes'?"),
        ([*BOTH, "--variant", "bf61"], "unknown variant 'bf61'"),
        ([*BOTH, "--tolerance", "1.5"], "tolerance must lie between 0 and 1, got 1.5"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    arguments: list[str], message: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 3: neither "regressed" nor "inconclusive"."""
    monkeypatch.setattr(RUN_AB, lambda *a: pytest.fail("measured"))
    monkeypatch.setattr(BUILD, lambda *a: pytest.fail("built"))

    done = invoke(*arguments)

    assert done.exit_code == 3
    assert done.output.startswith("perfsuite: ")
    assert message in done.output


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.OK, 0),
        (Status.IMPROVED, 0),
        (Status.REGRESSED, 1),
        (Status.INCONCLUSIVE, 2),
        (Status.NEW, 2),
    ],
)
def test_exit_code_is_the_verdict(status: Status, code: int, asked: Asked) -> None:
    asked.verdict = replace(VERDICT, status=status)

    done = invoke(*BOTH)

    assert done.exit_code == code
    assert f"\n{status}: why\n" in done.stdout
    assert done.stderr == "pair 1: as scripted\n"


@pytest.mark.parametrize(
    "error",
    [
        WorkerError("/one/python: cannot be started"),
        RuntimeError("out of step: base ran 'text', head 'step'"),
        OSError("No space left on device"),
    ],
)
def test_what_could_not_be_compared_exits_with_3(error: Exception, asked: Asked) -> None:
    """And not with 1, as a traceback would: that means regressed."""
    asked.error = error

    done = invoke(*BOTH)

    assert done.exit_code == 3
    assert f"perfsuite: {error}\n" in done.output


def test_options_reach_the_plan(asked: Asked) -> None:
    options = (
        "--variant", "fp32", "--device", "cpu", "--weights", "random", "--time", "33", "--pairs", "5",
        "--tolerance", "0.07", "--prompts", "3", "--design", "alternate",
    )  # fmt: skip

    assert invoke(*BOTH, *options).exit_code == 0

    assert asked.plan == Plan(
        "shapes", "fp32", "cpu", "random", 33.0, most_pairs=5, least_pairs=2, prompts=3, design="alternate"
    )
    assert asked.settings.tolerance == 0.07
    assert asked.pythons == {"base": "/one/python", "head": "/two/python"}
    assert invoke(*BOTH, "--pairs", "1").exit_code == 0
    assert (asked.plan.most_pairs, asked.plan.least_pairs) == (1, 1)


@pytest.mark.parametrize("default", ["bf16-sdpa", "fp32-sdpa"])
def test_without_a_variant_the_base_environment_says_which(default: str, asked: Asked) -> None:
    asked.default = default

    assert invoke(*BOTH).exit_code == 0

    assert asked.plan.variant == default


def test_refs_are_built_and_their_folder_is_removed(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """One side may be an interpreter and the other a ref."""
    built = []

    def build(repository: Path, ref: str, folder: Path, name: str) -> Path:
        built.append((repository, ref, name))
        (folder / f"{name}-env").mkdir()
        return folder / f"{name}-env" / "python"

    monkeypatch.setattr(BUILD, build)

    done = invoke("--base-ref", "v1.0", "--head", "/two/python", "--repository", "/repo")

    assert done.exit_code == 0
    assert built == [(Path("/repo"), "v1.0", "base")]
    assert asked.pythons == {"base": str(asked.folder / "base-env" / "python"), "head": "/two/python"}
    assert not asked.folder.exists()


def test_a_ref_that_cannot_be_built_exits_with_3(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*arguments: Any) -> Path:
        raise WorkerError("pip install of 'v1' failed:\nno backend")

    monkeypatch.setattr(BUILD, build)

    done = invoke("--base-ref", "v1", "--head-ref", "v2")

    assert done.exit_code == 3
    assert done.output == "perfsuite: pip install of 'v1' failed:\nno backend\n"


def test_json_has_all_figures(asked: Asked, tmp_path: Path) -> None:
    """In a folder that is made for it, also when the exit code is not 0."""
    asked.verdict = replace(VERDICT, status=Status.REGRESSED)
    asked.pictures = {"base": picture(), "head": picture()}
    out = tmp_path / "deep" / "ab.json"

    assert invoke(*BOTH, "--variant", "fp32", "--json", str(out)).exit_code == 1

    data = json.loads(out.read_text())
    assert (data["kind"], data["status"], data["ratio"]) == ("ab", "REGRESSED", 1.01)
    assert data["pictures"]["status"] == "OK"
    assert data["pictures"]["scores"][0]["ssim"] == pytest.approx(1.0)
    assert invoke(*BOTH, "--json", str(tmp_path / "deep")).exit_code == 3  # a folder is in the way


def test_json_without_pictures(asked: Asked, tmp_path: Path) -> None:
    """Where only one side drew, nothing is compared, which is no success."""
    asked.pictures = {"base": picture()}

    done = invoke(*BOTH, "--json", str(tmp_path / "ab.json"))

    assert done.exit_code == 2
    assert "pictures NOT_JUDGED: only latencies were compared" in done.stderr
    assert json.loads((tmp_path / "ab.json").read_text())["pictures"] is None


def thresholds(least: float) -> None:
    """Store what the variant's first prompt needs, below the current folder."""
    folder = Path("baselines", "reference", "shapes")
    folder.mkdir(parents=True)
    found = {"bf16-sdpa": {SHAPES.prompts[0]: PromptThreshold(least, 3, least)}}
    write_thresholds(
        folder / "thresholds.json", Thresholds("shapes", SHAPES.protocol, 3.0, "Example CPU", {}, found)
    )


@pytest.mark.parametrize(
    ("variant", "stored", "code", "said"),
    [
        ("fp32", None, 1, "DEGRADED"),
        ("bf16-sdpa", None, 0, "NEW"),
        ("bf16-sdpa", 0.999, 1, "DEGRADED"),
        ("bf16-sdpa", 0.5, 0, "OK"),
    ],
)
def test_other_pictures_regress(
    variant: str, stored: float | None, code: int, said: str, asked: Asked
) -> None:
    """Whatever the latency: float32 must stay, and others may differ as far as from float32."""
    asked.verdict = replace(VERDICT, status=Status.IMPROVED)
    asked.pictures = {"base": picture(0), "head": (picture(0) + picture(1)) / 2}
    if stored is not None:
        thresholds(stored)

    done = invoke(*BOTH, "--variant", variant)

    assert done.exit_code == code, done.output
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("pictures   "))
    assert f"{said}, SSIM of head to base 0." in line


def test_a_broken_picture_of_head_regresses(asked: Asked) -> None:
    asked.pictures = {"base": picture(), "head": np.full_like(picture(), np.nan)}

    done = invoke(*BOTH)

    assert done.exit_code == 1
    assert "BROKEN, SSIM of head to base -" in done.stdout


def test_equal_pictures_of_float32_are_ok(asked: Asked) -> None:
    asked.pictures = {"base": picture(), "head": picture()}

    done = invoke(*BOTH, "--variant", "fp32")

    assert done.exit_code == 0
    assert "OK, SSIM of head to base 1.0000" in done.stdout


def test_an_unknown_option_is_not_inconclusive(asked: Asked) -> None:
    """Typer's own code for it, 2, has a meaning here."""
    assert invoke(*BOTH, "--timee", "5").exit_code == 3
    assert invoke(*BOTH, "--time", "0").exit_code == 3


def test_weights_that_fell_back_judge_no_pictures(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless random weights were asked for, of which likeness says nothing."""
    from perfsuite.pipelines.models import sources

    monkeypatch.setattr(sources, "_is_cached", lambda *_: False)
    monkeypatch.setattr(sources, "_unreachable", lambda hub: "the hub cannot be reached (Timeout)")
    sources.resolve.cache_clear()
    try:
        done = invoke(*BOTH, "--workload", "sdxl-base")
        assert done.exit_code == 2
        assert "pictures NOT_JUDGED" in done.stderr
        assert invoke(*BOTH, "--workload", "sdxl-base", "--weights", "random").exit_code == 0
    finally:
        sources.resolve.cache_clear()
