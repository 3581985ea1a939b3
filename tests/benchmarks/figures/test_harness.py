"""What measuring costs: the suite's timed call against a bare loop over the same pipeline."""

import dataclasses
import statistics
import time

import pytest

from perfsuite.device.clock import now
from perfsuite.pipelines import prepare, release, workloads

MOST = 1.02
PAIRS = 200


@pytest.mark.benchmark(group="figures", timer=now, disable_gc=True)
def test_the_harness_costs_at_most_two_per_cent(benchmark):
    """Bare and timed calls of a 3-step generation in turn, order alternating; median of the ratios.

    Three steps and not thirty: a cost per call shows ten times as large.
    """
    prepared = prepare(dataclasses.replace(workloads.SHAPES, steps=3), "bf16-sdpa")
    bare: list[float] = []

    def bare_call():
        start = time.perf_counter()
        prepared.context.generate(prepared.pipe)
        bare.append(time.perf_counter() - start)

    def before():
        if len(bare) % 2 == 0:
            bare_call()

    def after():
        if len(bare) <= after.rounds:
            bare_call()
        after.rounds += 1

    after.rounds = 0
    for _ in range(5):
        prepared.generate()
    try:
        benchmark.pedantic(prepared.generate, setup=before, teardown=after, rounds=PAIRS)
    finally:
        release(prepared.pipe)
    timed = benchmark.stats.stats.data
    assert len(bare) >= PAIRS
    ratios = [t / b for t, b in zip(timed, bare, strict=False)]
    middle = statistics.median(ratios)
    quartiles = statistics.quantiles(ratios, n=4)
    # 1.57 is pi / 2, the variance of a median over that of a mean; 1.35 the quartiles' distance in sd.
    error = (quartiles[2] - quartiles[0]) / 1.35 * (1.57 / len(ratios)) ** 0.5
    benchmark.extra_info.update(median_ratio=middle, standard_error=error, pairs=len(ratios))
    print(f"harness: {100 * (middle - 1):+.2f} % ± {100 * error:.2f} % over {len(ratios)} pairs")
    assert middle - 2 * error <= MOST, f"the harness costs {100 * (middle - 1):.1f} %"
