"""How an FX graph is read and changed before Inductor lowers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.quality.compiled.graph import module_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def calls(graph: Any, name: str) -> list[Any]:
    """Calls of the operators whose name begins so, as in ``aten.convolution``."""
    return [n for n in graph.nodes if n.op == "call_function" and str(n.target).startswith(name)]


def shape(node: Any) -> tuple[int, ...]:
    """Of the tensor that a node gives; empty where it gives none."""
    return tuple(getattr(getattr(node, "meta", {}).get("val"), "shape", ()))


def chosen(nodes: Sequence[Any], share: float = 0.5) -> list[Any]:
    """The one at this share of all by name of module, by default in the middle, or none.

    Not by place in the graph: further outputs of the same graph put it in another order.
    """
    ordered = sorted(nodes, key=lambda node: (module_of(node), node.name))
    return ordered[int(share * len(ordered)) :][:1]


def modules(nodes: Sequence[Any]) -> tuple[str, ...]:
    """Names of their modules, each once."""
    return tuple(dict.fromkeys(module_of(node) for node in nodes))


class Writer:
    """Inserts calls, one behind the other, that belong to the module of one node.

    Lowering goes by what a node says of its tensor, so each new node says it.
    """

    def __init__(self, node: Any, before: Any) -> None:
        self._node, self._before = node, before
        self._written: set[Any] = set()

    def __call__(self, op: Any, *args: Any, **kwargs: Any) -> Any:
        import torch

        graph = self._node.graph
        with graph.inserting_before(self._before):
            new = graph.call_function(op, args, kwargs)
        new.meta = {k: v for k, v in self._node.meta.items() if k in ("nn_module_stack", "stack_trace")}
        given = torch.fx.map_arg((args, kwargs), lambda n: n.meta["val"])
        new.meta["val"] = op(*given[0], **given[1])
        self._written.add(new)
        return new

    def instead(self, made: Any) -> None:
        """Whoever read the node reads this one; a node that nobody reads any more is gone."""
        self._node.replace_all_uses_with(made, delete_user_cb=lambda user: user not in self._written)
        if not self._node.users:
            self._node.graph.erase_node(self._node)


def ahead(node: Any) -> Writer:
    """Writes in front of a node, whose arguments can then be exchanged."""
    return Writer(node, node)


def behind(node: Any) -> Writer:
    """Writes behind a node."""
    return Writer(node, node.next)


def exchange(node: Any, index: int, argument: Any) -> None:
    """Give the node another argument."""
    node.update_arg(index, argument)


def part(write: Writer, node: Any, dim: int, start: int, end: int) -> Any:
    """Elements from `start` to before `end` along one axis."""
    import torch

    return write(torch.ops.aten.slice.Tensor, node, dim, start, end)


def joined(write: Writer, nodes: Sequence[Any], dim: int) -> Any:
    """Tensors, one behind the other along one axis."""
    import torch

    return write(torch.ops.aten.cat.default, list(nodes), dim)


def rolled(write: Writer, node: Any, dim: int) -> Any:
    """Each element along one axis is its neighbour's, the last the first's."""
    size = shape(node)[dim]
    return joined(write, (part(write, node, dim, 1, size), part(write, node, dim, 0, 1)), dim)


def rounded(write: Writer, node: Any) -> Any:
    """A float32 tensor's values, rounded to the 8 bits of bfloat16.

    By Veltkamp's splitting: Inductor drops a pair of conversions, as a needless one.
    """
    import torch

    aten = torch.ops.aten
    spread = write(aten.mul.Tensor, node, float(2**16 + 1))
    return write(aten.sub.Tensor, spread, write(aten.sub.Tensor, spread, node))


def cast(write: Writer, node: Any, like: Any) -> Any:
    """The tensor in the precision of another, float32 for None."""
    import torch

    dtype = torch.float32 if like is None else like.meta["val"].dtype
    return write(torch.ops.prims.convert_element_type.default, node, dtype)


def summed_in_bf16(write: Writer, terms: Sequence[Any], like: Any) -> Any:
    """The terms' sum as it is where terms and sum have the 8 bits of bfloat16 at each step."""
    import torch

    total = None
    for term in terms:
        each = rounded(write, cast(write, term, None))
        total = each if total is None else rounded(write, write(torch.ops.aten.add.Tensor, total, each))
    return cast(write, total, like)
