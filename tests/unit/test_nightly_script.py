"""`.ci/nightly`: every step runs whatever failed before, and a group of changes has one issue."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
if shutil.which("bash") is None:
    pytest.skip("bash is not installed", allow_module_level=True)

# Both commands note what they were asked; `perfsuite` answers from files, `gh` keeps issues in one.
PERFSUITE = """
import json, sys
from pathlib import Path

here, words = Path(__file__).parent, sys.argv[1:]
with (here / "asked").open("a") as log:
    log.write(" ".join(words) + "\\n")
codes = json.loads((here / "codes").read_text())
if words[:2] == ["track", "list"]:
    print(json.dumps({"groups": json.loads((here / "groups").read_text())}))
if words[:2] == ["track", "summary"]:
    print(f"# slower since {words[-1]}\\n\\nevidence of {words[-1]}")
sys.exit(codes.get(" ".join(words[:2]), 0))
"""
GH = """
import json, sys
from pathlib import Path

here, words = Path(__file__).parent, sys.argv[1:]
file = here / "issues"
issues = json.loads(file.read_text())
given = dict(zip(words[::1], words[1::1]))
if words[1] != "list":
    with (here / "told").open("a") as log:
        log.write(" ".join(words[:3]) + "\\n")
if words[:2] == ["issue", "list"]:
    print(json.dumps(issues))
elif words[:2] == ["issue", "create"]:
    number = len(issues) + 1
    issues.append({"number": number, "state": "OPEN", "title": given["--title"], "body": sys.stdin.read()})
elif words[0] == "issue":
    issue = issues[int(words[2]) - 1]
    if words[1] == "edit":
        issue |= {"title": given["--title"], "body": sys.stdin.read()}
    else:
        issue["state"] = {"close": "CLOSED", "reopen": "OPEN"}[words[1]]
file.write_text(json.dumps(issues))
"""


class Night:
    """A checkout after a night's run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, program in (("perfsuite", PERFSUITE), ("gh", GH)):
            (folder / f"{name}.py").write_text(program)
            (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/{name}.py" "$@"\n')
            (folder / name).chmod(0o755)
        self.codes: dict[str, int] = {}
        self.groups: list[dict[str, Any]] = []
        (folder / "issues").write_text("[]")
        (folder / "out").mkdir()
        (folder / "out" / "results.jsonl").write_text("")

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """The script, once."""
        (self.folder / "codes").write_text(json.dumps(self.codes))
        (self.folder / "groups").write_text(json.dumps(self.groups))
        for name in ("asked", "told"):
            (self.folder / name).unlink(missing_ok=True)
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        own = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "GH_", "PERFSUITE_"))}
        return subprocess.run(
            [ROOT / ".ci" / "nightly", self.folder / "out"],
            cwd=self.folder,
            env={**own, "PATH": path, "PERFSUITE": str(self.folder / "perfsuite"), **environment},
            capture_output=True,
            text=True,
        )

    def asked(self) -> list[str]:
        """What perfsuite was asked, without folders."""
        return (self.folder / "asked").read_text().replace(f"{self.folder}/", "").splitlines()

    def issues(self) -> list[tuple[str, str]]:
        """State and title of each issue."""
        found = json.loads((self.folder / "issues").read_text())
        return [(issue["state"], issue["title"]) for issue in found]


@pytest.fixture
def made(tmp_path: Path) -> Night:
    return Night(tmp_path)


STEPS = [
    "track add out/results.jsonl",
    "track keep",
    "track nominate",
    "track confirm --device cuda --limit 60",
    "bisect --confirmed --device cuda --limit 180",
    "track nominate",
    "track report --out out/nights",
]


def test_all_steps_in_order_and_a_finding_is_no_failure(made: Night) -> None:
    made.codes = {"track nominate": 1, "track confirm": 2, "bisect --confirmed": 2}
    done = made.run()
    assert (done.returncode, made.asked()) == (0, STEPS), done.stderr


