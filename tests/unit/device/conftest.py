"""A GPU that is not there; its management library and torch's view of it are stood in for."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import fake_nvml
import pytest


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put so many GPUs in place, whose management library gives these answers."""
    import torch

    def place(count: int = 1, name: str = "NVIDIA H100 80GB HBM3", **answers: Any) -> None:
        monkeypatch.setitem(sys.modules, "pynvml", fake_nvml.make(answers))
        chosen = [0]
        for attribute, value in {
            "is_available": lambda: count > 0,
            "device_count": lambda: count,
            "get_device_name": lambda index: name,
            "get_device_properties": lambda index: fake_nvml.properties(index, name),
            "set_device": lambda index: chosen.__setitem__(0, index),
            "current_device": lambda: chosen[0],
        }.items():
            monkeypatch.setattr(torch.cuda, attribute, value)

    return place


@pytest.fixture
def process() -> Callable[[int], SimpleNamespace]:
    return lambda pid: SimpleNamespace(pid=pid)
