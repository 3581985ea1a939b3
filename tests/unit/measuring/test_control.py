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


def test_on_a_gpu_it_is_work_and_not_launching(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its 550 GFLOP take milliseconds on any GPU; here its sizes alone are looked at, without data."""
    import torch

    products, copies = [], []
    monkeypatch.setitem(control.WORK, "meta", control.WORK["cuda"])
    monkeypatch.setattr(torch, "mm", lambda a, b: products.append(2 * a.shape[0] * a.shape[1] * b.shape[1]))
    monkeypatch.setattr(torch.Tensor, "clone", lambda tensor: copies.append(tensor.nbytes))
    assert control.control_turn("meta")() >= 0.0
    assert sum(products) == pytest.approx(550e9, rel=0.01)
    assert copies == [256 << 20] * 4
