"""The sizes at which dynamic shapes are tried."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from perfsuite.device import fingerprint
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.optimizations.dynamic import script
from perfsuite.pipelines.technique import Context


@pytest.mark.parametrize("side", [64, 72, 80, 128, 192, 1000, 1024])
def test_three_sizes_are_tried_of_which_the_first_is_the_workloads(side: int) -> None:
    """Each of both sides changes once; what a UNet pads of an odd size, it pads of each."""
    workload = replace(workloads.SHAPES, width=side, height=side)
    context = Context(workload, variants.get("fp32+sdpa+dynamic"), fingerprint("cpu"))
    calls = [tuple(map(int, re.findall(r"\d+", call))) for call in script(SimpleNamespace(), context)]
    sizes = list(dict.fromkeys((width, height) for width, height, _ in calls))
    assert sizes[0] == (side, side)
    assert sizes[1][0] > side
    assert sizes[1][1] == side
    assert sizes[2] > sizes[1]
    assert len(calls) == 6
    assert {value % 64 for size in sizes for value in size} == {side % 64}
