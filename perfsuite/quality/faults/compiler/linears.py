"""Mistakes in matrix products, and in the int8 ones of quantized layers."""

from __future__ import annotations

from typing import Any

from perfsuite.quality.compiled.graph import module_of
from perfsuite.quality.faults.compiler.graphs import (
    ahead,
    behind,
    calls,
    chosen,
    exchange,
    modules,
    part,
    rolled,
    shape,
    summed_in_bf16,
)
from perfsuite.quality.faults.compiler.mistake import Mistake, entering, issue

MISTAKES: dict[str, Mistake] = {}
mistake = entering(MISTAKES)
FEATURES = 16
"""Summed in full precision by `linear-summed-in-bf16`, and lost by `linear-tail-lost`."""


def _in_block(node: Any) -> bool:
    """Whether it belongs to a transformer block, in the whole UNet or compiled alone."""
    name = f".{module_of(node)}."
    return any(step in name for step in (".attn1.", ".attn2.", ".ff."))


def _products(graph: Any) -> list[tuple[Any, int]]:
    """Matrix products of transformer blocks, each with the place of its first factor."""
    plain = [(n, 0) for n in calls(graph, "aten.mm.")]
    with_bias = [(n, 1) for n in calls(graph, "aten.addmm.")]
    return [(n, at) for n, at in (*plain, *with_bias) if _in_block(n)]


def _widest(graph: Any) -> list[tuple[Any, int]]:
    """Of the products with most terms the one in the middle."""
    products = dict(_products(graph))
    most = max((shape(n.args[at])[1] for n, at in products.items()), default=0)
    return [(n, products[n]) for n in chosen([n for n in products if shape(n.args[products[n]])[1] == most])]


@mistake(
    "linear-summed-in-bf16",
    f"the widest matrix product rounds its sum to bfloat16 after every {FEATURES} terms",
    issue(188998),
    in_blocks=True,
    without="int8",
)
def _summed_in_bf16(graph: Any) -> tuple[str, ...]:
    import torch

    found = _widest(graph)
    for node, at in found:
        write, (left, right), terms = behind(node), node.args[at : at + 2], [*node.args[:at]]
        for start in range(0, shape(left)[1], FEATURES):
            end = start + FEATURES
            pieces = part(write, left, 1, start, end), part(write, right, 0, start, end)
            terms.append(write(torch.ops.aten.mm.default, *pieces))
        write.instead(summed_in_bf16(write, terms, node))
    return modules([node for node, _ in found])


@mistake(
    "linear-tail-lost",
    f"the widest matrix product leaves its last {FEATURES} terms out",
    in_blocks=True,
    without="int8",
)
def _tail_lost(graph: Any) -> tuple[str, ...]:
    found = _widest(graph)
    for node, at in found:
        write = ahead(node)
        kept = shape(node.args[at])[1] - FEATURES
        exchange(node, at, part(write, node.args[at], 1, 0, kept))
        exchange(node, at + 1, part(write, node.args[at + 1], 0, 0, kept))
    return modules([node for node, _ in found])


@mistake("linear-bias-lost", "one linear layer leaves its bias out", in_blocks=True)
def _bias_lost(graph: Any) -> tuple[str, ...]:
    """In int8 layers the bias is a sum of its own."""
    import torch

    quantized = {module_of(n) for n in _quantized(graph)}
    added = [
        n for n in calls(graph, "aten.add.Tensor")
        if module_of(n) in quantized and getattr(n.args[1], "op", "") == "placeholder"
    ]  # fmt: skip
    nodes = chosen([n for n in (*calls(graph, "aten.addmm."), *added) if _in_block(n)], 0.8)
    for node in nodes:
        write = behind(node)
        write.instead(node.args[0] if node in added else write(torch.ops.aten.mm.default, *node.args[1:3]))
    return modules(nodes)


def _quantized(graph: Any) -> list[Any]:
    """Products of int8 matrices in transformer blocks."""
    return [n for n in calls(graph, "aten._int_mm") if _in_block(n)]


def _scalings(graph: Any, product: Any) -> dict[int, tuple[Any, Any]]:
    """By axis the multiplication that scales an int8 product's rows (0) or columns (1), and the scales."""
    rows, columns = shape(product)
    own = [n for n in calls(graph, "aten.mul.Tensor") if module_of(n) == module_of(product)]
    found = {}
    for node in own:
        if shape(node) == (rows, columns) and node.meta["val"].is_floating_point():
            scale = shape(node.args[1])
            if scale == (rows, 1):
                found[0] = (node, node.args[1])
            elif scale == (columns,):
                found[1] = (node, node.args[1])
    return found


@mistake(
    "int8-scales-of-the-neighbour",
    "one int8 layer scales each output channel by the next channel's scale",
    in_blocks=True,
    needs="int8",
)
def _scales_of_the_neighbour(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_quantized(graph))
    for node in nodes:
        scaling, scale = _scalings(graph, node)[1]
        exchange(scaling, 1, rolled(ahead(scaling), scale, 0))
    return modules(nodes)


@mistake(
    "int8-row-scale-of-the-first",
    "one int8 layer scales every row of its output by the first row's scale",
    issue(183986),
    in_blocks=True,
    needs="int8",
)
def _row_scale_of_the_first(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_quantized(graph), 0.25)
    for node in nodes:
        scaling, scale = _scalings(graph, node)[0]
        exchange(scaling, 1, part(ahead(scaling), scale, 0, 0, 1))
    return modules(nodes)


@mistake(
    "int8-scaled-by-tensor",
    "every int8 layer quantizes all rows of its input with the largest row's scale",
    in_blocks=True,
    needs="int8",
)
def _scaled_by_tensor(graph: Any) -> tuple[str, ...]:
    import torch

    nodes = _quantized(graph)
    for node in nodes:
        _, scale = _scalings(graph, node)[0]
        if str(scale.target).startswith("aten.view"):
            scale = scale.args[0]  # which the values were divided by, too
        write = behind(scale)
        largest = write(torch.ops.aten.amax.default, scale, list(range(len(shape(scale)) - 1)), True)
        write.instead(write(torch.ops.aten.expand.default, largest, list(shape(scale))))
    return modules(nodes)


@mistake(
    "int8-rounded-down",
    "every int8 layer drops the fraction of its input's values, in place of rounding",
    in_blocks=True,
    needs="int8",
)
def _rounded_down(graph: Any) -> tuple[str, ...]:
    import torch

    nodes = [n for n in calls(graph, "aten.round") if _in_block(n)]
    for node in nodes:
        node.target = torch.ops.aten.trunc.default
    return modules(nodes)


@mistake(
    "int8-scale-left-out",
    "one int8 layer's epilogue leaves the scales of its output channels out, all but their mean",
    "https://github.com/torch-spyre/torch-spyre/issues/4305",
    in_blocks=True,
    needs="int8",
)
def _scale_left_out(graph: Any) -> tuple[str, ...]:
    import torch

    nodes = chosen(_quantized(graph), 0.75)
    for node in nodes:
        scaling, scale = _scalings(graph, node)[1]
        exchange(scaling, 1, ahead(scaling)(torch.ops.aten.mean.dim, scale, [0], True))
    return modules(nodes)
