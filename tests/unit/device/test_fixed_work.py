"""The machine's own speed, by work that is always the same."""

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
