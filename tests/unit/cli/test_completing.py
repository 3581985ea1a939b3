"""Names that the shell completes: the callbacks, and a real bash that asks for them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from sessions import make_session

from perfsuite.cli import app, completing
from perfsuite.pipelines.variants import VARIANTS
from perfsuite.pipelines.workloads import WORKLOADS
from perfsuite.quality.faults import FAULTS
from perfsuite.records import Device, Result
from perfsuite.store import Baselines

CONTEXT = typer.Context(typer.main.get_command(app))
ROOT = Path(__file__).parents[3]
PROGRAM = """#!{python}
import sys
sys.path.insert(0, {root!r})
from perfsuite.cli import main
main()
heavy = {{"torch", "diffusers"}} & sys.modules.keys()
"""
SCRIPT = """
source {script}
COMP_WORDS=({words})
COMP_CWORD={last}
_perfsuite_completion perfsuite
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def names(found: completing.Names) -> list[str]:
    return [name for name, _ in found]


def test_callbacks() -> None:
    """All names for nothing, those that begin so for something, with a word to each."""
    assert names(completing.workloads(CONTEXT, "")) == list(WORKLOADS)
    assert names(completing.workloads(CONTEXT, "sdx")) == ["sdxl-base"]
    assert names(completing.variants(CONTEXT, "")) == list(VARIANTS)
    assert names(completing.faults(CONTEXT, "")) == list(FAULTS)
    assert names(completing.places("c")) == ["cpu", "cuda"]
    assert all(said for _, said in completing.variants(CONTEXT, ""))


def test_sums() -> None:
    """The optimizations that are not in the sum yet; a hidden one never."""
    assert names(completing.variants(CONTEXT, "bf16+qk")) == ["bf16+qkv"]
    assert "bf16+sdpa+qkv" in names(completing.variants(CONTEXT, "bf16+sdpa+"))
    assert "bf16+sdpa+sdpa" not in names(completing.variants(CONTEXT, "bf16+sdpa+"))
    assert "bf16+no-sdpa" not in names(completing.variants(CONTEXT, "bf16+"))


@pytest.fixture
def bash(tmp_path: Path) -> Callable[..., list[str]]:
    """What a bash with perfsuite's own completion offers after these words."""
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    program = tmp_path / "bin" / "perfsuite"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, root=str(ROOT)))
    program.chmod(0o755)
    env = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    shown = subprocess.run(
        [str(program), "--show-completion", "bash"],
        env=env | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    script = tmp_path / "completion.bash"
    script.write_text(shown.stdout)

    def ask(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in ("perfsuite", *words))
        done = subprocess.run(
            ["bash", "--norc", "-c", SCRIPT.format(script=script, words=quoted, last=len(words))],
            env=env, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path,
        )  # fmt: skip
        assert done.stderr == ""
        return done.stdout.split("\n")[:-1]

    return ask


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["bas"], ["baselines"]),
        (["baselines", ""], ["show", "diff", "check", "prune"]),
        (["doctor", "--workload", "sh"], ["shapes", "shapes-ssd"]),
        (["doctor", "--variant", "bf16-sdpa-compile-regional-qkv-f"], ["bf16-sdpa-compile-regional-qkv-fp8"]),
        (["doctor", "--variant", "fp32+qk"], ["fp32+qkv"]),
        (["doctor", "--no-"], ["--no-self-test"]),
        (["ab", "--device", "c"], ["cpu", "cuda"]),
        (["calibrate", "--variant", "tf"], ["tf32"]),
        (["faults", "--fault", "rounding-k"], ["rounding-kept"]),
        (["faults", "--compiled", "--fault", "gelu"], ["gelu-by-tanh"]),
        (["list", "f"], ["faults"]),
        (["baselines", "show", ""], ["cpu-example-2t"]),
        (["baselines", "prune", "--baselines", "elsewhere", ""], ["gpu-elsewhere"]),
    ],
)
def test_in_a_real_bash(
    words: list[str], wanted: list[str], bash: Callable[..., list[str]], tmp_path: Path
) -> None:
    result = Result("shapes", "fp32", "p", session=make_session())
    for folder, slug in (("baselines", "cpu-example-2t"), ("elsewhere", "gpu-elsewhere")):
        Baselines(tmp_path / folder).update(Device("cpu", "Example", slug, 2, 1), [result], "new")
    assert bash(*words) == wanted
