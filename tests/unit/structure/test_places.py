"""Where a tensor would be, on a machine that has only one place."""

import numpy as np
import pytest

from perfsuite.structure.places import Places


@pytest.fixture
def said():
    """What was reported."""
    return []


@pytest.fixture
def places(said):
    """A pretended device that is watched."""
    made = Places(said.append)
    with made.watching():
        yield made


def test_a_number_of_the_device_is_a_wait(places, said):
    """By any of the ways that Python has to ask for it."""
    import torch

    x = torch.ones(2, 2, device=places.device)
    for read in (
        lambda: x.sum().item(),
        lambda: float(x[0, 0]),
        lambda: bool(x[0, 0] > 0),
        lambda: x.tolist(),
        lambda: x.numpy(),
        lambda: x.nonzero(),
        lambda: x[x > 0],
        lambda: torch.masked_select(x, x > 0),
        lambda: f"{x[0, 0]:.2f}",
        lambda: x.cpu(),
        lambda: x.to("cpu"),
        lambda: x.to(device="cpu", dtype=torch.float64),
        lambda: x.to(torch.zeros(1)),
    ):
        said.clear()
        read()
        assert said, read


def test_what_the_host_keeps_may_be_read(places, said):
    """Made without a device, moved there, or computed from such."""
    import torch

    x = torch.tensor([1.0, 2.0])
    y = torch.from_numpy(np.ones(2)) * x.double() + torch.arange(2)
    assert y.sum().item() == 4.0
    assert bool(x[0] < x[1])
    assert (x > 1.5).nonzero().tolist() == [[1]]
    assert x.device == torch.device("cpu")
    assert said == []


def test_the_device_wins(places, said):
    """A number from the host may take part in what the device computes; the result is there."""
    import torch

    sigma = torch.tensor(3.0)
    x = torch.ones(2, device=places.device) * sigma
    assert x.device == places.device
    assert said == []
    assert x.sum().item() == 6.0
    assert said == ["aten._local_scalar_dense"]


def test_a_copy_is_reported_once(places, said):
    """What was copied to the host is there, and its origin is not."""
    import torch

    x = torch.ones(2, device=places.device)
    y = x.cpu()
    assert y.tolist() == [1.0, 1.0]
    assert said == ["Tensor.cpu(): a copy to the host"]
    assert x.device == places.device
    y += 1
    assert said == ["Tensor.cpu(): a copy to the host"]
    x.sum().item()
    assert said[1:] == ["aten._local_scalar_dense"]


def test_copies_from_the_host(places, said):
    """They wait too, unless they are told not to."""
    import torch

    x = torch.ones(2)
    assert x.to(places.device, non_blocking=True).device == places.device
    assert said == []
    assert x.to(places.device).device == places.device
    assert x.to(places.device, torch.float64).dtype == torch.float64
    assert torch.tensor([1.0], device=places.device).device == places.device
    assert x.device == torch.device("cpu")
    assert [line.partition(":")[0] for line in said] == ["Tensor.to()"] * 2 + ["torch.tensor(..., device)"]


def test_a_cast_is_no_copy(places, said):
    """`.to(dtype)`, and `.to(device)` where it already is."""
    import torch

    x = torch.ones(2, device=places.device)
    assert x.to(torch.float64).to(x.device).to(x).device == places.device
    assert torch.ones(2).to("cpu").to(torch.float64).device == torch.device("cpu")
    assert said == []


def test_indices_of_the_device_into_the_host(places, said):
    """A table on the host, looked up by a timestep on the device."""
    import torch

    table, index = torch.arange(10.0), torch.tensor([3]).to(places.device, non_blocking=True)
    table.to(places.device, non_blocking=True)[index]
    assert said == []
    table[index]
    assert len(said) == 1


def test_what_was_there_before_is_on_the_device(said):
    """Weights, and latents that the caller made; afterwards torch is as before."""
    import torch

    from_numpy, weight = torch.from_numpy, torch.ones(2)
    places = Places(said.append)
    with places.watching():
        assert weight.device == places.device
        weight.sum().item()
    assert said == ["aten._local_scalar_dense"]
    assert torch.from_numpy is from_numpy
    weight.sum().item()
    assert len(said) == 1
