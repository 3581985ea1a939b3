"""Operators and arithmetic of one eager generation with a single step, and the block that each ran in.

Eager, also for a compiled variant: what Inductor is given is then counted, whatever it makes of it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import decoder_part, eager, models
from perfsuite.structure.missing import NoCounterError, needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.pipelines.technique import Context

OUTSIDE = "the pipeline"
"""Owner of what runs in no module: guidance, scheduler, latents."""
_OWNERS = frozenset(
    {
        "Transformer2DModel",
        "Downsample2D",
        "Upsample2D",
        "TimestepEmbedding",
        "CLIPEncoderLayer",
        "PatchEmbed",
    }
)


def components(pipe: Any) -> dict[str, Any]:
    """The models of a pipeline by name, uncompiled, in the order in which they run."""
    found = {name: getattr(pipe, name, None) for name in family_of(pipe).encoders}
    return {**{name: model for name, model in found.items() if model is not None}, **models(pipe)}


def is_block(kind: str) -> bool:
    """Whether a class of this name is a part of the architecture that a person would name."""
    return "Block" in kind or kind in _OWNERS


class _Owners:
    """Which block is running: the innermost on the stack of modules."""

    def __init__(self) -> None:
        self._stack: list[str] = []

    @property
    def current(self) -> str:
        return self._stack[-1] if self._stack else OUTSIDE

    @contextlib.contextmanager
    def watch(self, roots: dict[str, Any], denoiser: str) -> Iterator[None]:
        """Follow all modules of these models while the block runs."""
        handles: list[Any] = []
        try:
            for root, model in roots.items():
                # The denoiser's are what nearly every question is about.
                suffix = "" if root == denoiser else f" of {root}"
                for module in model.modules():
                    handles.append(module.register_forward_pre_hook(self._enter(module, model, suffix)))
                    handles.append(module.register_forward_hook(self._leave))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: Any, model: Any, suffix: str) -> Any:
        kind = type(module).__name__
        # A part that is called by itself, as the VAE's decoder is, belongs to its model.
        own = kind if is_block(kind) or module is model else None
        root = type(model).__name__

        def enter(module: Any, args: Any) -> None:
            if own is None and self._stack:
                self._stack.append(self._stack[-1])
            else:
                self._stack.append((own or root) + suffix)

        return enter

    def _leave(self, module: Any, args: Any, output: Any) -> None:
        self._stack.pop()


def count_operators(pipe: Any, context: Context) -> tuple[dict[str, int], dict[str, int] | NoCounterError]:
    """Calls of each operator in each block, and floating point operations of each component.

    Operators are those that reach the device's own code: below autograd, after tensor subclasses such as
    torchao's were taken apart. Of each product, convolution and attention the arithmetic is counted by
    `torch.utils.flop_counter`; where this torch has none, its place holds the reason.

    Raises:
        NoCounterError: this torch has no dispatch modes.
    """
    with needed("operators"):
        from torch.utils._python_dispatch import TorchDispatchMode

    owners, found = _Owners(), Counter[str]()

    class CountOperators(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if types:  # a subclass takes itself apart first
                return NotImplemented
            found[f"{getattr(func, 'overloadpacket', func)} in {owners.current}"] += 1
            return func(*args, **(kwargs or {}))

    roots, family = components(pipe), family_of(pipe)
    flop = _flop_counter()
    within = contextlib.nullcontext() if isinstance(flop, NoCounterError) else flop
    # The decoder is called by itself.
    called = {**roots, family.decoder: decoder_part(pipe)}
    sums = dict.fromkeys(called, 0)
    # The operators' mode on top: the other one may take an operator apart, which runs it all the same.
    with eager(pipe), owners.watch(roots, family.denoiser), within, CountOperators():
        with contextlib.nullcontext() if isinstance(flop, NoCounterError) else _summing(flop, called, sums):
            context.generate(pipe, steps=1)
    if isinstance(flop, NoCounterError):
        return dict(found), flop
    return dict(found), {**sums, OUTSIDE: flop.get_total_flops() - sum(sums.values())}


@contextlib.contextmanager
def _summing(flop: Any, called: dict[str, Any], sums: dict[str, int]) -> Iterator[None]:
    """Add to `sums` what each model does in its calls; the counter's own sums are by class, and two text
    encoders may be of one."""
    begun: list[int] = []

    def leave(name: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            sums[name] += flop.get_total_flops() - begun.pop()

        return hook

    handles = []
    try:
        for name, model in called.items():
            handles.append(
                model.register_forward_pre_hook(lambda module, args: begun.append(flop.get_total_flops()))
            )
            handles.append(model.register_forward_hook(leave(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _flop_counter() -> Any:
    """torch's counter, with formulas for what this project's variants run and torch has none for."""
    try:
        with needed("floating point operations"):
            import torch
            from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
    except NoCounterError as error:
        return error

    def product(one: Any, other: Any, *args: Any, **kwargs: Any) -> int:
        return int(2 * one[0] * one[1] * other[1])

    def attention(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
        return int(sdpa_flop_count(query, key, value))

    formulas = {"_scaled_dot_product_flash_attention_for_cpu": attention, "_int_mm": product}
    known = {getattr(torch.ops.aten, n): f for n, f in formulas.items() if hasattr(torch.ops.aten, n)}
    return FlopCounterMode(display=False, custom_mapping=known)
