"""Other work beside a run: one plain Python process that is pinned to no core.

As a script: ``loading.py LOAD SEED PARENT``, where it ends with its parent.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUSY_S = (0.3, 3.0)
REST_S = (1.0, 8.0)


@contextlib.contextmanager
def beside(load: str, seed: str) -> Iterator[None]:
    """Work beside this block; nothing where the load is quiet."""
    if load == "quiet":
        yield
        return
    process = subprocess.Popen([sys.executable, "-I", __file__, load, seed, str(os.getpid())])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def bursts(rng: random.Random) -> Iterator[tuple[float, float]]:
    """Seconds of work and of rest, without end; the first work may be the end of a burst, or wait for it."""
    yield 0.0, rng.uniform(0.0, REST_S[1])
    while True:
        yield rng.uniform(*BUSY_S), rng.uniform(*REST_S)


def _work(until: float, alive: Callable[[], bool]) -> None:
    while time.monotonic() < until and alive():
        sum(i * i for i in range(10_000))


def main(load: str, seed: str, parent: str) -> None:
    """Work until the parent has gone."""

    def alive() -> bool:
        return os.getppid() == int(parent)

    if load == "busy":
        _work(float("inf"), alive)
    for work_s, rest_s in bursts(random.Random(seed)):
        _work(time.monotonic() + work_s, alive)
        if not alive():
            return
        time.sleep(rest_s)


if __name__ == "__main__":
    main(*sys.argv[1:])
