"""Every module inside the components alone, fed with what it was fed in float32.

A fault in one block drowns in the rounding of the whole UNet and stands out at that block. Inputs and
outputs are kept in a folder, one safetensors file a module, so that only one module's are in memory.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.pipelines.families import SDXL, Family, family_of
from perfsuite.pipelines.optimizations.evidence import eager
from perfsuite.pipelines.watching.stepwise import without_cache
from perfsuite.quality.generation import call_denoiser, call_encoder, call_vae, decoding
from perfsuite.quality.relative_errors import Errors, Place, QualityError, relative_l2, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from perfsuite.pipelines.technique import Context
    from perfsuite.quality.generation import Trace

DISK_BYTES = 6 << 30
"""Most bytes of recorded inputs and outputs; beyond it modules are left out, see `_affordable`."""
_SKIPPED = ("Dropout", "Identity")


@dataclass(frozen=True)
class ModuleRecord:
    """One call of one module in float32."""

    place: Place
    file: str
    """Below the reference's folder."""
    kind: str
    """Name of its class."""


@dataclass(frozen=True)
class _Call:
    component: str
    prompt: int
    step: int | None


def recorded_calls(traces: Sequence[Trace], family: Family = SDXL) -> list[_Call]:
    """Which component calls the modules are recorded in: each encoder, the VAE, an early and a late step."""
    last = len(traces) - 1
    steps = traces[0].steps
    calls = [_Call(name, 0, None) for name in family.encoders]
    early, late = steps // 6, steps - 1 - steps // 6
    calls.append(_Call(family.denoiser, 0, early))
    if late != early or last:
        calls.append(_Call(family.denoiser, last, late))
    return [*calls, _Call(family.decoder, 0, None)]


def _run(pipe: Any, context: Context, traces: Sequence[Trace], call: _Call) -> Any:
    trace = traces[call.prompt]
    family = family_of(pipe)
    if call.component == family.decoder:
        return call_vae(pipe, context, trace)
    if call.component == family.denoiser:
        assert call.step is not None
        return call_denoiser(pipe, context, trace, call.step)
    return call_encoder(pipe, context, trace, call.component)


class _Unknown(TypeError):
    """An argument of a type that cannot be stored."""


def _pack(tree: Any, tensors: list[Any]) -> Any:
    """`tree` as JSON, its tensors appended to `tensors` and named by number."""
    import torch

    if isinstance(tree, torch.Tensor):
        tensors.append(tree)
        return {"tensor": len(tensors) - 1}
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return {"value": tree}
    if type(tree) in (tuple, list):
        return {type(tree).__name__: [_pack(item, tensors) for item in tree]}
    if type(tree) is dict and all(isinstance(key, str) for key in tree):
        return {"dict": {key: _pack(value, tensors) for key, value in tree.items()}}
    raise _Unknown(type(tree).__name__)


