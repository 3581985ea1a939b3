"""Mistakes in convolutions, and in what is moved and padded around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    summed_in_bf16,
)
from perfsuite.quality.faults.compiler.mistake import Mistake, entering, entering_both, issue

if TYPE_CHECKING:
    from perfsuite.quality.faults.compiler.graphs import Writer

MISTAKES: dict[str, Mistake] = {}
mistake, both = entering(MISTAKES), entering_both(MISTAKES)
INPUT, WEIGHT, BIAS, STRIDE, PADDING = 0, 1, 2, 3, 4


def _wide(graph: Any) -> list[Any]:
    """Convolutions over neighbours that keep the size, inside of residual blocks where there are any."""
    found = [
        n for n in calls(graph, "aten.convolution")
        if list(n.args[STRIDE]) == [1, 1] and list(n.args[PADDING]) == [1, 1]
    ]  # fmt: skip
    return [n for n in found if "resnets" in modules([n])[0]] or found


@both("convolution-bias-lost", "one convolution leaves its bias out")
def _bias_lost(graph: Any) -> tuple[str, ...]:
    nodes = chosen([n for n in _wide(graph) if n.args[BIAS] is not None])
    for node in nodes:
        exchange(node, BIAS, None)
    return modules(nodes)


def _padded(write: Writer, node: Any, *, circular: bool) -> Any:
    for dim in (2, 3):
        last = shape(node)[dim] - 1
        before, after = (last, 0) if circular else (0, last)
        edges = [part(write, node, dim, at, at + 1) for at in (before, after)]
        node = joined(write, (edges[0], node, edges[1]), dim)
    return node


def _pad(graph: Any, *, circular: bool) -> tuple[str, ...]:
    nodes = chosen(_wide(graph), 0.2)
    for node in nodes:
        exchange(node, INPUT, _padded(ahead(node), node.args[INPUT], circular=circular))
        exchange(node, PADDING, [0, 0])
    return modules(nodes)


@mistake(
    "convolution-padding-replicated",
    "one convolution is padded with the picture's own edge, not with zeros",
    issue(144462),
)
def _padding_replicated(graph: Any) -> tuple[str, ...]:
    return _pad(graph, circular=False)


@mistake(
    "decoder-convolution-padding-circular",
    "one convolution of the decoder is padded with the picture's other side, not with zeros",
    of="vae",
)
def _padding_circular(graph: Any) -> tuple[str, ...]:
    return _pad(graph, circular=True)


@both(
    "convolution-last-column-stale",
    "one convolution stores whole vectors alone: its last column is the one before",
    issue(196681),
)
def _last_column(graph: Any) -> tuple[str, ...]:
    nodes = chosen(_wide(graph), 0.8)
    for node in nodes:
        write, last = behind(node), shape(node)[3] - 1
        kept = part(write, node, 3, 0, last)
        write.instead(joined(write, (kept, part(write, node, 3, last - 1, last)), 3))
    return modules(nodes)


CHANNELS = 8
"""That are summed in full precision by `convolution-summed-in-bf16`."""


@both(
    "convolution-summed-in-bf16",
    f"the widest convolution rounds its sum to bfloat16 after every {CHANNELS} channels",
    issue(188998),
)
def _summed_in_bf16(graph: Any) -> tuple[str, ...]:
    widest = max((shape(n.args[WEIGHT])[1] for n in _wide(graph)), default=0)
    nodes = chosen([n for n in _wide(graph) if shape(n.args[WEIGHT])[1] == widest])
    for node in nodes:
        write, terms = behind(node), []
        for at in range(0, widest, CHANNELS):
            pieces = [part(write, a, 1, at, at + CHANNELS) for a in node.args[:BIAS]]
            bias = node.args[BIAS] if at == 0 else None
            terms.append(write(node.target, *pieces, bias, *node.args[STRIDE:]))
        write.instead(summed_in_bf16(write, terms, node))
    return modules(nodes)


@mistake("convolution-kernel-transposed", "one convolution reads its kernels' columns as rows")
def _kernel_transposed(graph: Any) -> tuple[str, ...]:
    import torch

    nodes = chosen(_wide(graph), 0.35)
    for node in nodes:
        turned = ahead(node)(torch.ops.aten.permute.default, node.args[WEIGHT], [0, 1, 3, 2])
        exchange(node, WEIGHT, turned)
    return modules(nodes)


@mistake(
    "batch-of-the-first",
    "one convolution's output is the first half's for the second half of the batch too",
    issue(179931),
)
def _batch_of_the_first(graph: Any) -> tuple[str, ...]:
    nodes = chosen([n for n in _wide(graph) if shape(n)[0] % 2 == 0], 0.65)
    for node in nodes:
        write = behind(node)
        first = part(write, node, 0, 0, shape(node)[0] // 2)
        write.instead(joined(write, (first, first), 0))
    return modules(nodes)


@both("upsampling-shifted", "one upsampling reads each pixel's neighbour", issue(198201))
def _upsampling_shifted(graph: Any) -> tuple[str, ...]:
    import torch

    aten = torch.ops.aten
    nodes = chosen([n for n in calls(graph, "aten._unsafe_index") if len(shape(n)) == 4])
    for node in nodes:
        write, (*before, columns) = ahead(node), node.args[1]
        following = write(aten.add.Tensor, columns, 1)
        kept = write(aten.clamp_max.default, following, shape(node.args[0])[3] - 1)
        exchange(node, 1, [*before, kept])
    return modules(nodes)
