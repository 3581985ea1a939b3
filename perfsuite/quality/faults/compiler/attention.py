"""Mistakes in attentions."""

from __future__ import annotations

import operator
from typing import Any

from perfsuite.quality.faults.compiler.graphs import (
    ahead,
    behind,
    calls,
    chosen,
    exchange,
    joined,
    modules,
    part,
    shape,
)
from perfsuite.quality.faults.compiler.mistake import Mistake, entering, issue

MISTAKES: dict[str, Mistake] = {}
mistake = entering(MISTAKES)
VECTOR = 16
"""Numbers that a vector register of AVX-512 holds in float32."""
QUERY, KEY, VALUE = 0, 1, 2


def attentions(graph: Any) -> list[Any]:
    """Fused attentions, whichever kernel was chosen."""
    return calls(graph, "aten._scaled_dot_product")


def _scale(nodes: list[Any], factor: float) -> tuple[str, ...]:
    for node in nodes:
        honest = node.kwargs.get("scale") or shape(node.args[QUERY])[-1] ** -0.5
        node.kwargs = {**node.kwargs, "scale": factor * honest}
    return modules(nodes)


@mistake("one-attention-scale-doubled", "one attention takes twice its scale", issue(174049), in_blocks=True)
def _scale_doubled(graph: Any) -> tuple[str, ...]:
    return _scale(chosen(attentions(graph)), 2.0)


@mistake("attention-scales-off-by-2-percent", "every attention's scale is 2 % too large", in_blocks=True)
def _scales_off(graph: Any) -> tuple[str, ...]:
    return _scale(attentions(graph), 1.02)


mistake(
    "decoder-attention-scale-doubled",
    "the decoder's attention takes twice its scale",
    issue(174049),
    of="vae",
)(_scale_doubled)


def _cross(graph: Any) -> list[Any]:
    """Attentions with a number of keys that is no multiple of the vector."""
    return [n for n in attentions(graph) if shape(n.args[KEY])[2] % VECTOR]


@mistake(
    "attention-keys-tail-lost",
    f"one cross-attention looks at whole vectors of {VECTOR} keys alone, not at those that are left",
    issue(196681),
    in_blocks=True,
)
def _keys_tail_lost(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_cross(graph), 0.1)
    for node in nodes:
        write = ahead(node)
        for index in (KEY, VALUE):
            count = shape(node.args[index])[2]
            exchange(node, index, part(write, node.args[index], 2, 0, count - count % VECTOR))
    return modules(nodes)


@mistake(
    "attention-mask-lost",
    "one cross-attention, padded to whole vectors with zeros, has lost the mask of the padding",
    "https://github.com/torch-spyre/torch-spyre/issues/4517",
    in_blocks=True,
)
def _mask_lost(graph: Any) -> tuple[str, ...]:
    import torch

    nodes = chosen(_cross(graph), 0.9)
    for node in nodes:
        write = ahead(node)
        for index in (KEY, VALUE):
            missing = -shape(node.args[index])[2] % VECTOR
            first = part(write, node.args[index], 2, 0, missing)
            zeros = write(torch.ops.aten.mul.Tensor, first, 0.0)
            exchange(node, index, joined(write, (node.args[index], zeros), 2))
    return modules(nodes)


@mistake(
    "attention-weights-above-one",
    "one attention's softmax leaves the last key out of its sum: the weights add up to more than one",
    issue(101039),
    in_blocks=True,
)
def _weights_above_one(graph: Any) -> tuple[str, ...]:
    """Values of one, of zero for the last key, give the sum that is divided by."""
    import torch

    aten = torch.ops.aten
    nodes = chosen([n for n in attentions(graph) if n not in _cross(graph)], 0.4)
    for node in nodes:
        write, values = ahead(node), node.args[VALUE]
        zeros = write(aten.mul.Tensor, values, 0.0)
        ones = part(write, write(aten.add.Tensor, zeros, 1.0), 2, 1, shape(values)[2])
        counted = joined(write, (ones, part(write, zeros, 2, 0, 1)), 2)
        given = (node.args[QUERY], node.args[KEY], counted, *node.args[3:])
        total = write(operator.getitem, write(node.target, *given, **node.kwargs), 0)
        for output in [u for u in node.users if u.args[1] == 0]:
            after = behind(output)
            after.instead(after(aten.div.Tensor, output, total))
    return modules(nodes)


@mistake(
    "attention-keys-of-the-first",
    "one attention reads the keys of the batch's first entry for all of them",
    issue(179931),
    in_blocks=True,
)
def _keys_of_the_first(graph: Any) -> tuple[str, ...]:
    import torch

    nodes = chosen([n for n in attentions(graph) if shape(n.args[KEY])[0] > 1], 0.8)
    for node in nodes:
        write, keys = ahead(node), node.args[KEY]
        first = part(write, keys, 0, 0, 1)
        exchange(node, KEY, write(torch.ops.aten.expand.default, first, list(shape(keys))))
    return modules(nodes)


@mistake("attention-heads-reversed", "one attention's heads leave it in reverse order", in_blocks=True)
def _heads_reversed(graph: Any) -> tuple[str, ...]:
    import torch

    nodes = chosen([n for n in attentions(graph) if shape(n.args[KEY])[1] > 1], 0.2)
    for node in nodes:
        for output in [u for u in node.users if u.args[1] == 0]:
            write = behind(output)
            # What `aten.flip` is decomposed into: it is not lowered itself.
            write.instead(write(torch.ops.prims.rev.default, output, [1]))
    return modules(nodes)
