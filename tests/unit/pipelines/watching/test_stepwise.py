"""What stands for a model's forward is found, also below the hooks of others."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from perfsuite.pipelines.watching.stepwise import Stepwise, install, stepwise_of


class Doubled(Stepwise):
    """Stands for a forward."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.advance()
        return 2 * x


def moved(model: torch.nn.Module) -> None:
    """As a whole model is offloaded."""
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    add_hook_to_module(model, AlignDevicesHook())


def registered(model: torch.nn.Module) -> None:
    """As diffusers puts its own hooks on a model."""
    from diffusers.hooks import HookRegistry, ModelHook

    class Passing(ModelHook):
        def new_forward(self, module: Any, *args: Any, **kwargs: Any) -> Any:
            return self.fn_ref.original_forward(*args, **kwargs)

    HookRegistry.check_if_exists_or_initialize(model).register_hook(Passing(), "passing")


@pytest.mark.parametrize("hooks", [(), (moved,), (registered,), (moved, registered)])
def test_it_is_found_below_hooks(hooks: tuple[Callable[[torch.nn.Module], None], ...]) -> None:
    """And is what runs."""
    model, pipe = torch.nn.Identity(), SimpleNamespace(prepare_latents=lambda: None)
    stepwise = Doubled()
    install(pipe, model, stepwise)
    for put in hooks:
        put(model)
    assert stepwise_of(model) is stepwise
    assert model(torch.ones(1)).item() == 2.0


def test_a_forward_of_its_own_is_none() -> None:
    """With a hook or without, and where another function stands for it."""
    model = torch.nn.Identity()
    assert stepwise_of(model) is None
    moved(model)
    assert stepwise_of(model) is None
    model.forward = functools.wraps(model.forward)(lambda x: x)
    assert stepwise_of(model) is None
