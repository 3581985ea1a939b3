"""A Ray that is not there says so at once, and what helps."""

import socket
import sys
import time

import pytest

from perfsuite.fleet.executors import ExecutorError
from perfsuite.fleet.executors.ray import RayExecutor


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorError, match=r"pip install 'perfsuite\[ray\]'"):
        RayExecutor()


def test_no_cluster_at_an_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ExecutorError, match=rf"no Ray cluster at 127.0.0.1:{port} \(Connection refused\)"):
        RayExecutor(f"127.0.0.1:{port}")
    assert time.monotonic() - began < 15


def test_no_cluster_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def init(**options: object) -> None:
        raise ConnectionError("Could not find any running Ray instance: set the `--address` flag.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ExecutorError, match=r"^no Ray cluster on this machine; start one .*ray=HOST:6379$"):
        RayExecutor()


@pytest.mark.parametrize("address", ["ray://head:10001", "head", ":6379", "head:gpu"])
def test_address_of_another_form(address: str) -> None:
    with pytest.raises(ExecutorError, match="as HOST:PORT"):
        RayExecutor(address)


def test_an_old_ray_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "__version__", "2.9.3")
    with pytest.raises(ExecutorError, match=r"Ray 2\.9\.3 is too old: 2\.60 or newer"):
        RayExecutor("127.0.0.1:1")