@pytest.mark.parametrize("broken", ["track add", "track keep", "track confirm", "bisect --confirmed"])
def test_what_cannot_be_done_fails_and_the_rest_is_done(broken: str, made: Night) -> None:
    made.codes = {broken: 3}
    done = made.run()
    assert (done.returncode, made.asked()) == (1, STEPS)
    assert f"== exit 3: {broken}" in done.stderr


def test_a_night_without_results_is_told_and_evaluated(made: Night) -> None:
    (made.folder / "out" / "results.jsonl").unlink()
    done = made.run()
    assert (done.returncode, made.asked()) == (1, STEPS[2:])
    assert "no results of this night" in done.stderr


def test_decisions_of_the_repository_count(made: Night) -> None:
    (made.folder / "decisions.toml").write_text("")
    made.run()
    assert made.asked().count("track nominate --decisions decisions.toml") == 2


def test_one_issue_a_group_from_its_opening_to_its_end(made: Night) -> None:
    """Opened once, left alone while nothing is new, closed, and opened again where it returns."""

    def group(name: str, state: str, worse: bool = True) -> dict[str, Any]:
        return {"id": name, "state": state, "worse": worse, "told": True, "changes": []}

    quiet = [group("b2", "nominated"), group("c3", "found", worse=False), group("d4", "recovered")]
    told = [
        ("confirmed", "OPEN", ["label create", "issue create"]),
        ("found", "OPEN", ["label create"]),
        ("acknowledged", "OPEN", ["label create"]),
        ("recovered", "CLOSED", ["label create", "issue close 1"]),
        ("recovered", "CLOSED", ["label create"]),
        ("confirmed", "OPEN", ["label create", "issue reopen 1"]),
    ]
    for state, wanted, words in told:
        made.groups = [group("a1", state), *quiet]
        done = made.run(GH_TOKEN="x")
        assert done.returncode == 0, done.stderr
        assert made.issues() == [(wanted, "slower since a1")]
        did = (made.folder / "told").read_text().splitlines()
        assert [" ".join(line.split()[: len(w.split())]) for line, w in zip(did, words, strict=True)] == words
    issue = json.loads((made.folder / "issues").read_text())[0]
    assert issue["body"] == "evidence of a1\n\n<!-- perfsuite change group a1 -->\n"


def test_groups_that_become_one_keep_one_issue_and_what_flips_is_left_alone(made: Night) -> None:
    def group(name: str, *changes: str, told: bool = True) -> dict[str, Any]:
        members = [{"id": each} for each in changes]
        return {"id": name, "state": "confirmed", "worse": True, "told": told, "changes": members}

    made.groups = [group("a1", "a1"), group("b2", "b2"), group("f9", "f9", told=False)]
    assert made.run(GH_TOKEN="x").returncode == 0
    assert [state for state, _ in made.issues()] == ["OPEN", "OPEN"]
    made.groups = [group("b2", "b2", "a1")]
    assert made.run(GH_TOKEN="x").returncode == 0
    assert [state for state, _ in made.issues()] == ["CLOSED", "OPEN"]
    made.groups = [group("a1", "a1", "b2")]
    assert made.run(GH_TOKEN="x").returncode == 0
    assert "OPEN" in [state for state, _ in made.issues()]


def test_an_issue_that_fails_does_not_keep_others_from_being_told(made: Night) -> None:
    def group(name: str) -> dict[str, Any]:
        return {"id": name, "state": "confirmed", "worse": True, "told": True, "changes": []}

    made.groups = [group("a1"), group("b2")]
    gh = made.folder / "gh.py"
    gh.write_text(gh.read_text() + '\nif "slower since a1" in words: sys.exit(1)\n')
    done = made.run(GH_TOKEN="x")
    assert done.returncode == 1
    assert "a1: gh issue create" in done.stderr
    assert "slower since b2" in [title for _, title in made.issues()]
