"""Dynamo's graph of a model: which of its values are tapped, and in which module each is computed."""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COMPUTING = (
    "conv1d", "conv2d", "conv3d", "linear", "scaled_dot_product_attention", "baddbmm", "bmm", "matmul",
    "addmm", "mm", "softmax",
)  # fmt: skip
"""Functions that a compiler hands to a library or to a template: it writes down what they take and give."""
JOINING = ("add", "truediv")
"""Functions by which residuals end: the sum, and what scales it."""
VIEWING = (
    "reshape", "view", "permute", "transpose", "chunk", "flatten", "unflatten", "unsqueeze", "squeeze",
    "expand", "getitem", "contiguous", "split", "unbind", "movedim", "to", "detach",
)  # fmt: skip
"""Functions that only look at what is there; a tap is put at what they look at."""
CHANGING = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.setitem)
"""Functions that write into their first argument and are not spelled with an underscore at their end."""
WITHOUT_END = 1 << 62
"""Bytes: more than any machine has."""
_SPELLING = ("L", "__dict__", "_modules", "_orig_mod")
"""Parts of Dynamo's names of modules that are no names of modules."""


@dataclass(frozen=True)
class Tap:
    """A value of the graph that is looked at."""

    name: str
    """Of its node."""
    module: str
    """Qualified name of the innermost module that computes it; empty: the model itself."""
    operation: str
    """The function that gives it, as ``conv2d``."""
    kind: str
    """Operation with the class of its module: such values are judged together."""
    dtype: str
    """Of its values, as ``bfloat16``."""
    size: int
    """Bytes."""


def operation_of(node: Any) -> str:
    """The plain name of what a node calls: ``conv2d``, ``add``."""
    if node.op == "call_method":
        return str(node.target)
    target = node.target
    return str(getattr(target, "__name__", target))


def _value(node: Any) -> Any:
    return node.meta.get("example_value", node.meta.get("val"))


def _is_tensor(node: Any) -> bool:
    import torch

    value = _value(node)
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def module_of(node: Any) -> str:
    """Qualified name, as of `named_modules`, of the innermost module around a node; may be empty."""
    stack = node.meta.get("nn_module_stack")
    return plain_name(list(stack.values())[-1][0]) if stack else ""


def _class_of(node: Any) -> str:
    """Name of that module's class."""
    stack = node.meta.get("nn_module_stack")
    kind = list(stack.values())[-1][1] if stack else ""
    return str(getattr(kind, "__name__", str(kind).rpartition(".")[2].strip("'>")))


def plain_name(where: str) -> str:
    """``L['self']._modules['up'][0].norm`` and its other spellings as ``up.0.norm``."""
    dotted = re.sub(r"\[['\"]?([^\]'\"]+)['\"]?\]", r".\1", where)
    parts = [part for part in dotted.split(".") if part not in _SPELLING]
    return ".".join(parts[1:] if parts and parts[0] in ("self", "fn", "mod") else parts)


def _passes_on(node: Any) -> bool:
    """Whether what it gives is what it is given: a view, or a dropout outside of training."""
    if operation_of(node) == "dropout":
        training = node.args[2] if len(node.args) > 2 else node.kwargs.get("training", True)
        return training is False
    return operation_of(node) in VIEWING


def _source(node: Any) -> Any:
    """What a chain of views looks at; None where it is an input or no floating tensor."""
    while node.op in ("call_function", "call_method") and _passes_on(node):
        first = node.args[0] if node.args else None
        if not hasattr(first, "op"):
            return None
        node = first
    return node if node.op in ("call_function", "call_method") and _is_tensor(node) else None


def _writes(node: Any) -> bool:
    name = operation_of(node)
    return (name.endswith("_") and not name.endswith("__")) or node.target in CHANGING


def is_written(node: Any) -> bool:
    """Whether something later writes into this value: what a tap gave would not be what was computed."""
    seen, left = set(), [node]
    while left:
        for user in left.pop().users:
            if user in seen:
                continue
            seen.add(user)
            if _writes(user) or user.kwargs.get("inplace") is True or "out" in user.kwargs:
                return True
            if _passes_on(user):
                left.append(user)
    return False


def _worth(graph: Any) -> Iterator[Any]:
    """Nodes whose values the compiled code writes to memory anyway: what libraries take and give, and sums
    that are read again later, as residuals and skip connections are."""
    for node in graph.nodes:
        if node.op not in ("call_function", "call_method"):
            continue
        if operation_of(node) in JOINING and len(node.users) > 1 and _is_tensor(node):
            yield node
        if operation_of(node) not in COMPUTING:
            continue
        for given in (*node.args, *node.kwargs.values()):
            source = _source(given) if hasattr(given, "op") else None
            if source is not None:
                yield source
        if _is_tensor(node):
            yield node
    for node in _outputs(graph):
        source = _source(node)
        if source is not None:
            yield source


def _outputs(graph: Any) -> list[Any]:
    found: list[Any] = []
    for node in graph.nodes:
        if node.op == "output":
            found += node.all_input_nodes
    return found


def taps_of(graph: Any, limit: int, without: Iterable[str] = ()) -> list[Tap]:
    """The taps of a graph in its order, of no more than `limit` bytes; one of every kind before a second.

    `without`: nodes that must not be tapped.
    """
    chosen = {node for node in _worth(graph) if node.name not in set(without) and not is_written(node)}
    found = []
    for node in graph.nodes:
        if node in chosen:
            value = _value(node)
            module, operation = module_of(node), operation_of(node)
            together = f"{operation} in {_class_of(node) or 'the model'}"
            dtype = str(value.dtype).removeprefix("torch.")
            size = int(value.numel()) * value.element_size()
            found.append(Tap(node.name, module, operation, together, dtype, size))
    return affordable(found, limit)


def affordable(taps: list[Tap], limit: int) -> list[Tap]:
    """Those that fit, one of each kind in turn, small ones first; in the order of the graph."""
    by_kind: dict[str, list[Tap]] = defaultdict(list)
    for tap in sorted(taps, key=lambda each: each.size):
        by_kind[tap.kind].append(tap)
    kept, left = set(), limit
    for row in zip_longest(*by_kind.values()):
        for tap in row:
            if tap is not None and tap.size <= left:
                kept.add(tap.name)
                left -= tap.size
    return [tap for tap in taps if tap.name in kept]
