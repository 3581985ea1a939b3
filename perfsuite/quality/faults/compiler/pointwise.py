"""Mistakes in what is fused around convolutions and matrix products: sums, activations, embeddings."""

from __future__ import annotations

import operator
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
    rounded,
    shape,
)
from perfsuite.quality.faults.compiler.mistake import Mistake, entering, entering_both, issue

MISTAKES: dict[str, Mistake] = {}
mistake, both = entering(MISTAKES), entering_both(MISTAKES)


def _residuals(graph: Any) -> list[Any]:
    """Sums of two pictures of one shape, neither of which is broadcast."""
    return [
        n for n in calls(graph, "aten.add.Tensor")
        if len(shape(n)) == 4 and all(shape(a) == shape(n) for a in n.args[:2]) and "resnets" in module_of(n)
        and "norm" not in module_of(n)
    ]  # fmt: skip


@both(
    "residual-reads-one-twice",
    "one residual block adds its convolution to itself: the other picture's memory was given away",
    issue(183575),
)
def _reads_one_twice(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_residuals(graph))
    for node in nodes:
        exchange(node, 0, node.args[1])
    return modules(nodes)


@mistake("residual-left-out", "one residual block returns what its convolutions give, without its input")
def _residual_left_out(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_residuals(graph), 0.2)
    for node in nodes:
        behind(node).instead(node.args[1])
    return modules(nodes)


def _activations(graph: Any) -> list[Any]:
    """SiLUs of pictures: the numbers divided by one and an exponential."""
    return [
        n for n in calls(graph, "aten.div.Tensor")
        if len(shape(n)) == 4 and hasattr(n.args[1], "args")
        and any("aten.exp" in str(getattr(a, "target", "")) for a in n.args[1].args)
    ]  # fmt: skip


@both("activation-left-out", "one SiLU behind a norm is left out")
def _activation_left_out(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_activations(graph), 0.7)
    for node in nodes:
        behind(node).instead(node.args[0])
    return modules(nodes)


def _embedded(graph: Any) -> list[Any]:
    """Where a row of channels is added to all pixels of its picture."""
    return [
        n for n in calls(graph, "aten.add.Tensor")
        if len(shape(n)) == 4 and shape(n)[0] > 1 and "norm" not in module_of(n)
        and shape(n.args[1]) == (*shape(n)[:2], 1, 1) and shape(n)[2] > 1
    ]  # fmt: skip


@mistake(
    "embedding-of-the-first",
    "one residual block adds the first picture's embedding to every picture of the batch",
    issue(183986),
)
def _embedding_of_the_first(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_embedded(graph), 0.3)
    for node in nodes:
        exchange(node, 1, part(ahead(node), node.args[1], 0, 0, 1))
    return modules(nodes)


@mistake(
    "skip-joined-in-reverse",
    "one skip connection is put before the picture that it is joined with, not behind it",
    issue(99686),
)
def _skip_joined_in_reverse(graph: Any) -> tuple[str, ...]:
    joins = [n for n in calls(graph, "aten.cat") if len(shape(n)) == 4]
    nodes = chosen([n for n in joins if "up_blocks" in module_of(n)])
    for node in nodes:
        exchange(node, 0, list(reversed(node.args[0])))
    return modules(nodes)


def _gates(graph: Any) -> list[Any]:
    """Where feed-forwards halve what they computed."""
    return [n for n in calls(graph, "aten.split") if "ff." in f"{module_of(n)}."]


@mistake(
    "gate-swapped",
    "one feed-forward takes its gate for its values, and its values for its gate",
    issue(99686),
    in_blocks=True,
)
def _gate_swapped(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_gates(graph), 0.2)
    for node in nodes:
        for user in [u for u in node.users if u.target is operator.getitem]:
            exchange(user, 1, 1 - user.args[1])
    return modules(nodes)


@mistake(
    "gelu-by-tanh",
    "every feed-forward's GELU is the approximation by tanh",
    in_blocks=True,
)
def _gelu_by_tanh(graph: Any) -> tuple[str, ...]:
    import torch

    aten = torch.ops.aten
    nodes = calls(graph, "aten.erf")
    for node in nodes:
        write = behind(node)
        x = write(aten.mul.Tensor, node.args[0], 2**0.5)
        cubed = write(aten.mul.Tensor, write(aten.mul.Tensor, x, x), x)
        bent = write(aten.add.Tensor, x, write(aten.mul.Tensor, cubed, 0.044715))
        write.instead(write(aten.tanh.default, write(aten.mul.Tensor, bent, (2 / torch.pi) ** 0.5)))
    return modules(nodes)


@mistake(
    "frequencies-in-bf16",
    "the frequencies of the timestep's embedding are rounded to bfloat16",
    issue(105827),
)
def _frequencies_in_bf16(graph: Any) -> tuple[str, ...]:
    nodes = [n for n in calls(graph, "aten.exp") if module_of(n) == "time_proj"]
    for node in nodes:
        write = behind(node)
        write.instead(rounded(write, node))
    return modules(nodes)