def _unpack(packed: Any, tensors: dict[str, Any]) -> Any:
    ((kind, content),) = packed.items()
    if kind == "tensor":
        return tensors[f"input.{content}"]
    if kind == "value":
        return content
    if kind == "dict":
        return {key: _unpack(value, tensors) for key, value in content.items()}
    items = [_unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items


def _hooked(model: Any, heard: Callable[[str, Any, Any, Any], None], run: Callable[[], Any]) -> None:
    """Run, and tell name, arguments and output of the first call of every submodule."""
    handles = []
    seen: set[str] = set()

    def listener(name: str) -> Any:
        def hook(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            if name not in seen:
                seen.add(name)
                heard(name, args, kwargs, output)

        return hook

    try:
        for name, module in model.named_modules():
            if name and type(module).__name__ not in _SKIPPED:
                handles.append(module.register_forward_hook(listener(name), with_kwargs=True))
        run()
    finally:
        for handle in handles:
            handle.remove()


def record_modules(
    pipe: Any, context: Context, traces: Sequence[Trace], folder: Path, limit: int = DISK_BYTES
) -> list[ModuleRecord]:
    """Store what every module of the (eager) pipeline was given and gave, in the order of completion."""
    records: list[ModuleRecord] = []
    folder.mkdir(parents=True, exist_ok=True)
    calls = recorded_calls(traces, family_of(pipe))
    for call in calls:
        model = getattr(pipe, call.component)
        run = partial(_run, pipe, context, traces, call)
        classes = {name: type(module).__name__ for name, module in model.named_modules()}
        kept = _affordable(_sizes(model, run), limit // len(calls), classes)
        kinds = {name: kind for name, kind in classes.items() if name in kept}
        _hooked(model, partial(_store, call, kinds, folder, records), run)
    return records


def _sizes(model: Any, run: Callable[[], Any]) -> dict[str, int]:
    """Bytes of inputs and outputs of every module that ran."""
    sizes: dict[str, int] = {}

    def heard(name: str, args: Any, kwargs: Any, output: Any) -> None:
        sizes[name] = sum(t.numel() * t.element_size() for t in tensors_in([args, kwargs, output]))

    _hooked(model, heard, run)
    return sizes


def _affordable(sizes: Mapping[str, int], limit: int, classes: Mapping[str, str]) -> set[str]:
    """Names whose sizes sum up to no more than the limit.

    For three quarters of it outer modules first: they hold the inner ones. For the rest one of each class in
    turn, small ones first: an inner module's fault may drown in what holds it.
    """
    kept: set[str] = set()
    left = limit

    def take(names: Iterable[str], least: int) -> None:
        nonlocal left
        for name in names:
            if name not in kept and sizes[name] <= left - least:
                left -= sizes[name]
                kept.add(name)

    take(sorted(sizes, key=lambda n: n.count(".")), limit // 4)
    by_class: dict[str, list[str]] = defaultdict(list)
    for name in sorted(sizes, key=lambda n: sizes[n]):
        if name not in kept:
            by_class[classes[name]].append(name)
    for names in zip_longest(*by_class.values()):
        take((name for name in names if name is not None), 0)
    return kept


def _store(
    call: _Call, kinds: dict[str, str], folder: Path, records: list[ModuleRecord],
    name: str, args: Any, kwargs: Any, output: Any,
) -> None:  # fmt: skip
    from safetensors.torch import save_file

    tensors: list[Any] = []
    try:
        packed = _pack({"args": args, "kwargs": kwargs}, tensors)
    except _Unknown:
        return  # what holds it, and what it holds, are judged
    outputs = list(tensors_in(output))
    if name not in kinds or not outputs or not list(tensors_in(tensors)):
        return
    values = {f"input.{i}": t for i, t in enumerate(tensors)}
    values |= {f"output.{i}": t for i, t in enumerate(outputs)}
    file = f"{len(records):05}.safetensors"
    place = Place(call.component, name, call.prompt, call.step)
    save_file(
        {k: t.detach().to("cpu", copy=True).contiguous() for k, t in values.items()},
        folder / file,
        {"place": place.key, "inputs": json.dumps(packed)},
    )
    records.append(ModuleRecord(place, file, kinds[name]))


MOST_KEPT = 1 << 16
"""Elements up to which a variant's own argument is kept: masks and the like."""


@dataclass(frozen=True)
class _Shape:
    """Stands for a variant's own tensor that is too large to be kept."""

    shape: tuple[int, ...]
    dtype: Any


def _own(tree: Any) -> Any:
    """A variant's own arguments, large tensors by shape and dtype only."""
    import torch

    if isinstance(tree, torch.Tensor):
        if tree.numel() <= MOST_KEPT:
            return tree.detach().clone()
        return _Shape(tuple(tree.shape), tree.dtype)
    if type(tree) in (tuple, list):
        return type(tree)(_own(item) for item in tree)
    if type(tree) is dict:
        return {key: _own(value) for key, value in tree.items()}
    return tree


def _merged(recorded: Any, own: Any, context: Context) -> Any:
    """Float32's tensors in the variant's types; what is no tensor in both is the variant's.

    So a mask that one attention implementation is given and another makes itself stays its own matter.
    """
    import torch

    if isinstance(recorded, torch.Tensor):
        if isinstance(own, (torch.Tensor, _Shape)) and tuple(own.shape) == tuple(recorded.shape):
            return _fed(recorded, own.dtype, context)
        return own if own is None or isinstance(own, torch.Tensor) else _fed(recorded, None, context)
    if type(recorded) in (tuple, list) and type(own) is type(recorded) and len(own) == len(recorded):
        return type(recorded)(_merged(r, o, context) for r, o in zip(recorded, own, strict=True))
    if type(recorded) is dict and type(own) is dict:
        merged = {key: _merged(value, own.get(key), context) for key, value in recorded.items() if key in own}
        return {**merged, **{key: value for key, value in own.items() if key not in recorded}}
    return recorded if isinstance(own, _Shape) else own


def _holds_shape(tree: Any) -> bool:
    if isinstance(tree, (list, tuple)):
        return any(_holds_shape(item) for item in tree)
    if isinstance(tree, dict):
        return any(_holds_shape(item) for item in tree.values())
    return isinstance(tree, _Shape)


def _fed(tensor: Any, dtype: Any, context: Context) -> Any:
    """A recorded input in the type that the variant's own has; without one, in its precision."""
    import torch

    tensor = tensor.to(context.device.kind)
    if dtype is None:
        # One dimension: timesteps and sizes, which the pipeline itself keeps in float32.
        dtype = dtype_of(context.variant) if tensor.dim() > 1 else tensor.dtype
    if not tensor.is_floating_point() or not dtype.is_floating_point:
        return tensor
    limits = torch.finfo(dtype)
    if limits.bits <= torch.finfo(tensor.dtype).bits:
        # Masks hold the least float32; in a narrower type that would be -inf.
        tensor = tensor.clamp(limits.min, limits.max)
    return tensor.to(dtype)


def read_record(folder: Path, record: ModuleRecord) -> tuple[Any, list[Any]]:
    """Packed arguments with their tensors, and the output tensors, of a recorded call.

    Raises `QualityError` for a damaged file.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / record.file
    try:
        with safe_open(path, "pt") as stored:
            packed = json.loads(stored.metadata()["inputs"])
            names = stored.keys()
            values = {name: stored.get_tensor(name) for name in names}
        outputs = [values[f"output.{i}"] for i in range(sum(n.startswith("output.") for n in values))]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise QualityError(
            f"{path}: the recorded module is damaged ({error}); delete the folder {folder.parent} "
            f"and run again"
        ) from error
    return (packed, values), outputs


def _called(module: Any, inputs: dict[str, Any]) -> Any:
    return module(*inputs["args"], **inputs["kwargs"])


def measure_modules(
    pipe: Any, context: Context, traces: Sequence[Trace], folder: Path, records: Sequence[ModuleRecord],
    call: Callable[[Any, dict[str, Any]], Any] = _called,
) -> Errors:  # fmt: skip
    """Relative L2 error of every module on float32's inputs, in the order in which they complete.

    `call` gives what a module gives for ``args`` and ``kwargs``.

    The pipeline's not yet compiled form is looked at. Modules that the variant does not run (a
    projection that was fused) are left out: what holds them is judged.
    """
    import torch

    found: Errors = {}
    family = family_of(pipe)
    with eager(pipe), torch.no_grad(), decoding(pipe), without_cache(getattr(pipe, family.denoiser)):
        for component in family.components:
            of_component = [r for r in records if r.place.component == component]
            if not of_component:
                continue
            model = getattr(pipe, component)
            modules = dict(model.named_modules())
            of_rows: dict[int | None, dict[str, Any]] = {}
            for record in of_component:
                at = _Call(component, record.place.prompt, record.place.step)
                rows = _rows(traces, at)
                if rows not in of_rows:
                    of_rows[rows] = _own_arguments(model, partial(_run, pipe, context, traces, at))
                own = of_rows[rows]
                if record.place.part not in own:
                    continue
                (packed, values), wanted = read_record(folder, record)
                inputs = _merged(_unpack(packed, values), own[record.place.part], context)
                if _holds_shape(inputs):
                    continue  # it takes a tensor that float32 had not: what holds it is judged
                output = call(modules[record.place.part], inputs)
                # An implementation may return more beside its output, such as attention weights.
                given = list(tensors_in(output))[: len(wanted)]
                found[record.place] = relative_l2(given, wanted)
    return found


def _rows(traces: Sequence[Trace], call: _Call) -> int | None:
    """Samples that the denoiser is given in a call; where guidance ends, another call has fewer."""
    return None if call.step is None else int(traces[call.prompt]["rows"][call.step])


def _own_arguments(model: Any, run: Callable[[], Any]) -> dict[str, Any]:
    """What the variant itself gives to each module that it runs."""
    found: dict[str, Any] = {}

    def heard(name: str, args: Any, kwargs: Any, output: Any) -> None:
        found[name] = _own({"args": args, "kwargs": kwargs})

    _hooked(model, heard, run)
    return found
