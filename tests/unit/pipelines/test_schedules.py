"""How few steps a scheduler can take, what its schedule is, and noise that is the same in every precision."""

from typing import Any

import pytest
import torch

from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.schedules import (
    ScheduleError,
    calls,
    calls_in,
    check_steps,
    drawing_noise,
    least_steps,
    schedule,
)


def scheduler(name: str) -> Any:
    """One of diffusers' with the small model's schedule."""
    import diffusers

    config = diffusers.EulerDiscreteScheduler.from_pretrained(shapes.WEIGHTS, subfolder="scheduler").config
    return getattr(diffusers, name).from_config(config)


@pytest.mark.parametrize(
    ("name", "least"),
    [("EulerDiscreteScheduler", 1), ("DDIMScheduler", 1), ("LCMScheduler", 1), ("PNDMScheduler", 4)],
)
def test_the_fewest_steps(name: str, least: int) -> None:
    """Found by trying on a copy; fewer are refused with the scheduler's name."""
    tried = scheduler(name)
    before = None if tried.timesteps is None else tried.timesteps.clone()
    assert least_steps(tried) == least
    assert before is None or torch.equal(tried.timesteps, before)
    check_steps(tried, least, "workload 'shapes'")
    if least > 1:
        with pytest.raises(
            ScheduleError, match=r"workload 'shapes': PNDMScheduler needs at least 4 steps, found 3"
        ):
            check_steps(tried, least - 1, "workload 'shapes'")


def test_one_that_takes_no_steps_is_refused() -> None:
    """With the reason that it gives."""

    class Stubborn:
        def set_timesteps(self, steps: int, device: str) -> None:
            raise ValueError(f"not {steps}")

    with pytest.raises(ScheduleError, match=r"Stubborn: it refuses 1 to 15 steps, .* ValueError: not 15"):
        least_steps(Stubborn())


@pytest.mark.parametrize(("name", "length"), [("EulerDiscreteScheduler", 6), ("DDIMScheduler", 5)])
def test_every_scheduler_has_a_schedule(name: str, length: int) -> None:
    """Sigmas, or the noise that is left at each step."""
    tried = scheduler(name)
    tried.set_timesteps(5)
    found = schedule(tried)
    assert len(found) == length
    assert len(set(found.tolist())) == length
    assert calls(tried) == 5


def test_noise_is_the_same_in_every_precision() -> None:
    """Up to rounding, and the function of diffusers is back afterwards."""
    import diffusers.schedulers.scheduling_lcm as module

    own, drawn = module.randn_tensor, []
    for dtype in (torch.float32, torch.bfloat16):
        with drawing_noise(scheduler("LCMScheduler"), torch.Generator().manual_seed(3)):
            drawn.append(module.randn_tensor((2, 3), device=torch.device("cpu"), dtype=dtype))
    assert module.randn_tensor is own
    assert drawn[1].dtype == torch.bfloat16
    assert torch.equal(drawn[0].to(torch.bfloat16), drawn[1])


@pytest.mark.parametrize(("name", "calls"), [("EulerDiscreteScheduler", 5), ("HeunDiscreteScheduler", 9)])
def test_calls_of_a_generation_are_known_beforehand(name: str, calls: int) -> None:
    """Of one that corrects each step but the last there are more than steps; the scheduler is left alone."""
    asked = scheduler(name)
    before = len(asked.timesteps)
    assert calls_in(asked, 5) == calls
    assert len(asked.timesteps) == before


def test_a_schedule_of_flow_matching_is_asked_for_some_size() -> None:
    """Flux's follows the picture's size, and refuses to be set without it."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    flow = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    assert (least_steps(flow), calls_in(flow, 4)) == (1, 4)
