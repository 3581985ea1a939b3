"""Denoisers that keep something from step to step: which step is next, and what one alone needs."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stepwise:
    """Stands for a model's `forward`; counts the steps of a pipeline's call, from its start.

    It keeps nothing from one call to the next. Outside of a call each forward is a first step.
    """

    parts: tuple[str, ...] = ()
    """Its attributes that are compiled, each into a graph of its own."""

    def __init__(self) -> None:
        self.step: int | None = None
        """Of the forward that comes next, None outside of a call."""
        self.last = 0

    def begin(self, calls: int) -> None:
        """A pipeline's call begins, in which the model is called so often."""
        self.end()
        self.step, self.last = 0, calls - 1

    def place(self, step: int | None) -> None:
        """The next forward is of this step of a call; None: of no call, and nothing is kept."""
        if step is None:
            self.end()
        else:
            self.step, self.last = step, step + 1

    def end(self) -> None:
        """Forget what was kept."""
        self.step = None

    def advance(self) -> None:
        """A forward of the call is done."""
        if self.step is not None:
            self.step += 1
            if self.step > self.last:
                self.end()

    def calls_for(self, step: int) -> tuple[int, ...]:
        """The steps that must be computed to have this one, itself last."""
        return (step,)


def stepwise_of(model: Any) -> Stepwise | None:
    """What stands for the model's `forward`, None where it is its own.

    Hooks of accelerate and diffusers wrap what they find there, and say what that was.
    """
    found = vars(getattr(model, "_orig_mod", model)).get("forward")
    while found is not None and not isinstance(found, Stepwise):
        found = getattr(found, "__wrapped__", None)
    return found


def cache_of(model: Any) -> Any:
    """The configuration of diffusers' own cache on a model (`enable_cache`), None without one."""
    return getattr(getattr(model, "_orig_mod", model), "_cache_config", None)


def forget_cache(model: Any) -> None:
    """What a call left that was cut off in its middle; the pipeline itself forgets at the end of a call."""
    if cache_of(model) is not None:
        getattr(model, "_orig_mod", model)._reset_stateful_cache()


@contextlib.contextmanager
def without_cache(model: Any) -> Iterator[None]:
    """For a moment a model, and each of its modules, computes every step whole.

    diffusers' caches know no step outside of a pipeline's call, and raise.
    """
    config, bare = cache_of(model), getattr(model, "_orig_mod", model)
    if config is None:
        yield
        return
    bare.disable_cache()
    try:
        yield
    finally:
        bare.enable_cache(config)


def install(pipe: Any, model: Any, stepwise: Stepwise) -> None:
    """Let it stand for the model's `forward`, and know when a call of the pipeline begins."""
    model.forward = stepwise
    prepare = pipe.prepare_latents
    # By the dictionary: a pipeline's `__setattr__` looks into its config first.
    vars(pipe)["prepare_latents"] = functools.partial(_preparing, pipe, stepwise, prepare)


def _preparing(pipe: Any, stepwise: Stepwise, prepare: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Each call prepares its latents once, when its schedule is known."""
    stepwise.begin(len(pipe.scheduler.timesteps))
    return prepare(*args, **kwargs)
