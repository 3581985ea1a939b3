"""How a `verify` looks at a pipeline: what ran, in one short generation, with nothing compiled."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.watching.forms import IN_PLACE, forms_of, instead
from perfsuite.pipelines.watching.stepwise import stepwise_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.pipelines.technique import Context


class NotEngagedError(AssertionError):
    """An optimization was applied, but the pipeline does not behave as if it had been."""


@dataclass(frozen=True)
class Observation:
    """What one short eager generation did inside denoiser and decoder."""

    sdpa_calls: int
    """Calls of `torch.nn.functional.scaled_dot_product_attention`."""
    attention_calls: int
    """Calls of attention modules, whatever their implementation."""
    modules_run: frozenset[str]
    """Qualified names (``unet.…``, ``transformer.…``, ``vae.…``) of the modules whose forward ran."""
    dtypes: frozenset[str]
    """Of the floating tensors that denoiser and decoder returned."""
    sdpa_of: dict[str, int] = field(default_factory=dict)
    """`sdpa_calls` of one forward by model: ``unet`` or ``transformer``, and ``vae``."""


def models(pipe: Any) -> dict[str, Any]:
    """The two models that optimizations change, uncompiled: denoiser, then decoder, by their attributes."""
    found = {name: getattr(pipe, name) for name in family_of(pipe).models}
    return {name: getattr(model, "_orig_mod", model) for name, model in found.items()}


def decoder_part(pipe: Any) -> Any:
    """The module of the decoding model that decodes: its encoder takes no part in a generation."""
    return getattr(pipe, family_of(pipe).decoder).decoder


def is_compiled(model: Any) -> bool:
    """True for a compiled module, for one that holds modules which were compiled in place, and for one whose
    forward was compiled ahead of time."""
    modules = model.modules() if hasattr(model, "modules") else ()
    in_place = any(vars(module).get(IN_PLACE) is not None for module in modules)
    forward = getattr(model, "__dict__", {}).get("forward")
    ahead = hasattr(forward, "_torchdynamo_orig_callable")
    return hasattr(model, "_orig_mod") or in_place or ahead or compiled_parts_of(model) > 0


def compiled_parts_of(model: Any) -> int:
    """How many functions that stand for its forward are compiled, see `Stepwise`."""
    stepwise = stepwise_of(model) if hasattr(model, "__dict__") else None
    functions = [] if stepwise is None else [getattr(stepwise, part) for part in stepwise.parts]
    return sum(hasattr(function, "_torchdynamo_orig_callable") for function in functions)


@contextlib.contextmanager
def eager(pipe: Any) -> Iterator[None]:
    """Put what is not compiled in place for a moment.

    Hooks and function modes do not see inside compiled code, and would make it compile again.
    """
    with contextlib.ExitStack() as stack:
        for form in forms_of(pipe):
            stack.enter_context(instead(form, form.eager))
        yield


def attention_modules(pipe: Any) -> dict[str, Any]:
    """Every attention module of denoiser and decoder by qualified name."""
    family = family_of(pipe)
    return {
        f"{root}.{name}": module
        for root, model in models(pipe).items()
        for name, module in model.named_modules()
        if family.is_attention(module)
    }


def observe(pipe: Any, context: Context) -> Observation:
    """Generate with one denoising step, eagerly, and report what ran.

    The VAE's encoder takes no part in generation, so its modules never appear.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    inside: list[str] = []
    sdpa_of: dict[str, list[int]] = {}
    ran: list[str] = []
    dtypes: set[str] = set()

    class CountAttention(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if inside and func is torch.nn.functional.scaled_dot_product_attention:
                sdpa_of[inside[-1]][-1] += 1
            return func(*args, **(kwargs or {}))

    def note(name: str) -> Any:
        return lambda module, args, output: ran.append(name)

    def enter(root: str) -> Any:
        def entering(module: Any, args: Any) -> None:
            inside.append(root)
            sdpa_of.setdefault(root, []).append(0)

        return entering

    def leave(module: Any, args: Any, output: Any) -> None:
        inside.pop()
        first = output[0] if isinstance(output, tuple) else getattr(output, "sample", output)
        dtypes.add(str(first.dtype))

    handles = []
    roots, family = models(pipe), family_of(pipe)
    entered = ((family.denoiser, roots[family.denoiser]), (family.decoder, decoder_part(pipe)))
    try:
        for root, model in roots.items():
            for name, module in model.named_modules():
                if name:
                    handles.append(module.register_forward_hook(note(f"{root}.{name}")))
        for root, module in entered:
            handles.append(module.register_forward_pre_hook(enter(root)))
            handles.append(module.register_forward_hook(leave))
        with eager(pipe), CountAttention():
            context.generate(pipe, steps=1)
    finally:
        for handle in handles:
            handle.remove()
    attentions = set(attention_modules(pipe))
    return Observation(
        sdpa_calls=sum(map(sum, sdpa_of.values())),
        attention_calls=sum(name in attentions for name in ran),
        modules_run=frozenset(ran),
        dtypes=frozenset(dtypes),
        sdpa_of={root: _of_one_pass(roots[root], passes) for root, passes in sdpa_of.items()},
    )


def _of_one_pass(model: Any, passes: list[int]) -> int:
    """Some schedulers call the denoiser more than once in one step, and tiles and slices the decoder; where
    passes differ, all of them. What spares some steps a part does the first one whole."""
    alike = len(set(passes)) == 1 or stepwise_of(model) is not None
    return passes[0] if alike else sum(passes)


class Heard(Exception):
    """Carries the arguments of the first call of a UNet out of a pipeline, which ends there."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.given, self.named = args, kwargs


def first_call(pipe: Any, context: Context) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How the pipeline calls its UNet, without the call."""

    def entering(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        raise Heard(args, kwargs)

    handle = models(pipe)["unet"].register_forward_pre_hook(entering, with_kwargs=True)
    try:
        context.generate(pipe, steps=1)
    except Heard as heard:
        return heard.given, heard.named
    finally:
        handle.remove()
        stepwise = stepwise_of(models(pipe)["unet"])
        if stepwise is not None:
            stepwise.end()  # the call that was heard never did
    raise NotEngagedError("the pipeline did not call its UNet")


def some(names: list[str], limit: int = 3) -> str:
    """The first few of many names, for a message."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
