"""Load beside a run: what it is, that it computes, and that nothing is left of it."""

import random
import subprocess
import sys
import time
from itertools import islice

import psutil
import pytest

from perfsuite.fieldtrial import loading


def children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if loading.__file__ in p.cmdline()]


def test_bursts_are_of_the_lengths_that_were_asked_for() -> None:
    """A core for .3 to 3 s and then 1 to 8 s of rest; the same for the same seed."""
    spans = list(islice(loading.bursts(random.Random("1")), 1, 400))
    assert all(0.3 <= work <= 3 and 1 <= rest <= 8 for work, rest in spans)
    assert max(w for w, _ in spans) - min(w for w, _ in spans) > 2.5
    assert spans == list(islice(loading.bursts(random.Random("1")), 1, 400))
    assert spans != list(islice(loading.bursts(random.Random("2")), 1, 400))


@pytest.mark.parametrize("load", ["burst", "busy"])
def test_it_ends_with_its_block(load: str) -> None:
    """Also when the block fails."""
    with pytest.raises(RuntimeError, match="stop"), loading.beside(load, "1"):  # noqa: PT012
        (child,) = children()
        assert child.is_running()
        raise RuntimeError("stop")
    assert children() == []


def test_quiet_starts_nothing() -> None:
    with loading.beside("quiet", "1"):
        assert children() == []


def test_busy_computes() -> None:
    with loading.beside("busy", "1"):
        (child,) = children()
        for _ in range(500):
            if sum(child.cpu_times()[:2]) > 0.1:
                break
            time.sleep(0.02)
        assert sum(child.cpu_times()[:2]) > 0.1


def test_it_ends_when_its_parent_is_killed() -> None:
    """Else a trial that was killed would leave a core busy for ever."""
    program = (
        "import time; from perfsuite.fieldtrial import loading\n"
        "with loading.beside('busy', '1'):\n"
        "    import psutil; print(psutil.Process().children()[0].pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.3)
    parent.kill()
    parent.communicate()
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone == [child]
