"""Record this machine's own timing noise: fresh processes x samples of some variants, as a trace."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from perfsuite.workers.client import Server

_BUSY = "while True: sum(i * i for i in range(10_000))"


@contextlib.contextmanager
def load(count: int) -> Iterator[None]:
    """Keep so many cores busy with other work meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def record(
    server: Server,
    workload: str,
    variants: Sequence[str],
    processes: int,
    samples: int,
    *,
    steps: int | None = None,
    warmup: int = 2,
    device: str = "auto",
    weights: str = "auto",
    progress: Callable[[str], None] = lambda line: None,
    done: Callable[[NDArray[np.float32]], None] = lambda latency_s: None,
) -> NDArray[np.float32]:
    """Measure the variants one after the other in each of the fresh processes.

    Args:
        server: where processes come from.
        workload: name of a workload.
        variants: names.
        processes: how many.
        samples: consecutive calls of each variant in each process, after ``warmup`` calls.
        steps: denoising steps of a call, where not those of the workload.
        warmup: calls that do not count, beside the first.
        device: as elsewhere.
        weights: as elsewhere.
        progress: called with a line after each process.
        done: called with what there is after each process, float32 (variant, process so far, sample).

    Returns:
        Seconds, float32 (variant, process, sample).
    """
    import numpy as np

    found: list[list[list[float]]] = []
    for number in range(1, processes + 1):
        worker = server.worker()
        try:
            taken = []
            for variant in variants:
                worker.ask(
                    "prepare", workload=workload, variant=variant, device=device, weights=weights, steps=steps
                )
                worker.ask("warm", variant=variant, calls=warmup)
                taken.append(worker.ask("warm", variant=variant, calls=samples))
                worker.ask("release", variant=variant)
        finally:
            worker.close()
        found.append(taken)
        done(np.array(found, dtype=np.float32).swapaxes(0, 1))
        middle = ", ".join(f"{v} {np.median(t) * 1e3:.1f} ms" for v, t in zip(variants, taken, strict=True))
        progress(f"process {number} of {processes}: {middle}")
    return np.array(found, dtype=np.float32).swapaxes(0, 1)
