"""Traces written by `write` are read by `read_traces`; a file is there whole, or as it was."""

import os
from pathlib import Path

import numpy as np
import pytest

from perfsuite.store import StoreError, files
from perfsuite.store.traces import read_traces, write

LATENCY_S = (1 + np.arange(12, dtype=np.float32).reshape(2, 3, 2)) / 8


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Figures to the last bit, names and groups; the folder is made."""
    path = tmp_path / "new" / "folder" / "trace.npz"
    write(path, LATENCY_S, ["fp32", "bf16"], ["shapes, alone", "shapes, 1 cores busy"])
    found = read_traces(path)
    assert np.array_equal(found.latency_s, LATENCY_S)
    assert found.names == ("fp32", "bf16")
    assert found.groups == ("shapes, alone", "shapes, 1 cores busy")
    assert found.source == str(path)


def test_the_name_is_as_it_was_told(tmp_path: Path) -> None:
    """numpy would add a suffix."""
    write(tmp_path / "trace", LATENCY_S, ["a", "b"], ["g", "g"])
    assert os.listdir(tmp_path) == ["trace"]
    assert read_traces(tmp_path / "trace").processes == 3


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing that breaks off leaves the trace of the process before."""
    path = tmp_path / "trace.npz"
    write(path, LATENCY_S[:, :1], ["a", "b"], ["g", "g"])
    before = path.read_bytes()

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(StoreError, match=r"trace\.npz: cannot be written \(No space left on device\)"):
        write(path, LATENCY_S, ["a", "b"], ["g", "g"])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["trace.npz"]
    monkeypatch.undo()
    write(path, LATENCY_S, ["a", "b"], ["g", "g"])
    assert read_traces(path).processes == 3


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the reason, and no error of another kind."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file: the folder cannot be created \(File exists\)"):
        write(tmp_path / "file" / "trace.npz", LATENCY_S, ["a", "b"], ["g", "g"])
    with pytest.raises(StoreError, match=r"deeper: the folder cannot be created \(Not a directory\)"):
        write(tmp_path / "file" / "deeper" / "trace.npz", LATENCY_S, ["a", "b"], ["g", "g"])
