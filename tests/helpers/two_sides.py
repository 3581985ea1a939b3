"""Two sides of an A/B on a machine whose time and memory are ours: servers, workers, what they were asked."""

import math
import random
from pathlib import Path
from typing import Any

from perfsuite.decision.paired import PairedSettings
from perfsuite.workers import WorkerError
from perfsuite.workers.ab import Comparison, Plan, run_ab

CALL_S = 1.2
"""Of twelve pieces alike, on the clock of the test."""
START_S = 2.0


class Machine:
    """Clock and memory that both sides share, and what happened on it."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.free_bytes = 2**40
        self.log: list[str] = []
        self.open: list[str] = []
        self.most_open = 0

    def monotonic(self) -> float:
        return self.time_s

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds


class Worker:
    """Answers as a worker does; pieces take as long as the server says, with noise."""

    def __init__(self, server: "Server", number: int) -> None:
        self._server, self._number, self._pieces = server, number, 0
        self._rng = random.Random(f"{server.side} {number}")
        self.hello = {"pid": number, "versions": {"python": "3.12", "torch": server.version}}
        server.machine.open.append(server.side)
        server.machine.most_open = max(server.machine.most_open, len(server.machine.open))
        self._closed = False

    def ask(self, command: str, *, limit_s: float | None = None, **arguments: Any) -> Any:
        assert not self._closed
        self._server.machine.log.append(f"{self._server.side} {command}")
        self._server.asked.append((command, arguments))
        self._server.limits_s[command] = limit_s
        dies = self._server.dies.get(self._number, self._server.always_dies)
        if dies == command and (command != "advance" or self._pieces == 5):
            self.close()
            raise WorkerError(f"{self._server.side}: the process ended during {command!r}:\nKilled")
        return getattr(self, command)(**arguments)

    def close(self) -> None:
        if not self._closed:
            self._server.machine.open.remove(self._server.side)
        self._closed = True

    def _take(self, seconds: float) -> float:
        seconds *= self._server.factor * math.exp(self._server.noise * self._rng.gauss(0, 1))
        self._server.machine.time_s += seconds
        return seconds

    def prepare(self, **arguments: Any) -> dict[str, Any]:
        return {"build_s": START_S, "first_call_s": self._take(START_S), "evidence": []}

    def unsupported(self, variant: str, device: str) -> str | None:
        return self._server.refuses.get(variant)

    def memory(self) -> int:
        return 1000 + self._number

    def free_memory(self) -> int:
        return self._server.machine.free_bytes

    def device_kind(self) -> str:
        return self._server.kind

    def pieces(self, variant: str, workload: str | None = None) -> dict[str, int]:
        steps = 30 if workload is not None else 10 + self._server.more_steps
        return {"text": 1, "step": steps, "vae": 1}

    def advance(self, variant: str) -> tuple[str, float]:
        index = self._pieces % 12
        self._pieces += 1
        return ("text" if index == 0 else "vae" if index == 11 else "step"), self._take(CALL_S / 12)

    def session(self, variant: str, plan: dict[str, float]) -> dict[str, Any]:
        rounds = max(5, int(plan["time_budget_s"] / CALL_S))
        return {"latency_s": [self._take(CALL_S) for _ in range(rounds)]}

    def pictures(self, workload: str, variant: str, file: str, count: int) -> int:
        Path(file).write_text(f"{workload} {variant} {count}")
        return count


class Server:
    """One side: how fast it is, and which of its workers die of which command."""

    def __init__(self, machine: Machine, side: str) -> None:
        self.machine, self.side = machine, side
        self.factor, self.noise = 1.0, 0.02
        self.dies: dict[int, str] = {}
        self.always_dies: str | None = None
        self.version = "2.12"
        self.refuses: dict[str, str] = {}
        self.kind = "cuda"
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.limits_s: dict[str, float | None] = {}
        self.workers: list[Worker] = []
        self.start_error: Exception | None = None
        self.more_steps = 0

    def launch(self) -> None:
        self.machine.log.append(f"{self.side} launch")

    def worker(self, reply_limit_s: float = 600.0) -> Worker:
        if self.start_error is not None:
            raise self.start_error
        self.machine.log.append(f"{self.side} worker {reply_limit_s:g}")
        self.workers.append(Worker(self, len(self.workers) + 1))
        return self.workers[-1]


class Sides:
    """Two servers on one machine, and the A/B of them."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine()
        self.base, self.head = Server(self.machine, "base"), Server(self.machine, "head")
        self.folder = folder
        self.said: list[str] = []

    def run(
        self, settings: PairedSettings | None = None, *, began: float | None = None, **plan: Any
    ) -> Comparison:
        servers: Any = {"base": self.base, "head": self.head}
        found = run_ab(servers, Plan(**plan), self.folder, settings, self.said.append, began)
        assert self.machine.open == []
        return found

    def order(self, what: str) -> list[str]:
        """Sides that did this, in order."""
        return [side for side, did in (line.split(" ", 1) for line in self.machine.log) if did == what]
