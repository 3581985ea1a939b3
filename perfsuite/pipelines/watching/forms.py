"""What of a pipeline is compiled, by which backend, and how another form takes its place."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.watching.stepwise import stepwise_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


IN_PLACE = "_compiled_call_impl"
"""Where a module that was compiled in place (`compile_repeated_blocks`, `module.compile`) holds its code."""


class UnknownFormError(ValueError):
    """Compiled code that cannot be compiled once more; the message says why."""


@dataclass(frozen=True)
class Form:
    """One compiled thing: a whole model, its method, or a module inside it."""

    component: str
    module: str
    """Qualified name inside the component; empty: the component itself."""
    holder: Any
    attribute: str
    """Of `holder`: where the compiled form is."""
    compiled: Any

    @property
    def name(self) -> str:
        """As ``unet.up_blocks.0``."""
        return f"{self.component}.{self.module}" if self.module else self.component

    @property
    def eager(self) -> Any:
        """What it was made of, to stand in its place; None in a module, which then runs its own code."""
        if self.attribute == IN_PLACE:
            return None
        whole = hasattr(self.compiled, "_orig_mod")
        return self.compiled._orig_mod if whole else self.compiled._torchdynamo_orig_callable

    def again(self, backend_of: Callable[[Any], Any]) -> Any:
        """The eager form compiled by another backend, which is made of this form's own.

        Raises `UnknownFormError`.
        """
        import torch

        own = _backend(self.compiled)
        if own is None:
            raise UnknownFormError(f"{self.name}: this torch does not tell how it was compiled")
        eager = self.holder._call_impl if self.attribute == IN_PLACE else self.eager
        return torch.compile(eager, backend=backend_of(own), dynamic=getattr(own, "dynamic", None))


def _backend(compiled: Any) -> Any:
    """The backend that `torch.compile` was given or made; None where this torch hides it elsewhere."""
    from torch._dynamo.eval_frame import innermost_backend

    context = getattr(compiled, "dynamo_ctx", None)
    if context is None and not inspect.isfunction(compiled):
        return None  # a package, which Dynamo had no part in
    held = [context] if context is not None else list(inspect.getclosurevars(compiled).nonlocals.values())
    for each in held:
        callback = getattr(each, "callback", each)
        if hasattr(callback, "_torchdynamo_orig_backend"):
            return innermost_backend(callback)
    return None


def forms_of(pipe: Any) -> list[Form]:
    """Everything in the pipeline's models that `torch.compile` made."""
    found = []
    for component in family_of(pipe).components:
        model: Any = getattr(pipe, component, None)
        if hasattr(model, "_orig_mod"):
            found.append(Form(component, "", pipe, component, model))
            model = model._orig_mod
        stepwise = stepwise_of(model) if hasattr(model, "__dict__") else None
        for part in stepwise.parts if stepwise is not None else ():
            function = getattr(stepwise, part)
            if hasattr(function, "_torchdynamo_orig_callable"):
                found.append(Form(component, "", stepwise, part, function))
        forward = getattr(model, "__dict__", {}).get("forward")
        if hasattr(forward, "_torchdynamo_orig_callable"):  # compiled ahead of time
            found.append(Form(component, "", model, "forward", forward))
        decode = getattr(model, "__dict__", {}).get("decode")
        if hasattr(decode, "_torchdynamo_orig_callable"):
            found.append(Form(component, "", model, "decode", decode))
        for name, module in model.named_modules() if hasattr(model, "named_modules") else ():
            compiled = vars(module).get(IN_PLACE)
            if compiled is not None:
                found.append(Form(component, name, module, IN_PLACE, compiled))
    return found


@contextlib.contextmanager
def instead(form: Form, other: Any) -> Iterator[None]:
    """For a moment `other` is called where the compiled form was."""
    # By the dictionary: a pipeline's `__setattr__` would write the class into its config.
    held = vars(form.holder)
    held[form.attribute] = other
    try:
        yield
    finally:
        held[form.attribute] = form.compiled
