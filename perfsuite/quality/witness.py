"""A second opinion on honest code: the same pipeline computed by other kernels.

What is honest is measured with the kernels that are on trial. A kernel that is wrong for everybody is wrong
there too, and takes the budgets along. The witness shares none with it: a half precision is imitated by
float32 arithmetic on weights and values that are rounded at the borders of modules, and modules of float32
itself are held to float64.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import NAMES
from perfsuite.pipelines.families import family_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS_IN_FLOAT32 = ("EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler")
"""Schedulers that raise half precision to float32 for their step: theirs can be computed without it."""
KEPT_BITS = {"tf32": 10}
"""Explicit bits of the mantissa of formats that torch has no dtype for."""


def rounder(precision: str) -> Callable[[Any], Any]:
    """A function that rounds a float32 tensor to what the precision can hold, in float32."""
    import torch

    if precision in KEPT_BITS:
        step = 1 << (23 - KEPT_BITS[precision])

        def cut(values: Any) -> Any:
            bits = values.contiguous().view(torch.int32)
            return ((bits + step // 2) & -step).view(torch.float32)

        return cut
    dtype = getattr(torch, NAMES[precision])
    least, narrow = torch.finfo(torch.float32).min, torch.finfo(dtype).min

    def rounded(values: Any) -> Any:
        # Masks hold the least float32, which no narrower type can.
        return values.to(dtype).float().masked_fill(values == least, narrow)

    return rounded


def round_weights(pipe: Any, precision: str) -> None:
    """Leave no weight of a float32 pipeline that the precision cannot hold.

    Before techniques are applied that store them in another form: of a bfloat16 pipeline they store those.
    """
    change = rounder(precision)
    for name in family_of(pipe).components:
        for parameter in getattr(pipe, name).parameters():
            parameter.data = change(parameter.data)


@contextlib.contextmanager
def imitating(pipe: Any, precision: str) -> Iterator[None]:
    """For a moment a float32 pipeline holds and passes only values of this precision.

    The weights stay rounded afterwards. A VAE that float16 decodes in float32 does so here, too. The
    scheduler computes in the precision itself: some do all of it in float32, others nothing.
    """
    import torch

    round_weights(pipe, precision)  # what techniques made of them, too
    with contextlib.ExitStack() as undoing:
        family = family_of(pipe)
        for name in family.components:
            model, change = getattr(pipe, name), rounder(precision)
            upcast = family.upcasts and name == family.decoder and precision == "fp16"
            if not (upcast and model.config.force_upcast):
                times = name == family.denoiser and family.spelling.casts
                _passing(undoing, model, change, least_dimensions=1 if times else 2)
        undoing.callback(_stepping(pipe.scheduler, getattr(torch, NAMES[precision])))
        undoing.enter_context(_rounding_attention(rounder(precision)))
        yield


def in_float64(module: Any, inputs: dict[str, Any]) -> Any:
    """What a module of a float32 pipeline gives when it computes in float64."""
    import torch

    if any(hasattr(each, "_diffusers_hook") for each in module.modules()):
        return module(*inputs["args"], **inputs["kwargs"])  # it casts its weights itself, to no other type
    module.double()
    try:
        given = _changed(inputs, lambda values: values.to(torch.float64))
        return module(*given["args"], **given["kwargs"])
    finally:
        module.float()  # exactly what it was


def _passing(undoing: contextlib.ExitStack, model: Any, change: Any, least_dimensions: int) -> None:
    """Change what the modules of a model are given, and what they give; times, of one dimension, where the
    pipeline gives them in its own precision."""
    of = functools.partial(_changed, change=change, least_dimensions=least_dimensions)

    def before(module: Any, args: Any, kwargs: Any) -> Any:
        return of(args), of(kwargs)

    def after(module: Any, args: Any, output: Any) -> Any:
        return of(output)

    for module in model.modules():
        undoing.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
        undoing.callback(module.register_forward_hook(after).remove)


def _changed(tree: Any, change: Callable[[Any], Any], least_dimensions: int = 2) -> Any:
    """The floating tensors of a tree changed; those of fewer dimensions (timesteps, sizes) stay float32."""
    import torch

    of = functools.partial(_changed, change=change, least_dimensions=least_dimensions)
    if isinstance(tree, torch.Tensor):
        return change(tree) if tree.is_floating_point() and tree.dim() >= least_dimensions else tree
    if type(tree) in (tuple, list):
        return type(tree)(map(of, tree))
    if type(tree) is dict:
        return {key: of(value) for key, value in tree.items()}
    if isinstance(tree, dict):  # a model output, which keeps its class
        for key in list(tree):
            tree[key] = of(tree[key])
    return tree


def _rounding_attention(change: Callable[[Any], Any]) -> Any:
    """A context in which scores and probabilities of attention, which pass no module, are rounded too."""
    import torch
    from torch.overrides import TorchFunctionMode

    inside = {torch.baddbmm, torch.bmm, torch.matmul, torch.Tensor.softmax, torch.nn.functional.softmax}

    class Rounding(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = func(*args, **(kwargs or {}))
            return _changed(found, change) if func in inside else found

    return Rounding()


def _stepping(scheduler: Any, dtype: Any) -> Callable[[], None]:
    """The scheduler is given values of this type, and its own are float32 again; returns what undoes it.

    One of `STEPS_IN_FLOAT32` is given float32 of such values, and its own are rounded: a step that is wrong
    in this type alone is no part of it.
    """
    step, aside = scheduler.step, type(scheduler).__name__ in STEPS_IN_FLOAT32

    def rounded(values: Any) -> Any:
        return values.to(dtype).float()

    def given_to(values: Any) -> Any:
        return rounded(values) if aside else values.to(dtype)

    @functools.wraps(step)  # pipelines ask for its parameters
    def stepping(*args: Any, **kwargs: Any) -> Any:
        given = [_changed(tree, given_to) for tree in (args, kwargs)]
        return _changed(step(*given[0], **given[1]), rounded)

    scheduler.step = stepping
    return lambda: scheduler.__dict__.pop("step")
