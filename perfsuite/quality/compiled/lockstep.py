"""A graph run twice beside what compiled code gave: in its own precision, and exactly."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from perfsuite.device.failures import out_of_memory, sticky
from perfsuite.device.state import Tf32
from perfsuite.quality.compiled.graph import is_written, module_of, operation_of
from perfsuite.quality.relative_errors import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from perfsuite.quality.compiled.graph import Tap

ROUNDING = ("half", "bfloat16", "float", "double")
"""Methods that change the type alone: exactly, nothing is rounded."""


def _exact_type(values: Sequence[Any]) -> Any:
    """Float32 for a graph that computes in half precision, float64 for one in float32."""
    import torch

    half = (torch.bfloat16, torch.float16)
    return torch.float32 if any(getattr(v, "dtype", None) in half for v in values) else torch.float64


def _exactly(value: Any, exact: Any) -> Any:
    """A value, or a type, as it is computed with exactly."""
    import torch

    if isinstance(value, torch.dtype):
        return exact if value.is_floating_point else value
    if not isinstance(value, torch.Tensor):
        return value
    if hasattr(value, "dequantize") and type(value) not in (torch.Tensor, torch.nn.Parameter):
        value = value.dequantize()
    return value.to(exact) if value.is_floating_point() else value


def _run(node: Any, values: Mapping[Any, Any], module: Any, convert: Callable[[Any], Any]) -> Any:
    from torch.fx.node import map_aggregate, map_arg

    def fetched(argument: Any) -> Any:
        return map_aggregate(map_arg(argument, values.__getitem__), convert)

    args, kwargs = fetched(node.args), fetched(node.kwargs)
    if node.op == "call_function":
        return node.target(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], node.target)(*args[1:], **kwargs)
    return module.get_submodule(node.target)(*args, **kwargs)


def _run_exactly(node: Any, values: Mapping[Any, Any], module: Any, exact: Any) -> Any:
    from torch.fx.node import map_aggregate

    if node.op == "call_method" and node.target in ROUNDING:
        return values[node.args[0]].to(exact)
    found = _run(node, values, module, lambda value: _exactly(value, exact))
    return map_aggregate(found, lambda value: _exactly(value, exact))


def _attribute(module: Any, name: str) -> Any:
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _last_uses(graph: Any) -> dict[Any, list[Any]]:
    """By node, what no node after it needs."""
    last: dict[Any, Any] = {}
    for node in graph.nodes:
        last[node] = node
        for used in node.all_input_nodes:
            last[used] = node
    found: dict[Any, list[Any]] = {}
    for node, user in last.items():
        found.setdefault(user, []).append(node)
    return found


@contextlib.contextmanager
def _without_tf32() -> Iterator[None]:
    before = Tf32.take()
    before.strict().put()
    try:
        yield
    finally:
        before.put()


class NotComparableError(RuntimeError):
    """An operation that cannot be run outside of the compiled code; the message names it."""


@contextlib.contextmanager
def _named(node: Any) -> Iterator[None]:
    """Say which operation failed, unless it was for want of memory or the device was lost."""
    try:
        yield
    except Exception as error:
        if out_of_memory(error) is not None or sticky(error) is not None:
            raise
        said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        where = module_of(node) or "the model"
        raise NotComparableError(
            f"not looked into beyond {operation_of(node)} in {where}, which cannot be run alone ({said})"
        ) from error


def walk(
    module: Any, inputs: Sequence[Any], taps: Sequence[Tap], given: Sequence[Any]
) -> Iterator[tuple[float, float]]:
    """Compare what compiled code gave at each tap with what eager code gives there from the taps before.

    `module`: Dynamo's graph module. `inputs`: what the compiled code was called with. `given`: a tensor a
    tap. Of each tap two relative L2 errors from the exact value: the compiled code's, and that of eager code
    in the graph's own precision.
    """
    import torch

    graph = module.graph
    exact = _exact_type([*inputs, *given])
    at = {tap.name: value for tap, value in zip(taps, given, strict=True)}
    done = _last_uses(graph)
    left = iter(inputs)
    plain: dict[Any, Any] = {}
    precise: dict[Any, Any] = {}
    with torch.no_grad():
        for node in graph.nodes:
            if node.op == "output":
                break
            if node.op in ("placeholder", "get_attr"):
                value = next(left) if node.op == "placeholder" else _attribute(module, node.target)
                # Made exact where it is used, for weights are large; now if something writes into it.
                exactly = _exactly(value, exact).clone() if is_written(node) else value
                plain[node], precise[node] = value, exactly
            else:
                with _named(node):
                    plain[node] = _run(node, plain, module, lambda value: value)
                    with _without_tf32():
                        precise[node] = _run_exactly(node, precise, module, exact)
            if node.name in at:
                value = at[node.name]
                yield error_of(value, precise[node]), error_of(plain[node], precise[node])
                plain[node], precise[node] = value, _exactly(value, exact)
            for used in done.get(node, ()):
                plain.pop(used, None)
                precise.pop(used, None)
