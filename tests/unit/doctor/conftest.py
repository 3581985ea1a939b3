"""A machine of files, a device that is not there, and an examination of both."""

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import fake_nvml
import pytest
from examining import CPU

from perfsuite.doctor import Examination
from perfsuite.pipelines import workloads
from perfsuite.records import Device, Finding


@pytest.fixture
def place(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write files below a folder that stands for ``/``; return it."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return root

    return write


@pytest.fixture
def examine(tmp_path: Path, place: Callable[[Mapping[str, str]], Path]) -> Callable[..., Examination]:
    """An examination of a device that need not be there, on a machine made of files."""

    def make(
        device: Device | None = CPU, files: Mapping[str, str] | None = None, **changes: Any
    ) -> Examination:
        usual: dict[str, Any] = {
            "workload": workloads.SHAPES,
            "baselines": tmp_path / "baselines",
            "root": place(files or {}),
            "self_test_s": 0.0,
        }
        examination = Examination(**{**usual, **changes})
        if device is not None:
            examination.__dict__["device"] = device  # where the property keeps what it has found
        return examination

    return make


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return functools.partial(fake_nvml.place, monkeypatch)


@pytest.fixture
def only() -> Callable[[Iterable[Finding]], Finding]:
    """The one finding of a check."""

    def one(found: Iterable[Finding]) -> Finding:
        (finding,) = found
        return finding

    return one
