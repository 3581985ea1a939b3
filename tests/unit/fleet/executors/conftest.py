"""A machine whose leases are the test's own, as is what blocks leave there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from orders import CPU

from perfsuite.fleet.executors.local import LocalExecutor
from perfsuite.fleet.executors.machine import LEASES


@pytest.fixture(autouse=True)
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Other runs of this machine do not wait for tests, nor they for them."""
    folder = tmp_path / "leases"
    monkeypatch.setenv(LEASES, str(folder))
    return folder


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where blocks work, also those of other drivers that a test starts."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def local() -> Iterator[LocalExecutor]:
    executor = LocalExecutor([CPU])
    yield executor
    executor.close()
