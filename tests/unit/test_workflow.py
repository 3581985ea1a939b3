"""The GPU workflow: GitHub's variables reach pytest, so that summary and annotations are shown."""

import configparser
import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from perfsuite.cli.bisecting import LOGS

ROOT = Path(__file__).parents[2]
NEEDED = ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE")


def workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "gpu.yml").read_text())
    return found


def passed(environment: str) -> list[str]:
    """Patterns of the variables that tox passes on."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    words: list[str] = []
    for line in tox[environment].get("pass_env", "{[testenv]pass_env}").split("\n"):
        reference = line.strip().removeprefix("{[").removesuffix("]pass_env}")
        words += passed(reference) if line.strip().startswith("{[") else [line.strip()]
    return words


@pytest.mark.parametrize("job", ["gate", "nightly"])
def test_the_summary_reaches_the_step(job: str) -> None:
    """The step that runs the suite passes on what GitHub set for this very step."""
    commands = [step["run"] for step in workflow()["jobs"][job]["steps"] if "run" in step]
    (command,) = [line for line in commands if " run -e " in line]
    environment = f"testenv:{command.split()[-1]}"
    for name in NEEDED:
        assert any(fnmatch.fnmatch(name, pattern) for pattern in passed(environment)), name


def test_the_history_is_kept_between_nights_and_issues_tell_of_it() -> None:
    """Restored before the run and saved after it, whatever the gates said; only this job may write issues."""
    found = workflow()
    nightly, gate = found["jobs"]["nightly"], found["jobs"]["gate"]
    uses = [step.get("uses", "").partition("@")[0] for step in nightly["steps"]]
    restore, save = uses.index("actions/cache/restore"), uses.index("actions/cache/save")
    (script,) = [
        i for i, step in enumerate(nightly["steps"]) if step.get("run", "").startswith(".ci/nightly ")
    ]
    (suite,) = [i for i, step in enumerate(nightly["steps"]) if " run -e " in step.get("run", "")]
    assert restore < suite < script < save
    kept = [nightly["steps"][i]["with"] for i in (restore, save)]
    assert kept[0]["path"] == kept[1]["path"]
    history, logs = kept[0]["path"].split()
    assert history in nightly["env"]["PERFSUITE_HISTORY"]
    # Where an interrupted bisection goes on from.
    assert Path(logs) == LOGS
    assert kept[1]["key"].startswith(kept[0]["restore-keys"])
    assert nightly["steps"][script]["env"]["GH_TOKEN"] == "${{ github.token }}"
    for i in (script, save):
        assert nightly["steps"][i]["if"] == "${{ !cancelled() }}"
    assert nightly["permissions"] == {"contents": "read", "issues": "write"}
    assert found["permissions"] == {"contents": "read"}
    assert "permissions" not in gate
    assert (ROOT / ".ci" / "nightly").stat().st_mode & 0o111
