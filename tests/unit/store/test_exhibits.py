"""What a results file names is read only from its own folder, and only if it is a file of a sane size."""

import os
from pathlib import Path

import pytest

from perfsuite.records import Deviation, DriftCurve, Numbers
from perfsuite.store import StoreError, exhibits
from perfsuite.store.exhibits import encode_numbers, folder_of, read_exhibit, read_numbers, write_exhibits

NUMBERS = Numbers(
    (DriftCurve("a prompt", (0, 1), (0.1, None), (0.1, 0.2), (0.3, 0.6)),),
    {"loop": (Deviation("loop.calls, prompt 0", None, 0.0, 1e-9),)},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a results file, with a secret beside the folder."""
    (tmp_path / "secret.png").write_bytes(b"secret")
    inside = tmp_path / "run"
    inside.mkdir()
    return inside


def test_they_lie_beside_their_results_file(tmp_path: Path) -> None:
    assert folder_of(tmp_path / "nightly.jsonl") == tmp_path / "nightly-exhibits"


def test_what_is_written_is_read(folder: Path) -> None:
    write_exhibits(folder / "a-exhibits", {"x.png": b"1", "n.json": encode_numbers(NUMBERS, "n.json")})
    assert read_exhibit(folder, "a-exhibits/x.png") == b"1"
    assert read_numbers(folder, "a-exhibits/n.json") == NUMBERS


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "a/../../secret.png", "..", "/etc/passwd", "\\secret.png", "..\\secret.png",
     "C:\\secret.png", "C:secret.png", "//host/share/x.png", "a\0.png"],
)  # fmt: skip
def test_a_name_that_leads_out_is_refused(folder: Path, name: str) -> None:
    """Whatever system's way of writing it."""
    (folder / "a").mkdir()
    with pytest.raises(StoreError, match="refused"):
        read_exhibit(folder, name)


def test_an_absolute_name_inside_is_refused_too(folder: Path) -> None:
    """Files that were moved would be read from where they had been."""
    (folder / "x.png").write_bytes(b"1")
    with pytest.raises(StoreError, match="refused"):
        read_exhibit(folder, str(folder / "x.png"))


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_that_leads_out_is_refused(folder: Path) -> None:
    (folder / "x.png").symlink_to(folder.parent / "secret.png")
    (folder / "y").symlink_to(folder.parent)
    for name in ("x.png", "y/secret.png"):
        with pytest.raises(StoreError, match="leads out"):
            read_exhibit(folder, name)


@pytest.mark.skipif(os.name != "posix", reason="no pipes with a name on Windows")
def test_what_is_no_file_is_refused(folder: Path) -> None:
    """A pipe would keep the reader waiting for ever."""
    os.mkfifo(folder / "pipe.png")
    (folder / "sub").mkdir()
    for name in ("pipe.png", "sub", ""):
        with pytest.raises(StoreError, match="no regular file"):
            read_exhibit(folder, name)
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    with pytest.raises(StoreError, match=r"cannot be read|no such file"):
        read_exhibit(folder, "a")


def test_a_missing_or_huge_file_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="there is no such file"):
        read_exhibit(folder, "x.png")
    (folder / "x.png").write_bytes(b"12345")
    monkeypatch.setattr(exhibits, "MOST_BYTES", 4)
    with pytest.raises(StoreError, match="larger than"):
        read_exhibit(folder, "x.png")


@pytest.mark.parametrize("name", ["", ".x.png", "a/b.png", "a\\b.png", "../x.png"])
def test_only_plain_names_are_written(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a file name"):
        write_exhibits(folder, {name: b"1"})
    assert list(folder.rglob("*")) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1, "numbers": {"drift": 3}}'])
def test_damaged_numbers_are_an_error_with_a_remedy(folder: Path, text: str) -> None:
    (folder / "n.json").write_text(text)
    with pytest.raises(StoreError, match=r"n\.json.*--perf-report"):
        read_numbers(folder, "n.json")


def test_newer_numbers_are_said_to_be_newer(folder: Path) -> None:
    (folder / "n.json").write_text('{"schema_version": 99, "other": 1}')
    with pytest.raises(StoreError, match="written by a newer perfsuite"):
        read_numbers(folder, "n.json")
