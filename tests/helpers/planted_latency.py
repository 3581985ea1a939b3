"""Does the latency gate see what the deterministic gates find? A pytest plugin for tests that plant defects.

    PYTHONPATH=tests/helpers PLANTED_LATENCY=out.jsonl pytest -p planted_latency \\
        tests/structure/test_planted_*.py tests/structure/test_count_defects.py

Each pipeline with a planted defect is also timed against the same variant without it: whole calls in turns,
two pairs, judged as `perfsuite ab` judges. Both are in one process, which is sharper than any comparison with
stored sessions. One JSON object a test, also printed. `test_a_callback_that_reads` then fails: it counts its
own calls.

Defects in compiled parts are left out: those tests compile without Inductor, so their times say nothing.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

import gates

from perfsuite.structure import counting

PAIR_S = 8.0
COMPILED = ("graphs", "recompilations", "compiled-runs", "cudagraphs", "fallbacks")
COUNTED = (
    "test_an_extra_operator",
    "test_a_copy_for",
    "test_an_added_linear",
    "test_weights_kept_twice",
    "test_weights_in_twice",
    "test_a_kept_activation",
)
OUT = Path(os.environ["PLANTED_LATENCY"])
_done: set[str] = set()
_finds, _count = gates.finds, counting.count


def _honest(prepared):
    """The variant anew, nothing planted."""
    import torch

    from perfsuite import models
    from perfsuite.pipelines import Context, Prepared

    was = prepared.context
    context = Context(was.workload, was.variant, was.device)
    pipe = models.load(was.workload, was.device, torch.float32)
    for step in context.variant.optimizations:
        step.apply(pipe, context)
    return Prepared(pipe, context, (), 0.0, prepared.snapshot)


def _call(prepared, settings=None):
    def timed():
        if settings is not None:
            settings.restore()
        start = time.perf_counter()
        prepared.generate()
        return "call", time.perf_counter() - start

    return timed


def _pair(prepared, leaked):
    from perfsuite.workers.lockstep import take_turns

    base = _honest(prepared)
    sides = _call(base, prepared.snapshot if leaked else None), _call(prepared, leaked)
    take_turns(*sides, 1, 0.0, random.Random(0), least_calls=3)
    return take_turns(*sides, 1, time.monotonic() + PAIR_S, random.Random(0))


def _measure(gate, prepared):
    name, phase = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].rsplit(" ", 1)
    if phase != "(call)" or name in _done:
        return
    _done.add(name)
    said = {"gate": gate, "test": name, "variant": prepared.context.variant.name}
    if gate in COMPILED:
        said["status"] = "not timed: compiled without Inductor"
    else:
        from perfsuite.decision.paired import compare_turns
        from perfsuite.device import Snapshot

        leaked = Snapshot.take() if gate == "leaks" else None
        pairs = [_pair(prepared, leaked) for _ in range(2)]
        if leaked is not None:
            leaked.restore()
        verdict = compare_turns(pairs, {"call": 1})
        said |= {
            "status": str(verdict.status),
            "percent": round(100 * (verdict.ratio - 1), 2),
            "interval": [round(100 * (edge - 1), 2) for edge in verdict.interval],
            "detectable": round(100 * verdict.minimum_detectable_effect, 2),
            "calls": [len(pair.names) for pair in pairs],
        }
    with OUT.open("a") as file:
        file.write(json.dumps(said) + "\n")
    print(said, file=sys.__stderr__, flush=True)


def _finding(gate, prepared):
    found = _finds(gate, prepared)
    _measure(gate, prepared)
    return found


def _counting(prepared):
    found = _count(prepared)
    if "::" in os.environ.get("PYTEST_CURRENT_TEST", "") and any(
        test in os.environ["PYTEST_CURRENT_TEST"] for test in COUNTED
    ):
        _measure("counts", prepared)
    return found


gates.finds, counting.count = _finding, _counting
