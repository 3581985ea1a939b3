"""The imitation of a precision: only values that it can hold, and nothing of it stays."""

import copy

import pytest
import torch

from perfsuite.quality.witness import imitating, in_float64, rounder


@pytest.mark.parametrize(("precision", "unit"), [("bf16", 2.0**-8), ("fp16", 2.0**-11), ("tf32", 2.0**-11)])
def test_rounding(precision: str, unit: float) -> None:
    """To the nearest value, in float32; what the precision can hold stays."""
    change = rounder(precision)
    values = torch.linspace(-3.0, 3.0, 1001).reshape(7, 143)
    once = change(values)
    assert once.dtype == torch.float32
    assert torch.equal(change(once), once)
    difference = (once - values).abs() / values.abs().clamp(min=1e-3)
    assert 0.25 * unit < float(difference.max()) <= unit


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_masks_stay_finite(precision: str) -> None:
    """They hold the least float32, which would be infinite; a value that overflows is."""
    mask = torch.full((2, 2), torch.finfo(torch.float32).min)
    assert torch.isfinite(rounder(precision)(mask)).all()
    assert torch.isinf(rounder("fp16")(torch.full((2, 2), 1e6))).all()


class Pipe:
    """Four models of two layers, and a scheduler."""

    def __init__(self) -> None:
        for name in ("text_encoder", "text_encoder_2", "unet", "vae"):
            setattr(self, name, torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.SiLU()))
        self.scheduler = Scheduler()


class Scheduler:
    """Its step is a third of what it is given, in the type that it is given."""

    given: torch.dtype

    def step(self, values: torch.Tensor) -> tuple[torch.Tensor]:
        """As diffusers returns it."""
        self.given = values.dtype
        return (values / 3,)


def test_only_what_the_precision_holds_passes() -> None:
    """Weights, inputs, outputs, latents, and attention's products between modules."""
    pipe, change = Pipe(), rounder("bf16")
    values = torch.randn(3, 4)
    with imitating(pipe, "bf16"):
        found = pipe.unet(values)
        stepped = pipe.scheduler.step(values)[0]
        assert pipe.scheduler.given == torch.bfloat16
        assert stepped.dtype == torch.float32
        product = torch.bmm(values[None], values.T[None])
        one = torch.nn.functional.silu(pipe.unet[0](values))
    for tensor in (found, stepped, product, pipe.unet[0].weight.data):
        assert torch.equal(change(tensor), tensor)
    assert torch.equal(change(one), found)
    assert not torch.equal(pipe.scheduler.step(values)[0], stepped)
    assert not torch.equal(torch.bmm(values[None], values.T[None]), product)


class EulerDiscreteScheduler(Scheduler):
    """Known by its name to raise half precision to float32."""


def test_a_scheduler_that_steps_in_float32_shares_no_half_precision() -> None:
    """Where its step is wrong in that type alone, the second opinion is not."""
    pipe, change = Pipe(), rounder("bf16")
    pipe.scheduler = EulerDiscreteScheduler()
    values = torch.randn(3, 4)
    with imitating(pipe, "bf16"):
        stepped = pipe.scheduler.step(values)[0]
    assert pipe.scheduler.given == torch.float32
    assert torch.equal(stepped, change(change(values) / 3))


def test_float64_leaves_the_module_as_it_was() -> None:
    """It is computed in float64, from and back to float32."""
    layer = torch.nn.Linear(64, 64)
    before = copy.deepcopy(layer.state_dict())
    values = torch.randn(2, 64)
    found = in_float64(layer, {"args": (values,), "kwargs": {}})
    assert found.dtype == torch.float64
    assert torch.allclose(found.float(), layer(values), atol=1e-5)
    for name, tensor in layer.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dtype == torch.float32
