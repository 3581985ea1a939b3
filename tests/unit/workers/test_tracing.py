"""A trace of this machine's noise: its shape and order, and that nothing is left of what made it."""

from typing import Any

import numpy as np
import psutil
import pytest

from perfsuite.workers import WorkerError, tracing


class Worker:
    def __init__(self, number: int, log: list[str], fails: bool) -> None:
        self._number, self._log, self._fails = number, log, fails
        self._open: str | None = None

    def ask(self, command: str, variant: str, **arguments: Any) -> Any:
        if command == "prepare":
            if self._fails:
                raise WorkerError("no memory")
            assert self._open is None
            self._open = variant
            self._log.append(f"{self._number} {variant} {arguments}")
        assert variant == self._open
        if command == "release":
            self._open = None
        if command == "warm":
            return [self._number + 0.1 * len(variant) + 0.01 * i for i in range(arguments["calls"])]
        return None

    def close(self) -> None:
        self._log.append(f"{self._number} closed")


class Server:
    def __init__(self, fails: int | None = None) -> None:
        self.log: list[str] = []
        self._made, self._fails = 0, fails

    def worker(self) -> Worker:
        self._made += 1
        return Worker(self._made, self.log, self._made == self._fails)


def test_variants_by_processes_by_samples() -> None:
    """Each process measures all variants; warm-up calls do not count; what there is is told each time."""
    server: Any = Server()
    parts: list[Any] = []
    said: list[str] = []

    found = tracing.record(
        server, "shapes", ["fp32", "bf16-sdpa"], 3, 4, steps=5, progress=said.append, done=parts.append
    )

    assert found.shape == (2, 3, 4)
    assert found.dtype == np.float32
    assert found[1, 2] == pytest.approx([3.9, 3.91, 3.92, 3.93])
    assert [p.shape for p in parts] == [(2, n, 4) for n in (1, 2, 3)]
    assert np.array_equal(parts[0], found[:, :1])
    assert np.array_equal(parts[-1], found)
    options = "{'workload': 'shapes', 'device': 'auto', 'weights': 'auto', 'steps': 5}"
    assert server.log[:4] == [
        f"1 fp32 {options}", f"1 bf16-sdpa {options}", "1 closed", f"2 fp32 {options}",
    ]  # fmt: skip
    assert said[0] == "process 1 of 3: fp32 1415.0 ms, bf16-sdpa 1915.0 ms"


def test_a_worker_that_fails_is_closed_and_what_there_is_was_handed_over() -> None:
    server: Any = Server(fails=2)
    parts: list[Any] = []

    with pytest.raises(WorkerError, match="no memory"):
        tracing.record(server, "shapes", ["fp32"], 3, 4, done=parts.append)

    assert server.log[-1] == "2 closed"
    assert [p.shape for p in parts] == [(1, 1, 4)]


def test_load_ends_with_its_block() -> None:
    """Also when the block fails; nothing is started where none is asked for."""

    def busy() -> list[psutil.Process]:
        return [p for p in psutil.Process().children() if tracing._BUSY in p.cmdline()]

    with tracing.load(0):
        assert busy() == []
    with pytest.raises(RuntimeError, match="stop"), tracing.load(2):  # noqa: PT012
        assert len(busy()) == 2
        raise RuntimeError("stop")
    assert busy() == []


def test_load_computes() -> None:
    """Its processes use a core each, they do not wait."""
    with tracing.load(1):
        (child,) = [p for p in psutil.Process().children() if tracing._BUSY in p.cmdline()]
        for _ in range(500):
            if sum(child.cpu_times()[:2]) > 0.05:
                break
            with pytest.raises(psutil.TimeoutExpired):
                child.wait(0.02)
        assert sum(child.cpu_times()[:2]) > 0.05
    assert not child.is_running()


def test_a_pipeline_is_released_before_the_next_is_built() -> None:
    """First the calls that warm up, then those that count."""
    asked: list[tuple[str, str, int | None]] = []

    class Listening(Worker):
        def ask(self, command: str, variant: str, **arguments: Any) -> Any:
            asked.append((command, variant, arguments.get("calls")))
            return super().ask(command, variant, **arguments)

    class Listened(Server):
        def worker(self) -> Worker:
            return Listening(1, self.log, False)

    server: Any = Listened()
    tracing.record(server, "shapes", ["fp32", "bf16"], 2, 4, warmup=7)
    assert asked == 2 * [
        (command, variant, calls)
        for variant in ("fp32", "bf16")
        for command, calls in (("prepare", None), ("warm", 7), ("warm", 4), ("release", None))
    ]
