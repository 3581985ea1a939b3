"""Does the latency gate see what the deterministic gates find? A pytest plugin for tests that plant defects.

    PYTHONPATH=tests/helpers PLANTED_LATENCY=out.jsonl pytest -p planted_latency \\
        tests/structure/test_planted_*.py tests/structure/test_count_defects.py

Each pipeline with a planted defect is also timed against the same variant without it: whole calls in turns,
two pairs, judged as `perfsuite ab` judges. Both are in one process, which is sharper than any comparison with
stored sessions. One JSON object a test, also printed. `test_a_callback_that_reads` then fails: it counts its
own calls.

Defects in compiled parts are left out: those tests compile without Inductor, so their times say nothing.
Run as a script, this file times such defects in `fp32+sdpa+compile-regional`, compiled by Inductor:

    PYTHONPATH=tests/helpers PLANTED_LATENCY=out.jsonl python tests/helpers/planted_latency.py
"""

import dataclasses
import json
import os
import random
import sys
import time
from pathlib import Path

import gates

from perfsuite.device.load import Stretch
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


def _built(context, snapshot):
    """A pipeline with its optimizations applied and nothing planted."""
    import torch

    from perfsuite.pipelines import Prepared, models
    from perfsuite.pipelines.technique import Context

    context = Context(context.workload, context.variant, context.device)
    pipe = models.load(context.workload, context.device, torch.float32)
    for step in context.variant.optimizations:
        step.apply(pipe, context)
    return Prepared(pipe, context, (), Stretch(), snapshot)


def _call(prepared, before=lambda: None):
    def timed():
        before()
        start = time.perf_counter()
        prepared.generate()
        return "call", time.perf_counter() - start

    return timed


def _judged(base, head):
    """The verdict on two functions that make one call each, as fields of JSON."""
    from perfsuite.decision.paired import compare_turns
    from perfsuite.workers.lockstep import take_turns

    pairs = []
    for number in range(2):
        rng = random.Random(number)
        take_turns(base, head, 1, 0.0, rng, least_calls=4)
        pairs.append(take_turns(base, head, 1, time.monotonic() + PAIR_S, rng))
    verdict = compare_turns(pairs, {"call": 1})
    return {
        "status": str(verdict.status),
        "percent": round(100 * (verdict.ratio - 1), 2),
        "interval": [round(100 * (edge - 1), 2) for edge in verdict.interval],
        "detectable": round(100 * verdict.minimum_detectable_effect, 2),
        "calls": [len(pair.names) for pair in pairs],
    }


def _say(said):
    with OUT.open("a") as file:
        file.write(json.dumps(said) + "\n")
    print(said, file=sys.__stderr__, flush=True)


def _measure(gate, prepared):
    name, phase = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].rsplit(" ", 1)
    if phase != "(call)" or name in _done:
        return
    _done.add(name)
    said = {"gate": gate, "test": name, "variant": prepared.context.variant.name}
    if gate in COMPILED:
        _say(said | {"status": "not timed: compiled without Inductor"})
        return
    from perfsuite.device import Snapshot

    honest, leaked = _built(prepared.context, prepared.snapshot), Snapshot.take()
    if gate == "leaks":  # each side under its own settings
        found = _judged(_call(honest, prepared.snapshot.restore), _call(prepared, leaked.restore))
        leaked.restore()
    else:
        found = _judged(_call(honest), _call(prepared))
    _say(said | found)


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


def _graph_breaks(blocks):
    import torch

    for block in blocks:
        forward = block.ff.forward

        def broken(x, forward=forward):
            torch._dynamo.graph_break()
            return forward(x)

        block.ff.forward = broken
        block.compile(dynamic=False)  # without `fullgraph`, under which it does not compile at all


def _past_its_compiled_form(blocks):
    blocks[0]._compiled_call_impl = blocks[0]._call_impl


def _backend_eager(blocks):
    for block in blocks:
        block.compile(dynamic=False, backend="eager")


def _changing_integer(blocks):
    block, forward = blocks[0], blocks[0].forward
    block.calls = 0

    def counting(*args, **options):
        block.calls += 1
        return forward(*args, **options) * (1.0 if block.calls > 0 else 0.0)

    block.forward = counting
    block.compile(dynamic=False)


def _compiled():
    """Time each defect of compiled blocks, and two honest pipelines."""
    import torch

    from perfsuite.device import Snapshot, fingerprint
    from perfsuite.pipelines import variants, workloads
    from perfsuite.pipelines.optimizations.regional import repeated_blocks
    from perfsuite.pipelines.technique import Context

    device, snapshot = fingerprint("cpu"), Snapshot.take()
    torch.set_num_threads(device.count)
    workload = dataclasses.replace(workloads.SHAPES, steps=2)
    context = Context(workload, variants.get("fp32+sdpa+compile-regional"), device)
    planted = {
        "nothing": lambda blocks: None,
        "a graph break in every block": _graph_breaks,
        "a stance that forces eager code": lambda blocks: None,
        "a block called past its compiled form": _past_its_compiled_form,
        "a backend that generates nothing": _backend_eager,
        "a changing integer in one block": _changing_integer,
    }
    for name, plant in planted.items():
        base, head = (_built(context, snapshot) for _ in range(2))
        plant(list(repeated_blocks(head.pipe).values()))
        slow = _call(head)
        if "stance" in name:
            slow = torch.compiler.set_stance("force_eager")(slow)
        _say({"test": name, "variant": context.variant.name} | _judged(_call(base), slow))


if __name__ == "__main__":
    _compiled()
