"""The artifact of compiled code through a run: loaded once, written only with something new in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from perfsuite.bench import caching
from perfsuite.bench.caching import PARTS, CompileCache, made_for
from perfsuite.pipelines.watching.caches import Artifact
from perfsuite.records import Device
from perfsuite.store.compiled import read_compiled, write_compiled

CPU = Device("cpu", "Example", "cpu-example-2t", 2, 2**30)
Run = Callable[[str], CompileCache]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "code.bin"


@pytest.fixture
def run(path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that compiles, or finds, graphs with these keys: a part is its keys."""

    class Loading(Artifact):
        def load(self, parts: object, size_bytes: int) -> list[int]:
            assert isinstance(parts, tuple)
            good = [p for p in parts if p != b"strange"]
            self.keys = tuple(frozenset(p.decode().split()) for p in good)
            return [i for i, p in enumerate(parts) if p == b"strange"]

    monkeypatch.setattr(caching, "LOADED", Loading())

    def once(keys: str) -> CompileCache:
        monkeypatch.setattr(caching, "recorded", lambda: (keys.encode(), frozenset(keys.split())))
        cache = CompileCache(path, CPU)
        cache.load()
        cache.load()
        cache.save()
        return cache

    return once


def held(path: Path) -> list[str]:
    return [part.decode() for part in read_compiled(path, made_for(CPU))]


def test_what_was_compiled_is_there_for_the_next_run(run: Run, path: Path) -> None:
    """The run says what it wrote, and how large it is."""
    cache = run("a b")
    assert held(path) == ["a b"]
    assert cache.lines == [f"compile cache {path}: 2 entries of this run, 0.0 MiB"]


def test_a_run_that_found_all_of_it_writes_nothing(run: Run, path: Path) -> None:
    """The file is the same, to the time of its last change."""
    run("a b")
    before = path.stat()
    for keys in ("a b", "a", ""):
        assert run(keys).lines == []
    assert path.stat() == before or path.stat().st_mtime_ns == before.st_mtime_ns


def test_other_variants_stay_in_the_file(run: Run, path: Path) -> None:
    """Newest first; a part whose entries the run holds itself goes."""
    run("a b")
    run("c")
    assert held(path) == ["c", "a b"]
    run("b c d")
    assert held(path) == ["b c d", "a b"]
    run("a b c d e")
    assert held(path) == ["a b c d e"]


def test_the_oldest_part_goes_at_last(run: Run, path: Path) -> None:
    """Code changes, and the file must not grow for ever."""
    for number in range(PARTS + 2):
        run(f"k{number}")
    assert held(path) == [f"k{number}" for number in range(PARTS + 1, 1, -1)]


def test_a_refused_file_is_named_and_made_anew(run: Run, path: Path) -> None:
    """Nothing of it is given to torch."""
    path.write_bytes(b"\x80\x04garbage")
    cache = run("a")
    assert cache.lines[0].startswith(f"compile cache refused: {path}: not an artifact")
    assert held(path) == ["a"]


def test_an_artifact_of_another_torch_is_refused(run: Run, path: Path) -> None:
    """By the version that is in its header."""
    write_compiled(path, {**made_for(CPU), "torch": "1.0"}, [b"old"])
    assert "made_for.torch: made for 1.0, this is" in run("a").lines[0]
    assert held(path) == ["a"]


def test_a_part_that_torch_cannot_read_is_named_and_goes(run: Run, path: Path) -> None:
    """The others stay."""
    write_compiled(path, made_for(CPU), [b"a", b"strange", b"b"])
    assert "could not read 1 of 3 parts" in run("c").lines[0]
    assert held(path) == ["c", "a", "b"]


def test_a_file_that_cannot_be_written_is_an_error_in_words(run: Run, path: Path) -> None:
    """The run's results are not lost for it."""
    path.mkdir()
    lines = run("a").lines
    assert "refused" in lines[0]
    assert lines[1].startswith("ERROR: compile cache not written: ")


def test_without_a_path_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where no compiled variant was built."""
    monkeypatch.setattr(caching, "recorded", lambda: pytest.fail("asked"))
    cache = CompileCache(None, CPU)
    cache.load()
    cache.save()
    never = CompileCache(Path("unused"), CPU)
    never.save()
    assert cache.lines == never.lines == []


def test_what_code_depends_on_is_named() -> None:
    """The vector width of the CPU too, for which generated C++ is written."""
    import torch

    found = made_for(CPU)
    assert found["torch"] == torch.__version__
    assert found["device"] == "cpu-example-2t"
    assert found["instruction_set"] == torch.backends.cpu.get_cpu_capability()
