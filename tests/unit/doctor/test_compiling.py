"""A compiler that compiles, a cache folder that can be written, room on the disk."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from examining import GPU, Examine, Only

from perfsuite.doctor import compiling
from perfsuite.pipelines import variants
from perfsuite.records import Health


@pytest.fixture
def cxx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put a script in place of the compiler."""

    def place(script: str) -> None:
        path = tmp_path / "cxx"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))

    return place


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    found = only(compiling.compiler(examine()))
    assert found.status is Health.PROBLEM
    assert "/nonexistent does not run" in found.found
    assert "variants cannot be compiled" in found.found
    assert "g++" in found.remedy


def test_a_compiler_that_refuses(cxx: Callable[[str], None], examine: Examine, only: Only) -> None:
    """The first line that names an error is shown."""
    cxx("echo line one >&2; echo 'fatal error: Python.h: No such file' >&2; exit 1")
    found = only(compiling.compiler(examine()))
    assert found.status is Health.PROBLEM
    assert "does not compile: fatal error: Python.h: No such file" in found.found


def test_a_compiler_that_says_yes_and_writes_nothing(
    cxx: Callable[[str], None], examine: Examine, only: Only
) -> None:
    cxx("exit 0")
    assert only(compiling.compiler(examine())).status is Health.PROBLEM


def test_nothing_is_to_be_compiled(monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    found = only(compiling.compiler(examine(variants=(variants.get("bf16-sdpa"),))))
    assert (found.status, "cannot be compiled" in found.found) == (Health.WARNING, False)


def test_a_real_compiler(monkeypatch: pytest.MonkeyPatch, examine: Examine, only: Only) -> None:
    monkeypatch.delenv("CXX", raising=False)
    if shutil.which("g++") is None:
        pytest.skip("no g++ here")
    found = only(compiling.compiler(examine()))
    assert (found.status, found.figures["compiler"]) == (Health.OK, "g++"), found


@pytest.mark.parametrize(
    ("triton", "compiler", "status"),
    [("3.6.0", True, Health.OK), (None, True, Health.PROBLEM), ("3.6.0", False, Health.PROBLEM)],
)
def test_triton_and_its_compiler(
    triton: str | None, compiler: bool, status: Health, examine: Examine, only: Only,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    module = ModuleType("triton")
    module.__dict__["__version__"] = triton
    monkeypatch.setitem(sys.modules, "triton", module if triton else None)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/gcc" if compiler and name == "gcc" else None)
    monkeypatch.delenv("CC", raising=False)
    assert only(compiling.compiler(examine(GPU))).status is status


def test_a_cache_folder_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, examine: Examine, only: Only
) -> None:
    """Below a file no folder can be made, whoever asks."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "file" / "cache"))
    found = only(compiling.cache_folder(examine()))
    assert found.status is Health.PROBLEM
    assert "cannot be written" in found.found
    assert "TORCHINDUCTOR_CACHE_DIR" in found.remedy


def test_a_cache_folder_with_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, examine: Examine, only: Only
) -> None:
    (tmp_path / "cache" / "fxgraph").mkdir(parents=True)
    (tmp_path / "cache" / "fxgraph" / "a").write_bytes(bytes(3 << 20))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    found = only(compiling.cache_folder(examine()))
    assert (found.status, found.figures["size_bytes"], found.figures["files"]) == (Health.OK, 3 << 20, 1)
    assert "holds 3 MiB in 1 files" in found.found
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_cache_folder_to_be_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, examine: Examine, only: Only
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "a" / "b"))
    found = only(compiling.cache_folder(examine()))
    assert (found.status, "not there yet" in found.found) == (Health.OK, True)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("value", "status"), [("0", Health.WARNING), ("1", Health.OK)])
def test_a_cache_that_is_switched_off(
    value: str, status: Health, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, examine: Examine, only: Only
) -> None:
    """As the variable would at torch's import, which is over here."""
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCHINDUCTOR_FX_GRAPH_CACHE", value)
    with config.patch(fx_graph_cache=value == "1"):
        found = only(compiling.cache_folder(examine()))
    assert found.status is status
    named = "torch._inductor.config.fx_graph_cache is False, by TORCHINDUCTOR_FX_GRAPH_CACHE=0" in found.found
    assert named is (status is Health.WARNING)


def test_a_walk_that_takes_too_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It stops, and says that there is more."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    clock = iter([0.0, 0.1, 0.2, 9.0])
    monkeypatch.setattr(compiling.time, "monotonic", lambda: next(clock))
    assert compiling.folder_size(tmp_path)[1:] == (2, False)


@pytest.mark.parametrize(
    ("free", "status"), [(1 << 29, Health.PROBLEM), (2 << 30, Health.WARNING), (50 << 30, Health.OK)]
)
def test_room_on_the_disk(
    free: int, status: Health, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, examine: Examine
) -> None:
    """Folders of one file system are one finding."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compiling.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    (found,) = compiling.disk(examine(reference_cache=tmp_path / "references"))
    assert (found.status, found.figures["free_bytes"]) == (status, free)
    assert "compiled code, baselines and results, references" in found.found


def test_an_artifact_that_is_refused(tmp_path: Path, examine: Examine, only: Only) -> None:
    path = tmp_path / "compiled.bin"
    path.write_bytes(b"something else")
    found = only(compiling.artifact(examine(compile_cache=path)))
    assert (found.status, str(path) in found.found) == (Health.WARNING, True)


def test_an_artifact_that_is_not_there(tmp_path: Path, examine: Examine, only: Only) -> None:
    assert "not there yet" in only(compiling.artifact(examine(compile_cache=tmp_path / "x"))).found
    assert list(compiling.artifact(examine())) == []
