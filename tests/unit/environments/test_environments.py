"""Environments with exact versions, from kept wheels; the index is on the loopback."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from stub_wheels import make_wheel, served, write_index

from perfsuite.environments import (
    Builder,
    EnvironmentsError,
    GoneError,
    Index,
    Installed,
    UnavailableError,
    WheelCache,
    building,
    installed,
)
from perfsuite.store import StoreError

STUB = "perfsuite-stub"
COMMITS = {"1.0": "a" * 40, "1.1": "b" * 40}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two versions of a package."""
    folder = tmp_path_factory.mktemp("shelf")
    for version, commit in COMMITS.items():
        make_wheel(folder, STUB, version, git=commit)
    return folder


class Shelf(Index):
    """An index that takes files from a folder, without pip."""

    @contextmanager
    def downloaded(self, package: str, version: str) -> Iterator[Path]:
        yield Path(self.find_links[0]) / f"{package.replace('-', '_')}-{version}-py3-none-any.whl"


@pytest.fixture
def index(shelf: Path) -> Index:
    return Shelf(find_links=(str(shelf),), alone=True)


def said_by(python: Path) -> list[str]:
    ask = "import perfsuite_stub, numpy; print(perfsuite_stub.VERSION, numpy.__file__)"
    done = subprocess.run([python, "-P", "-c", ask], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_each_has_its_version_and_shares_the_rest(index: Index, tmp_path: Path) -> None:
    """By their own word, hash included; once built, neither index nor pip is asked again."""
    import numpy

    cache = WheelCache(tmp_path / "wheels")
    builder = Builder(tmp_path, cache, Index(find_links=index.find_links, alone=True))
    built = [builder.build({STUB: v}, {STUB: COMMITS[v]}) for v in ("1.0", "1.1")]
    assert [said_by(each.python) for each in built] == [["1.0", numpy.__file__], ["1.1", numpy.__file__]]
    assert [each.git for each in built] == [{STUB: "a" * 40}, {STUB: "b" * 40}]
    assert builder.build({STUB: "1.0"}).python == built[0].python
    assert [(w.name, w.git) for w in cache.wheels()] == [
        (f"{STUB}==1.0", "a" * 40), (f"{STUB}==1.1", "b" * 40)
    ]  # fmt: skip
    with pytest.raises(EnvironmentsError, match=r"is of commit aaaaaaaaaaaa, and the night ran cccccccccccc"):
        builder.build({STUB: "1.0"}, {STUB: "c" * 40})
    assert STUB not in installed([STUB])


def test_a_kept_wheel_needs_no_index(index: Index, tmp_path: Path) -> None:
    cache = WheelCache(tmp_path / "wheels")
    first = cache.take(STUB, "1.0", index)
    assert cache.take(STUB, "1.0", Index(alone=True)) == first
    with pytest.raises(GoneError, match=r"perfsuite-stub==1\.1: not on the index; name one that has it"):
        cache.take(STUB, "1.1", Index(alone=True))


def test_a_wheel_that_is_not_what_was_kept_is_refused(index: Index, tmp_path: Path) -> None:
    cache = WheelCache(tmp_path / "wheels")
    file = cache.take(STUB, "1.0", index)
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(EnvironmentsError, match=r"its SHA-256 is .*it is not the wheel that was measured"):
        Builder(tmp_path, cache, index).build({STUB: "1.0"})


def test_the_folder_is_bounded_but_what_is_needed_stays(index: Index, tmp_path: Path) -> None:
    cache = WheelCache(tmp_path / "wheels", limit_bytes=1)
    for version in ("1.0", "1.1"):
        cache.take(STUB, version, index)
    removed, over = cache.prune({(STUB, "1.0")})
    assert [w.version for w in removed] == ["1.1"]
    assert over == cache.wheels()[0].size_bytes - 1
    assert sorted(p.name for p in cache.folder.glob("*.whl")) == ["perfsuite_stub-1.0-py3-none-any.whl"]
    # What was used last stays longest.
    roomy = WheelCache(tmp_path / "wheels", limit_bytes=cache.wheels()[0].size_bytes)
    roomy.take(STUB, "1.1", index)
    roomy.take(STUB, "1.0", index)
    assert [w.version for w in roomy.prune()[0]] == ["1.1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", r"manifest\.json: the file: Invalid JSON"),
        (
            '{"schema_version": 9, "wheels": []}',
            r"schema_version 9, this perfsuite reads 1; update perfsuite",
        ),
        (
            '{"schema_version": 1, "wheels": [{"package": "a"}]}',
            r"wheels\.0\.version: Field required; remove",
        ),
    ],
)
def test_a_bad_manifest_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=said):
        WheelCache(tmp_path).wheels()


