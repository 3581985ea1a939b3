"""Every technique on every family, built for real: the facts of the guide's table of pipelines."""

import pytest
from technique_matrix import FAILED, matrix, title

from perfsuite.device.clock import now

WORKLOADS = ("shapes", "tiny-sd15", "tiny-pixart", "tiny-sd3", "tiny-flux", "tiny-kandinsky")


@pytest.mark.benchmark(group="figures", timer=now)
@pytest.mark.parametrize("name", WORKLOADS)
def test_each_takes_hold_or_is_refused(benchmark, name):
    """By its own proof, or with a reason before anything is built; no proof fails and nobody raises."""
    cells = benchmark.pedantic(lambda: list(matrix(name)))
    for cell in cells:
        print(f"{title(name)} | {cell.spelled} | {cell.outcome} | {cell.said}")
    assert [cell for cell in cells if cell.outcome == FAILED] == []
