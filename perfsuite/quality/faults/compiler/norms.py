"""Mistakes in group and layer norms."""

from __future__ import annotations

import operator
from typing import Any

from perfsuite.quality.faults.compiler.graphs import (
    ahead,
    behind,
    calls,
    chosen,
    exchange,
    modules,
    part,
    rolled,
    rounded,
    shape,
)
from perfsuite.quality.faults.compiler.mistake import Mistake, entering, entering_both, issue

MISTAKES: dict[str, Mistake] = {}
mistake, both = entering(MISTAKES), entering_both(MISTAKES)
TAIL = 4


def _statistics(graph: Any, axes: int) -> list[Any]:
    """Where group norms (two axes) or layer norms (one axis) take mean and variance."""
    return [n for n in calls(graph, "aten.var_mean") if len(n.args[1]) == axes]


@mistake("epsilons-times-1000", "every norm's epsilon is a thousand times too large", in_blocks=True)
def _epsilons(graph: Any) -> tuple[str, ...]:
    changed = []
    for node in calls(graph, "aten.rsqrt"):
        added = node.args[0]
        if str(added.target).startswith("aten.add") and isinstance(added.args[1], float):
            exchange(added, 1, 1000 * added.args[1])
            changed.append(node)
    return modules(changed)


def _without_tail(nodes: list[Any], dim: int, lost: int) -> tuple[str, ...]:
    for node in nodes:
        read = node.args[0]
        exchange(node, 0, part(ahead(node), read, dim, 0, shape(read)[dim] - lost))
    return modules(nodes)


@both(
    "group-norm-tail-lost",
    "one group norm leaves each group's last channel out of mean and variance",
    issue(196681),
)
def _group_norm_tail(graph: Any) -> tuple[str, ...]:
    wide = [n for n in _statistics(graph, 2) if shape(n.args[0])[2] > 1]
    return _without_tail(chosen(wide), 2, 1)


@mistake(
    "layer-norm-tail-lost",
    f"one layer norm leaves the last {TAIL} channels out of mean and variance",
    issue(196681),
    in_blocks=True,
)
def _layer_norm_tail(graph: Any) -> tuple[str, ...]:
    return _without_tail(chosen(_statistics(graph, 1), 0.25), 2, TAIL)


def _in_bf16(node: Any) -> None:
    """Mean and mean square, of which the variance is made, have the 8 bits of bfloat16."""
    import torch

    aten = torch.ops.aten
    axes = list(node.args[1])

    for output in [u for u in node.users if u.target is operator.getitem]:
        write = behind(output)
        mean = rounded(write, write(aten.mean.dim, node.args[0], axes, True))
        if output.args[1] == 0:
            squares = write(aten.mul.Tensor, node.args[0], node.args[0])
            square = rounded(write, write(aten.mean.dim, squares, axes, True))
            variance = write(aten.sub.Tensor, square, write(aten.mul.Tensor, mean, mean))
            write.instead(write(aten.clamp_min.default, variance, 0.0))
        else:
            write.instead(mean)


WELFORD = "https://github.com/pytorch/pytorch/pull/145061"


@both("group-norms-in-bf16", "every group norm takes its variance from sums kept in bfloat16", WELFORD)
def _group_norms_in_bf16(graph: Any) -> tuple[str, ...]:
    nodes = _statistics(graph, 2)
    for node in nodes:
        _in_bf16(node)
    return modules(nodes)


@mistake(
    "layer-norms-in-bf16",
    "every layer norm takes its variance from sums kept in bfloat16",
    WELFORD,
    in_blocks=True,
)
def _layer_norms_in_bf16(graph: Any) -> tuple[str, ...]:
    nodes = _statistics(graph, 1)
    for node in nodes:
        _in_bf16(node)
    return modules(nodes)


def _weight_of(node: Any) -> Any:
    """What a group norm's reciprocal deviation is multiplied with: its weights, a group a row."""
    for user in node.users:
        if str(user.target).startswith("aten.mul"):
            return next((a for a in user.args if a is not node and len(shape(a)) == 4), None)
    return None


@mistake(
    "group-norm-weights-shifted",
    "one group norm reads the weights of the next group",
    issue(175325),
)
def _weights_shifted(graph: Any) -> tuple[str, ...]:
    nodes = chosen([n for n in calls(graph, "aten.rsqrt") if _weight_of(n) is not None], 0.8)
    for node in nodes:
        weight = _weight_of(node)
        write = behind(weight)
        write.instead(rolled(write, weight, 1))
    return modules(nodes)
