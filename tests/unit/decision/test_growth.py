"""Memory that grows with every call, and caches that only warm up."""

import numpy as np
import pytest

from perfsuite.decision.growth import ALLOWED_BYTES, growths, judge_growth, slope
from perfsuite.records import Memory, Status

MIB = 1 << 20


def held(calls: int, leak: float = 0.0, noise: float = 500.0, seed: int = 0) -> list[int]:
    """What a process of 600 MiB holds after so many calls; noise as large as that of honest pipelines."""
    rng = np.random.default_rng(seed)
    return [int(600 * MIB + leak * i + noise * rng.standard_normal()) for i in range(calls + 1)]


@pytest.mark.parametrize(("calls", "leak"), [(8, 100_000.0), (25, 100_000.0), (50, 20_000.0), (50, 3e6)])
def test_a_leak_is_found(calls: int, leak: float) -> None:
    """A hundred kilobytes a call in a few calls, twenty in a run of a minute."""
    for seed in range(20):
        samples = held(calls, leak, seed=seed)
        found = judge_growth(samples, samples[-1], ALLOWED_BYTES)
        assert found.status is Status.REGRESSED, found.detail


@pytest.mark.parametrize("calls", [8, 25, 50])
def test_no_growth_is_none(calls: int) -> None:
    for seed in range(20):
        samples = held(calls, 300.0, seed=seed)
        assert judge_growth(samples, samples[-1], ALLOWED_BYTES).status is Status.OK


def test_caches_that_warm_up_are_no_leak() -> None:
    """Steps that become rarer, however high."""
    samples = held(30)
    for call, size in ((1, 40 * MIB), (2, 20 * MIB), (5, 8 * MIB), (12, 4 * MIB)):
        samples = [s + size * (i >= call) for i, s in enumerate(samples)]
    found = judge_growth(samples, samples[-1], ALLOWED_BYTES)
    assert found.status is not Status.REGRESSED, found.detail


def test_garbage_is_no_leak() -> None:
    """Between timed calls it is not collected, and what is gone after that nobody kept."""
    samples = held(20, 100_000.0)
    found = judge_growth(samples, samples[0] + 10_000, ALLOWED_BYTES)
    assert found.status is Status.OK
    assert "stay once garbage is collected" in found.detail


def test_what_the_first_call_sets_up_is_not_what_garbage_leaves() -> None:
    """As recorded of honest int8 code in ten calls: 243 kB at the first, then garbage of 18 kB a call, which
    all went when it was collected."""
    kilobytes = (0.0, 243.1, 263.8, 284.1, 307.1, 322.6, 340.4, 361.1, 377.5, 384.2, 403.5)
    samples = [600 * MIB + round(1000 * k) for k in kilobytes]
    found = judge_growth(samples, samples[0] + 217_100, ALLOWED_BYTES)
    assert found.status is Status.OK, found.detail
    # The same with nothing collected is a leak of as much.
    assert judge_growth(samples, samples[-1], ALLOWED_BYTES).status is Status.REGRESSED


def test_too_few_calls_show_nothing() -> None:
    assert slope([1, 2, 3]) is None
    assert judge_growth([1, 2, 3], 3, ALLOWED_BYTES).status is Status.INCONCLUSIVE


def test_a_disturbed_call_or_two_hide_nothing() -> None:
    samples = held(25, 100_000.0)
    samples[7] += 50 * MIB
    samples[19] -= 30 * MIB
    assert judge_growth(samples, samples[-1], ALLOWED_BYTES).status is Status.REGRESSED


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ([9] * 9, Status.OK),
        ([9, 12, 14, 14, 14, 14, 14, 14, 14, 14, 14], Status.OK),
        (list(range(9, 20)), Status.REGRESSED),
    ],
)
def test_open_files_are_told_in_their_own_unit(files: list[int], status: Status) -> None:
    memory = Memory((1,) * 9, (1,) * 9, 1, 1, threads=(3,) * 9, files=tuple(files), files_collected=files[-1])
    found = {q.name: q.verdict for q in growths(memory, exact=True)}
    assert found["thread growth"].status is Status.OK
    assert found["file growth"].status is status
    assert "kB" not in found["file growth"].detail


def test_older_files_know_nothing_of_threads() -> None:
    assert not {"thread growth", "file growth"} & {
        q.name for q in growths(Memory((1,), (1,), 1, 1), exact=True)
    }
