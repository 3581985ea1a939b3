"""A git ref becomes an interpreter that has it, and shares the rest with this one; needs no index."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perfsuite.workers import WorkerError
from perfsuite.workers.environments import build

if shutil.which("git") is None:
    pytest.skip("git is not installed", allow_module_level=True)

# A build backend inside the repository: pip then asks no index for one.
BACKEND = """
import zipfile

def build_wheel(folder, settings=None, metadata=None):
    name = "annotated_types-99.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("annotated_types.py")
        info = "annotated_types-99.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: annotated-types\\nVersion: 99.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
ASK = "import annotated_types, numpy; print(annotated_types.COMMIT, numpy.__file__)"


class Repository:
    """A package that stands in front of one that is installed here; each commit knows its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        (folder / "backend.py").write_text(BACKEND)
        (folder / "pyproject.toml").write_text(PROJECT)

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", "-C", str(self.folder), *who, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, name: str, *options: str) -> str:
        (self.folder / "annotated_types.py").write_text(f"COMMIT = {name!r}\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", name, *options)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("environments") / "repository")


def ask(python: Path) -> list[str]:
    done = subprocess.run([python, "-P", "-c", ASK], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_each_side_has_its_commit_and_shares_the_rest(repository: Repository, tmp_path: Path) -> None:
    """A tag, and a commit that no branch holds any more; the user's checkout stays as it is."""
    repository.commit("one")
    repository.git("tag", "v1")
    lost = repository.commit("two")
    repository.commit("three", "--amend")
    (repository.folder / "annotated_types.py").write_text("COMMIT = 'not committed'\n")
    before = repository.git("status", "--porcelain"), repository.git("worktree", "list")

    pythons = [build(repository.folder, *r) for r in (("v1", tmp_path, "base"), (lost, tmp_path, "head"))]

    import numpy

    assert [ask(python) for python in pythons] == [["one", numpy.__file__], ["two", numpy.__file__]]
    assert {p.name for p in tmp_path.iterdir()} == {"base-source", "base-env", "head-source", "head-env"}
    assert before == (repository.git("status", "--porcelain"), repository.git("worktree", "list"))
    assert Path(sys.executable) not in pythons


def test_a_constraints_file_does_not_pin_the_package_under_test(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.txt").write_text("annotated-types==0.7.0\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraints.txt"))
    commit = repository.commit("four", "--allow-empty")

    assert ask(build(repository.folder, commit, tmp_path, "base"))[0] == "four"


@pytest.mark.parametrize(
    "ref", ["no-such-branch", "--help", "-q", "--upload-pack=touch it", "HEAD:backend.py", ""]
)
def test_what_is_no_ref_is_named(ref: str, repository: Repository, tmp_path: Path) -> None:
    """Also what git would read as an option; nothing is made."""
    if not (repository.folder / "annotated_types.py").exists():
        repository.commit("one")

    with pytest.raises(WorkerError) as found:
        build(repository.folder, ref, tmp_path, "base")

    assert str(found.value).startswith(f"{repository.folder}: git ref {ref!r} failed:\nfatal: ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=f"{tmp_path}: git ref 'main' failed:\nfatal: not a git repository"):
        build(tmp_path, "main", tmp_path, "base")
    with pytest.raises(WorkerError, match="cannot change to '/no/such/folder'"):
        build(Path("/no/such/folder"), "main", tmp_path, "base")


def test_a_machine_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(WorkerError, match=r"git ref 'main': .*No such file or directory: 'git'"):
        build(tmp_path, "main", tmp_path, "base")


def test_a_commit_that_cannot_be_installed(tmp_path: Path) -> None:
    """What pip said is part of the message."""
    repository = Repository(tmp_path / "broken")
    (repository.folder / "backend.py").write_text("raise SystemExit('no wheel today')\n")
    repository.commit("one")

    with pytest.raises(WorkerError, match=r"pip install of 'main' failed:(?s:.*)no wheel today"):
        build(repository.folder, "main", tmp_path, "base")
