"""A pytest plugin that builds a real slowdown into one optimization: more work in the UNet.

``PERFSUITE_TEST_SLOWDOWN=0.1`` repeats the UNet's forward in one call of ten. For tests of the gate.
"""

import dataclasses
import itertools
import os

from perfsuite.pipelines import variants
from perfsuite.pipelines.optimizations import OPTIMIZATIONS


def _slower(apply, share):
    def slow_apply(pipe, context):
        apply(pipe, context)
        forward = pipe.unet.forward
        owed = itertools.accumulate(itertools.repeat(share))
        done = 0

        def twice(*args, **kwargs):
            nonlocal done
            if next(owed) >= done + 1 - 1e-9:
                done += 1
                forward(*args, **kwargs)
            return forward(*args, **kwargs)

        pipe.unet.forward = twice

    return slow_apply


def pytest_configure(config):
    share = float(os.environ["PERFSUITE_TEST_SLOWDOWN"])
    step = OPTIMIZATIONS["sdpa"]
    slow = dataclasses.replace(step, apply=_slower(step.apply, share))
    rung = variants.VARIANTS["bf16-sdpa"]
    steps = tuple(slow if o.name == "sdpa" else o for o in rung.optimizations)
    variants.VARIANTS["bf16-sdpa"] = dataclasses.replace(rung, optimizations=steps)
