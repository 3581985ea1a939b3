"""What flows between the modules of an eager generation: its dtypes and its memory layout."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import eager, some
from perfsuite.pipelines.optimizations.layout import lays_out
from perfsuite.pipelines.optimizations.precision import is_upcast
from perfsuite.records import StructureCheck
from perfsuite.structure.stacks import caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant

FLOAT32_MODULES = ("Timesteps", "FluxPosEmbed")
"""Classes that return float32 in every precision: diffusers casts what sinusoidal embeddings give, and what
is turned by rotary ones."""
LAYOUT_CHANGERS = ("Transformer2DModel",)
"""Classes whose own code ends in `.contiguous()` in diffusers: they give their tokens back as a picture."""
LARGE_BATCH = 64
"""From this batch on, diffusers' `Upsample2D` makes its input contiguous, for a limit of older kernels."""


def _floats(values: Any) -> list[Any]:
    import torch
    from torch.utils._pytree import tree_leaves

    return [v for v in tree_leaves(values) if isinstance(v, torch.Tensor) and v.is_floating_point()]


@dataclass
class _Flow:
    """Modules that are running, and what they took and gave."""

    running: list[tuple[str, Any]] = field(default_factory=list)
    """From the outermost to the innermost, with qualified names."""
    calls: list[tuple[str, str, frozenset[Any], frozenset[Any]]] = field(default_factory=list)
    """Name, class, dtypes of floating arguments and of results, in the order in which they ended."""
    _float32: list[Any] = field(default_factory=list)
    """What `FLOAT32_MODULES` gave, which others may take as it is."""

    @contextlib.contextmanager
    def hooked(self, pipe: Any) -> Iterator[None]:
        """Follow the modules of all components while the block runs."""
        handles = []
        for root in family_of(pipe).components:
            model = getattr(pipe, root, None)
            model = getattr(model, "_orig_mod", model)
            for name, module in model.named_modules() if model is not None else ():
                path = f"{root}.{name}" if name else root
                handles.append(module.register_forward_pre_hook(self._enter(path)))
                handles.append(module.register_forward_hook(self._leave, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, path: str) -> Any:
        return lambda module, args: self.running.append((path, module))

    def _leave(self, module: Any, args: Any, kwargs: Any, result: Any) -> None:
        path, _ = self.running.pop()
        kind, excepted = type(module).__name__, {id(v) for v in self._float32}
        took = frozenset(v.dtype for v in _floats((args, kwargs)) if v.dim() > 1 and id(v) not in excepted)
        gave = frozenset(v.dtype for v in _floats(result))
        self._float32 += _floats(result) if kind in FLOAT32_MODULES else ()
        self.calls.append((path, kind, took, gave))


def check_dtypes(prepared: Prepared) -> StructureCheck:
    """Every weight is in the variant's precision, and so is all that modules take and give.

    In one eager generation of two steps; text encoders, UNet and VAE. What is excepted: `FLOAT32_MODULES`,
    and a VAE that is up-cast on every call.
    """
    pipe, context = prepared.pipe, prepared.context
    flow, upcast, decoder = _Flow(), is_upcast(pipe), family_of(pipe).decoder
    with flow.hooked(pipe), eager(pipe):
        context.generate(pipe, steps=2)
    wanted = dtype_of(context.variant)
    problems: dict[str, None] = {}
    checked = 0
    culprits: set[str] = set()
    for path, kind, took, gave in flow.calls:
        dtype = dtype_of(("fp32",)) if upcast and path.startswith(decoder) else wanted
        if kind in FLOAT32_MODULES:
            continue
        checked += 1
        wrong = {d for d in took | gave if d != dtype}
        # A module that holds the culprit gives what the culprit gave.
        if wrong and not any(c.startswith(f"{path}.") for c in culprits):
            culprits.add(path)
            way = "returns" if gave - {dtype} else "is given"
            problems[f"{path} ({kind}) {way} {_names(wrong)}, wanted {_names({dtype})}"] = None
    facts = [f"{checked} calls of modules took and gave {_names({wanted})}"]
    if upcast:
        facts.append("the VAE took and gave float32, as its configuration asks")
    return StructureCheck("dtypes", tuple(facts), (*_weights(pipe, context, upcast), *list(problems)[:10]))


def _names(dtypes: Any) -> str:
    return " and ".join(sorted(str(d).removeprefix("torch.") for d in dtypes))


def _weights(pipe: Any, context: Any, upcast: bool) -> list[str]:
    from perfsuite.pipelines.optimizations.precision import wrong_parameters

    wrong = wrong_parameters(pipe, dtype_of(context.variant))
    return [f"{len(wrong)} weights of another dtype: {some(wrong)}"] if wrong else []


# -- layout ----------------------------------------------------------------------------------------


def _channels_last(tensor: Any) -> bool | None:
    """Whether a picture's channels are innermost; None where both layouts are the same memory."""
    import torch

    if tensor.dim() != 4 or tensor.shape[1] == 1 or tensor.shape[2:].numel() == 1:
        return None
    last = tensor.is_contiguous(memory_format=torch.channels_last)
    return None if last and tensor.is_contiguous() else last


def _is_view(made: Any, tensors: list[Any]) -> bool:
    return any(made.untyped_storage()._cdata == t.untyped_storage()._cdata for t in tensors)


def _plain(values: Any) -> list[Any]:
    import torch

    return [v for v in _floats(values) if type(v) in (torch.Tensor, torch.nn.Parameter)]


class _Layouts:
    """Operators that take pictures in channels_last alone and return a contiguous one."""

    def __init__(self, flow: _Flow, kind: str, models: tuple[str, ...]) -> None:
        """`models`: attributes of those that pictures pass: masks of text have four dimensions, too."""
        self._flow, self._models = flow, models
        self._cuda = kind == "cuda"
        self.convolutions = [0, 0]
        """All, and those whose input is channels_last."""
        self.lost: dict[str, None] = {}

    def operator(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """Look at one operator that ran."""
        name = func.__name__.partition(".")[0]
        if self._flow.running and self._flow.running[0][0].partition(".")[0] not in self._models:
            return
        tensors = _plain((args, kwargs))
        pictures = [c for c in map(_channels_last, tensors) if c is not None]
        if name == "convolution":
            self.convolutions[0] += 1
            self.convolutions[1] += _channels_last(tensors[0]) is not False
            return
        if not pictures or not all(pictures):
            return
        undone = [v for v in _plain(result) if _channels_last(v) is False and not _is_view(v, tensors)]
        if undone and not self._is_known(name, undone[0]):
            path, module = self._flow.running[-1] if self._flow.running else ("the pipeline", None)
            kind = f" ({type(module).__name__})" if module is not None else ""
            self.lost[f"{path}{kind}: aten.{name} makes {tuple(undone[0].shape)} contiguous: {caller()}"] = (
                None
            )

    def _is_known(self, name: str, made: Any) -> bool:
        kind = type(self._flow.running[-1][1]).__name__ if self._flow.running else ""
        if kind == "Upsample2D":
            return bool(made.shape[0] >= LARGE_BATCH)
        # CUDA's kernel for it knows the contiguous layout only, and torch copies for it beforehand; compiled
        # code does without.
        return kind in LAYOUT_CHANGERS or (
            self._cuda and (kind == "GroupNorm" or name == "native_group_norm")
        )


def why_no_layout(variant: Variant) -> str | None:
    """Why a variant has no layout to keep, None if it has."""
    if lays_out(variant):
        return None
    return f"{variant.name} does not use channels_last"


def check_layout(prepared: Prepared) -> StructureCheck:
    """channels_last is kept on the way through UNet and VAE decoder, not only set on their weights.

    In one eager generation of one step. Each operator that is given pictures in channels_last must return
    them so; what diffusers itself undoes is excepted (`LAYOUT_CHANGERS`).
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    pipe, context = prepared.pipe, prepared.context
    reason = why_no_layout(context.variant)
    if reason is not None:
        return StructureCheck("layout", (), skipped=reason)
    flow = _Flow()
    layouts = _Layouts(flow, context.device.kind, family_of(pipe).models)

    class Watch(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if any(t not in (torch.Tensor, torch.nn.Parameter) for t in types):
                return NotImplemented  # a quantized tensor takes itself apart first
            result = func(*args, **(kwargs or {}))
            layouts.operator(func, args, kwargs or {}, result)
            return result

    with flow.hooked(pipe), eager(pipe), Watch():
        context.generate(pipe, steps=1)
    every, right = layouts.convolutions
    fact = f"{right} of {every} convolutions are given channels_last, {len(layouts.lost)} operators undo it"
    return StructureCheck("layout", (fact,), tuple(layouts.lost))
