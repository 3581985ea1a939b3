"""A machine whose leases are the test's own."""

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


@pytest.fixture
def local() -> Iterator[LocalExecutor]:
    executor = LocalExecutor([CPU])
    yield executor
    executor.close()
