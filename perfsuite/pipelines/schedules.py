"""What schedulers differ in: how few steps they can take, what is their schedule, and the noise they add."""

from __future__ import annotations

import contextlib
import copy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_LEAST = 16
"""A scheduler that cannot take so many steps either cannot be used at all."""


class ScheduleError(RuntimeError):
    """A scheduler that cannot draw what is asked for; the message names it, and what it can."""


def least_steps(scheduler: Any) -> int:
    """The fewest denoising steps that a scheduler can take: one, but for some that need a history.

    Raises `ScheduleError` for one that can take none.
    """
    kept: int | None = getattr(scheduler, "_perfsuite_least_steps", None)
    if kept is None:
        kept = next((steps for steps in range(1, MOST_LEAST) if _refusal(scheduler, steps) is None), None)
        if kept is None:
            raise ScheduleError(
                f"{type(scheduler).__name__}: it refuses 1 to {MOST_LEAST - 1} steps, the last with: "
                f"{_refusal(scheduler, MOST_LEAST - 1)}; take another scheduler"
            )
        scheduler._perfsuite_least_steps = kept
    return kept


def _refusal(scheduler: Any, steps: int) -> str | None:
    """Why a copy of the scheduler cannot take so many steps with a few numbers; None if it can."""
    import torch

    tried = copy.deepcopy(scheduler)
    generator = torch.Generator("cpu").manual_seed(0)
    latents = torch.ones(1, 4, 8, 8)
    try:
        _set(tried, steps)
        scaled = getattr(tried, "scale_model_input", _as_it_is)
        with drawing_noise(tried, generator):
            for timestep in tried.timesteps:
                latents = tried.step(0.1 * scaled(latents, timestep), timestep, latents, return_dict=False)[0]
    except (ValueError, IndexError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _set(scheduler: Any, steps: int) -> None:
    """A schedule that follows the picture's size is asked for that of a small one."""
    config = getattr(scheduler, "config", {})
    shifted = {"mu": 0.5} if config.get("use_dynamic_shifting") else {}
    scheduler.set_timesteps(steps, device="cpu", **shifted)


def calls_in(scheduler: Any, steps: int) -> int:
    """How often a generation of so many steps calls the denoiser, and ends a step."""
    tried = copy.deepcopy(scheduler)
    _set(tried, steps)
    return len(tried.timesteps)


def _as_it_is(latents: Any, timestep: Any) -> Any:
    """What a scheduler of flow matching gives a model: the latents."""
    return latents


def check_steps(scheduler: Any, steps: int, asked: str) -> None:
    """Raise `ScheduleError` where `asked` wants fewer steps than the scheduler can take."""
    least = least_steps(scheduler)
    if steps < least:
        raise ScheduleError(
            f"{asked}: {type(scheduler).__name__} needs at least {least} steps, found {steps}; "
            "give more steps or take another scheduler"
        )


def calls(scheduler: Any) -> int:
    """How often the last generation called the UNet: some schedulers do it more than once a step."""
    return len(scheduler.timesteps)


def schedule(scheduler: Any) -> Any:
    """The noise levels of the last generation's steps, whatever the scheduler calls them."""
    import torch

    if hasattr(scheduler, "sigmas"):
        return torch.as_tensor(scheduler.sigmas)
    if hasattr(scheduler, "alphas_cumprod"):
        places = scheduler.timesteps.to("cpu").long()
        return scheduler.alphas_cumprod.to("cpu")[places]
    return scheduler.timesteps


@contextlib.contextmanager
def drawing_noise(scheduler: Any, generator: Any) -> Iterator[None]:
    """For a moment the noise that the scheduler adds in its steps is drawn in float32 from this generator.

    So it is the same in every call and, up to rounding, in every precision; most schedulers add none.
    """
    # A class of somebody's own draws by the module of the one that it derives from.
    named = {kind.__module__ for kind in type(scheduler).__mro__}
    modules = [sys.modules[name] for name in sorted(named) if hasattr(sys.modules.get(name), "randn_tensor")]

    def drawn(shape: Any, *args: Any, device: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        import torch

        noise = torch.randn(tuple(shape), generator=generator, device=device, dtype=torch.float32)
        return noise.to(dtype)

    with contextlib.ExitStack() as stack:
        for module in modules:
            stack.callback(setattr, module, "randn_tensor", module.randn_tensor)
            module.randn_tensor = drawn  # type: ignore[attr-defined]
        yield
