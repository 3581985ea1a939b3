"""The machine's own speed, by work that is always the same."""

import itertools
import time

import pytest

from perfsuite.device.fixed_work import Probe, fixed_work


def test_work_takes_its_time_every_time() -> None:
    turn = fixed_work()
    assert 0 < turn() < 10
    assert 0 < turn() < 10


def test_a_probe_says_what_it_cost() -> None:
    """So that what is timed around it can leave it out: several turns, and what they are made from."""
    probe = Probe()
    found = probe.take()
    assert 0 < 4 * found < probe.spent_s


def test_a_probe_takes_the_processor_time_of_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that never rests keeps Python's lock from it: that slows no machine."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: 100.0 * next(ticks))
    monkeypatch.setattr(time, "thread_time", lambda: 0.25 * next(ticks))
    assert Probe().take() == 0.25
