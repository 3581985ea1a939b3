"""A driver that is really killed, again and again, in a process of its own: every cell is known once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from scripted_fleet import Does, Drive, RealClock, Scripted, a_block, a_plan, places

from perfsuite.fleet.ledger.file import FILE, read_account
from perfsuite.records import Ending, Work

BLOCKS = [
    a_block(f"b{i:02}", Work.LATENCY if i % 4 == 0 else Work.COUNTS, variant=f"v{i}") for i in range(32)
]
KILLS = 3


def test_a_killed_driver_resumes_with_every_cell_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        with start(tmp_path) as process:
            wait_for_more(tmp_path / FILE, chance.randint(3, 16))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
    assert killed == KILLS
    with start(tmp_path) as process:
        assert process.wait() == 0
    account = read_account(tmp_path)
    assert account is not None
    own = [a for a in account.attempts if not a.block.startswith("doctor-")]
    verdicts = Counter(a.block for a in own if a.ending is Ending.PASSED)
    assert verdicts == Counter(block.id for block in BLOCKS)
    assert {a.ending for a in own} <= {Ending.PASSED, Ending.STOPPED}
    assert len({(a.block, a.number) for a in own}) == len(own)
    assert account.running == {}
    started = Counter((tmp_path / "started.txt").read_text().split())
    stopped = Counter(a.block for a in own if a.ending is Ending.STOPPED)
    # Nothing was started that had its verdict: what was started again was on its way at a kill.
    assert all(started[block.id] - 1 <= stopped[block.id] for block in BLOCKS)
    assert 0 < sum(stopped.values()) <= 4 * KILLS
    assert all((tmp_path / "objects" / name).is_file() for a in own for name in a.files.values())


def start(folder: Path) -> subprocess.Popen[bytes]:
    """This file as a driver."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([sys.executable, __file__, str(folder)], env=environment)


def wait_for_more(ledger: Path, lines: int) -> None:
    """Until the ledger has so many more lines, or nothing is left to do."""
    before = ledger.read_bytes().count(b"\n") if ledger.exists() else 0
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if ledger.exists() and ledger.read_bytes().count(b"\n") >= before + lines:
            return
        time.sleep(0.001)
    raise TimeoutError(f"{ledger} does not grow")


def main(folder: Path) -> None:
    """Drive the blocks, each 20 ms long, and note which are started."""
    with (folder / "started.txt").open("a", buffering=1) as stream:

        def script(order: object, slot: object) -> Does:
            if not order.block.startswith("doctor-"):  # type: ignore[attr-defined]
                stream.write(f"{order.block}\n")  # type: ignore[attr-defined]
            return Does(0.02, files={"results.jsonl": order.block.encode()})  # type: ignore[attr-defined]

        engine = Scripted(places(2, 2), script, RealClock())
        Drive(a_plan(*BLOCKS), folder, engine)()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
