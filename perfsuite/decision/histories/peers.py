"""The rules that are judged on histories: this suite's, and peers' own code where it can be run."""

from __future__ import annotations

import json
import math
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.histories import peer
from perfsuite.decision.rules import EXTRA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy import float64
    from numpy.typing import NDArray

    Naming = Callable[[NDArray[float64]], list[int]]
    """From values to the places where a new level begins."""


@dataclass(frozen=True)
class Peer:
    """Another project's rule."""

    name: str
    summary: str
    module: str
    naming: Naming | None = None
    """None: it runs in a process of its own, under an interpreter that the user names."""


def _asv(values: NDArray[float64]) -> list[int]:
    from asv.step_detect import detect_steps

    return [int(left) for left, *_ in detect_steps(values.tolist())][1:]


def _ruptures(values: NDArray[float64]) -> list[int]:
    """PELT on logs; the user has to choose the penalty: 3 ln n times the variance of neighbours' differences."""
    from ruptures import Pelt

    logs = np.log(values)
    scatter = 1.4826 * float(np.median(np.abs(np.diff(logs)))) / math.sqrt(2)
    penalty = 3 * math.log(len(logs)) * max(scatter, 1e-6) ** 2
    return [int(end) for end in Pelt(model="l2", min_size=2, jump=1).fit(logs).predict(penalty)][:-1]


PEERS: tuple[Peer, ...] = (
    Peer("asv", "L1 fit with AR(1) noise, its own penalty", "asv.step_detect", _asv),
    Peer("ruptures PELT, 3 ln n", "least squares on logs, every place, two points a level", "ruptures", _ruptures),
    *(Peer(name, rule.__doc__ or "", peer.MODULES[name]) for name, rule in peer.PEERS.items()),
)


@contextmanager
def running(one: Peer, interpreters: Sequence[Path]) -> Iterator[Naming | str]:
    """Give the rule as a function, or the reason why it cannot be run."""
    if one.naming is not None:
        try:
            import_module(one.module)
        except ImportError as error:
            yield f"{error}; {EXTRA}"
            return
        yield one.naming
        return
    for interpreter in interpreters:
        with _process(one, interpreter) as naming:
            if naming is not None:
                yield naming
                return
    yield f"no module {one.module} under any interpreter of --peer-python"


@contextmanager
def _process(one: Peer, interpreter: Path) -> Iterator[Naming | None]:
    command = [str(interpreter), peer.__file__, one.name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        to, back = process.stdin, process.stdout
        assert to is not None and back is not None
        if back.readline().strip() != "ready":
            yield None
            return

        def ask(values: NDArray[float64]) -> list[int]:
            to.write(json.dumps(values.tolist()) + "\n")
            to.flush()
            if not (answer := back.readline()):
                raise ValueError(f"{one.name} ended under {interpreter}; run it by hand: {' '.join(command)}")
            return json.loads(answer)

        try:
            yield ask
        finally:
            to.close()
