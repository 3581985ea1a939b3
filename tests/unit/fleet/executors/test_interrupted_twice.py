"""An engine's worker that is interrupted again while its block writes what it has."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BLOCK = """
import time
try:
    open({began!r}, "w").close()
    time.sleep(60)
except KeyboardInterrupt:
    open({told!r}, "w").close()
    time.sleep(1.5)
    open({written!r}, "w").close()
"""
WORKER = """
import sys
from orders import CPU, order
from perfsuite.fleet.executors import jobs, machine
for report in machine.attended(jobs.job(order("slow", sys.argv[1]), CPU), jobs.script()):
    pass
"""


def there(path: Path) -> bool:
    until = time.monotonic() + 20
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    return path.exists()


@pytest.mark.parametrize("ignored", [False, True])
def test_the_worker_stays_until_its_block_has_written(ignored: bool, tmp_path: Path) -> None:
    """Ray sends a lost interrupt again, and ends a worker's children with it.

    A shell has what it starts in a script's background ignore interrupts, and Ray's workers inherit that.
    """
    began, told, written = (tmp_path / name for name in ("began", "told", "written"))
    code = BLOCK.format(began=str(began), told=str(told), written=str(written))
    helpers = str(Path(__file__).parents[3] / "helpers")
    script = f"import sys; sys.path.insert(0, {helpers!r}){WORKER}"
    handler = signal.SIG_IGN if ignored else signal.SIG_DFL
    worker = subprocess.Popen(
        [sys.executable, "-c", script, code],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),
    )
    try:
        assert there(began)
        worker.send_signal(signal.SIGINT)
        assert there(told)
        worker.send_signal(signal.SIGINT)
        worker.wait(30)
    finally:
        worker.kill()
        worker.wait()
    assert written.exists()
