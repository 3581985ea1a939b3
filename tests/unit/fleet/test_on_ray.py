"""A plan over a real Ray, whose driver is killed and one of whose nodes is lost: nothing twice or missing."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import small_fleet
from ray_cluster import LogicalCluster, logical_cluster

from perfsuite.fleet.ledger.file import read_account
from perfsuite.records import Attempt, Ending

pytest.importorskip("ray")
JUDGED = (Ending.PASSED, Ending.FAILED)


def driver(folder: Path, cluster: LogicalCluster) -> "subprocess.Popen[bytes]":
    log = (folder.parent / f"driver-{time.monotonic_ns()}.txt").open("wb")
    command = [sys.executable, small_fleet.__file__, str(folder), cluster.address]
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))


def judged(folder: Path) -> list[Attempt]:
    account = read_account(folder)
    attempts = account.attempts if account is not None else []
    return [a for a in attempts if a.ending in JUDGED and a.block.startswith("block-")]


def wait(folder: Path, blocks: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 120
    while len(judged(folder)) < blocks:
        assert time.monotonic() < until
        assert process.poll() is None, [f.read_text() for f in folder.parent.glob("driver-*")]
        time.sleep(0.1)


def spans(journal: str) -> dict[str, list[tuple[float, float, str]]]:
    """When each block's process ran, by where: those that were ended half-way aside."""
    began, found = {}, defaultdict(list)
    for line in journal.splitlines():
        block, process, word, at = line.split()
        if word == "began":
            began[process] = float(at)
        else:
            found[block].append((began[process], float(at), process))
    return found


@pytest.mark.selftest
def test_a_killed_driver_and_a_lost_node_cost_what_ran(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    with logical_cluster() as cluster:
        first = driver(folder, cluster)
        wait(folder, 4, first)
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = driver(folder, cluster)
        wait(folder, 7, second)
        cluster.lose_second()
        assert second.wait(180) == 0, [f.read_text() for f in tmp_path.glob("driver-*")]
    account = read_account(folder)
    assert account is not None
    found = judged(folder)
    # Each cell once.
    assert Counter(a.block for a in found) == Counter(block.id for block in small_fleet.BLOCKS)
    # What a serial run says.
    assert [a.block for a in found if a.ending is Ending.FAILED] == [small_fleet.BAD]
    for attempt in found:
        digest = attempt.files["results.jsonl"]
        assert digest == hashlib.sha256(attempt.block.encode()).hexdigest()
        assert (folder / "objects" / digest).read_text() == attempt.block
    # A killed driver and a lost node cost what ran: one block a machine each.
    lost = [a for a in account.attempts if a.ending not in JUDGED]
    assert 1 <= len(lost) <= 3, lost
    ran = spans((folder / small_fleet.JOURNAL).read_text())
    assert set(ran) == {block.id for block in small_fleet.BLOCKS}
    assert sum(map(len, ran.values())) <= 12 + len(lost)
    # Alone on a machine.
    where = {a.block: a.machine for a in found}
    by_machine = defaultdict(list)
    for block, times in ran.items():
        by_machine[where[block]] += [times[-1][:2]]
    assert len(by_machine) == 2
    for times in by_machine.values():
        ordered = sorted(times)
        assert all(one[1] <= other[0] for one, other in pairwise(ordered))
