"""What of a pipeline is compiled, by which backend, and how another compiled form takes its place."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.quality.generation import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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

    def again(self, backend_of: Callable[[Any], Any]) -> Any:
        """The eager form compiled by another backend, which is made of this form's own.

        Raises `UnknownFormError`.
        """
        import torch

        own = _backend(self.compiled)
        eager = self.holder._call_impl if self.attribute == "_compiled_call_impl" else _eager(self.compiled)
        if own is None or eager is None:
            raise UnknownFormError(f"{self.name}: this torch does not tell how it was compiled")
        dynamic = getattr(own, "dynamic", None)
        return torch.compile(eager, backend=backend_of(own), dynamic=dynamic)


def _eager(compiled: Any) -> Any:
    return getattr(compiled, "_orig_mod", None) or getattr(compiled, "_torchdynamo_orig_callable", None)


def _backend(compiled: Any) -> Any:
    """The backend that `torch.compile` was given or made; None where this torch hides it elsewhere."""
    from torch._dynamo.eval_frame import innermost_backend

    context = getattr(compiled, "dynamo_ctx", None)
    held = [context] if context is not None else list(inspect.getclosurevars(compiled).nonlocals.values())
    for each in held:
        callback = getattr(each, "callback", each)
        if hasattr(callback, "_torchdynamo_orig_backend"):
            return innermost_backend(callback)
    return None


def forms_of(pipe: Any) -> list[Form]:
    """Everything in the pipeline's models that `torch.compile` made."""
    found = []
    for component in COMPONENTS:
        model = getattr(pipe, component, None)
        if model is None:
            continue
        if hasattr(model, "_orig_mod"):
            found.append(Form(component, "", pipe, component, model))
            model = model._orig_mod
        decode = model.__dict__.get("decode")
        if hasattr(decode, "_torchdynamo_orig_callable"):
            found.append(Form(component, "", model, "decode", decode))
        found += [
            Form(component, name, module, "_compiled_call_impl", module.__dict__["_compiled_call_impl"])
            for name, module in model.named_modules()
            if module.__dict__.get("_compiled_call_impl") is not None
        ]
    return found


@contextlib.contextmanager
def instead(form: Form, other: Any) -> Iterator[None]:
    """For a moment `other` is called where the compiled form was."""
    if form.attribute == "_compiled_call_impl":
        setattr(form.holder, form.attribute, other)
        try:
            yield
        finally:
            setattr(form.holder, form.attribute, form.compiled)
        return
    # By the dictionary: a pipeline's `__setattr__` would write the class into its config.
    holder = form.holder.__dict__ if form.attribute in form.holder.__dict__ else None
    assert holder is not None, f"{form.name} is not where it was found"
    holder[form.attribute] = other
    try:
        yield
    finally:
        holder[form.attribute] = form.compiled
