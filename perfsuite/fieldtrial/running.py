"""One step of a trial as a user runs it: pytest in a fresh folder, a real process beside real load."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.fieldtrial import slowing
from perfsuite.fieldtrial.loading import beside
from perfsuite.store import Baselines, StoreError, read_results
from perfsuite.workers import tests

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from perfsuite.fieldtrial.regimes import Load
    from perfsuite.records import Entry, Run

MOST_S = 3600.0
"""Longest step: beside other work a session may take minutes, and a suspect is measured five times."""
_TAIL = 6


@dataclass(frozen=True)
class Order:
    """What one process is to do."""

    folder: Path
    """Made anew."""
    baselines: Path
    update: str
    """As ``--perf-update``."""
    workload: str
    variants: Sequence[str]
    load: Load
    seed: str
    slower: int
    """Percent of more work in slowed rungs."""
    time_budget_s: float | None


@dataclass(frozen=True)
class Ran:
    """How it ended."""

    seconds: float
    exit_code: int | None
    """None where it took longer than `MOST_S`."""
    run: Run | None
    """What it wrote; None without a results file."""
    entries: Sequence[Entry]
    """What is stored afterwards."""
    more_work: Sequence[float]
    """Of each process that noted a share."""
    said: str
    """Its last lines."""


class Runner:
    """Runs orders with one interpreter."""

    def __init__(self, python: Path) -> None:
        self._python = python

    def __call__(self, order: Order) -> Ran:
        """Run one; raises `StoreError` if what it stored cannot be read."""
        proof = _fresh(order.folder)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "PERFSUITE_"))}
        environment |= {slowing.PERCENT: str(order.slower), slowing.PROOF: str(proof)}
        with beside(order.load, order.seed):
            start = time.monotonic()
            exit_code = _run(self._command(order), order.folder, environment)
            seconds = time.monotonic() - start
        return Ran(
            seconds,
            exit_code,
            _results(order.folder / "results.jsonl"),
            _entries(order.baselines),
            tuple(float(path.read_text()) for path in sorted(proof.iterdir())),
            "\n".join((order.folder / "output.txt").read_text(errors="replace").splitlines()[-_TAIL:]),
        )

    def _command(self, order: Order) -> list[str]:
        command = [
            str(self._python), "-m", "pytest", "-p", "no:cacheprovider", "--benchmark-only",
            f"--perf-update={order.update}", f"--perf-baselines={order.baselines}",
            f"--perf-results={order.folder / 'results.jsonl'}", "--perf-device=cpu",
        ]  # fmt: skip
        command.append(f"--perf-workload={order.workload}")
        command += [f"--perf-variant={variant}" for variant in order.variants]
        if order.time_budget_s is not None:
            command.append(f"--perf-time-budget={order.time_budget_s}")
        return [*command, "--pyargs", tests.LATENCY]


def _fresh(folder: Path) -> Path:
    """Empty the folder; where processes note their share of more work."""
    shutil.rmtree(folder, ignore_errors=True)
    proof = folder / "more-work"
    proof.mkdir(parents=True)
    # Else pytest would take the settings of a project that the folder lies in.
    (folder / "pytest.ini").write_text("[pytest]\n")
    return proof


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> int | None:
    """The exit code, with all output in a file; the process and its workers end with this call."""
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(MOST_S)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _results(path: Path) -> Run | None:
    try:
        return read_results(path)
    except StoreError:
        if path.exists():
            raise
        return None


def _entries(folder: Path) -> list[Entry]:
    store = Baselines(folder)
    files = [store.load(slug) for slug in store.slugs()]
    return [entry for file in files if file is not None for entry in file.entries.values()]