def test_a_manifest_names_files_of_its_folder_alone(index: Index, tmp_path: Path) -> None:
    cache = WheelCache(tmp_path)
    cache.take(STUB, "1.0", index)
    document = json.loads((tmp_path / "manifest.json").read_text())
    document["wheels"][0]["file"] = "../elsewhere.whl"
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match=r"'\.\./elsewhere\.whl' is no name of a file"):
        cache.wheels()


def test_no_space(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(UnavailableError, match=r"MiB are free; lower --wheels-limit"):
        WheelCache(tmp_path).take(STUB, "1.0", index)
    assert list(tmp_path.iterdir()) == []


def test_an_index_on_the_loopback(shelf: Path, tmp_path: Path) -> None:
    """Its versions, a wheel, one whose hash is not that of the page, and one that is not there."""
    root = tmp_path / "simple"
    write_index(root, sorted(shelf.glob("*.whl")))
    with served(root) as address:
        index = Index(address)
        assert index.released(STUB) == ["1.0", "1.1"]
        with index.downloaded(STUB, "1.1") as file:
            assert file.name == "perfsuite_stub-1.1-py3-none-any.whl"
        with pytest.raises(GoneError, match=r"perfsuite-stub==1\.2: not on the index"):
            WheelCache(tmp_path / "wheels").take(STUB, "1.2", index)
        make_wheel(root / STUB, STUB, "1.1", git="d" * 40)
        with pytest.raises(EnvironmentsError, match=r"(?s)pip failed:.*DO NOT MATCH THE HASHES"):
            WheelCache(tmp_path / "wheels").take(STUB, "1.1", index)


def test_an_index_that_is_away_is_nobodys_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_RETRIES", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UnavailableError, match="the index cannot be reached"):
        WheelCache(tmp_path).take(STUB, "1.0", Index(f"http://127.0.0.1:{port}"))


def test_a_child_that_would_import_another_copy_is_refused(tmp_path: Path) -> None:
    """Something on its path stands before what was installed."""
    other = tmp_path / "other"
    (other / "perfsuite_stub").mkdir(parents=True)
    (other / "perfsuite_stub" / "__init__.py").write_text("")
    line = f"import sys; sys.path.insert(0, {str(other)!r})\n"
    make_wheel(tmp_path / "shelf", STUB, "1.0", {"before.pth": line})
    index = Shelf(find_links=(str(tmp_path / "shelf"),))
    with pytest.raises(EnvironmentsError, match=r"perfsuite_stub would be imported from elsewhere than"):
        Builder(tmp_path, WheelCache(tmp_path / "wheels"), index).build({STUB: "1.0"})


def test_code_that_runs_in_each_process_here_would_run_beside_another_version(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {STUB: Installed("0.9", None, "/somewhere", at_start=("stub.pth",))}
    monkeypatch.setattr(building, "installed", lambda packages, python=sys.executable: here)
    with pytest.raises(EnvironmentsError, match=r"0\.9 runs code at the start of each process \(stub\.pth\)"):
        Builder(tmp_path, WheelCache(tmp_path / "wheels"), index).build({STUB: "1.0"})


def test_a_file_that_is_no_wheel(tmp_path: Path) -> None:
    (tmp_path / "perfsuite_stub-1.0-py3-none-any.whl").write_text("not a zip")
    index = Index(find_links=(str(tmp_path),), alone=True)
    with pytest.raises(EnvironmentsError, match=r"perfsuite.stub.*(pip failed|is no wheel)"):
        WheelCache(tmp_path / "wheels").take(STUB, "1.0", index)
