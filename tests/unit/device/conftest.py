"""A GPU that is not there; its management library and torch's view of it are stood in for."""

import functools
from collections.abc import Callable
from types import SimpleNamespace

import fake_nvml
import pytest


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put so many GPUs in place, whose management library gives these answers."""
    return functools.partial(fake_nvml.place, monkeypatch)


@pytest.fixture
def process() -> Callable[[int], SimpleNamespace]:
    return lambda pid: SimpleNamespace(pid=pid)
