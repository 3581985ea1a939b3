"""The control benchmark: positive, small, and the same work each time."""

import pytest

from perfsuite.measuring import control
from perfsuite.measuring.control import control_s


def test_it_takes_a_moment() -> None:
    """A product of small matrices and a copy of 32 MiB: more than nothing, less than a second."""
    assert 1e-5 < control_s("cpu") < 1.0


def test_it_is_the_least_of_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour that interrupts some of them does not count."""
    taken = [9.0, 8.0, 7.0, 0.25, 6.0, 5.0, 4.0]
    clock = [sum(taken[: i // 2]) + (taken[i // 2] if i % 2 else 0.0) for i in range(14)]
    monkeypatch.setattr(control, "now", lambda: clock.pop(0))
    assert control_s("cpu") == 0.25
    assert clock == []


def test_random_numbers_of_others_stay_as_they_are() -> None:
    """Its matrix comes from a generator of its own."""
    import torch

    before = torch.get_rng_state()
    control_s("cpu")
    assert torch.equal(torch.get_rng_state(), before)
