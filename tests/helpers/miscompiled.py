"""What is found of a compiler's mistake: the graph that Inductor gets is changed, the eager form stays right.

    python tests/helpers/miscompiled.py [VARIANT ...]

By hand: each mistake is compiled anew, a minute or two on two cores. Of the small model. Each line tells
which looks fail, and how far beyond its budget the compiled UNet is (above 1: found). The mistakes are
modelled on ones that Inductor made: a scale of attention that was ignored (pytorch#174049), batches after
the first computed with wrong strides (pytorch#179931), a buffer given away before its last reader
(pytorch#183575); a bias or an epsilon that is lost, and sums kept in too few bits, are of our own making.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import prepare, release
from perfsuite.pipelines.optimizations.evidence import eager
from perfsuite.quality.assessing import inspect
from perfsuite.quality.components import chosen_steps
from perfsuite.quality.generation import call_unet
from perfsuite.quality.reference import record_reference
from perfsuite.records import PictureStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIANTS = ("bf16-sdpa-compile", "bf16-sdpa-compile-qkv-int8")


def _of(graph: Any, name: str) -> list[Any]:
    return [n for n in graph.nodes if n.op == "call_function" and name in str(n.target)]


def _middle(found: list[Any]) -> Any:
    return found[len(found) // 2]


def attention_scale(graph: Any) -> int:
    """One attention takes twice its scale."""
    node = _middle(_of(graph, "_scaled_dot_product"))
    size = node.args[0].meta["val"].shape[-1]
    node.kwargs = {**node.kwargs, "scale": 2 * node.kwargs.get("scale", size**-0.5)}
    return 1


def attention_scales(graph: Any) -> int:
    """Every attention takes a scale that is 2 % too large."""
    nodes = _of(graph, "_scaled_dot_product")
    for node in nodes:
        size = node.args[0].meta["val"].shape[-1]
        node.kwargs = {**node.kwargs, "scale": 1.02 * node.kwargs.get("scale", size**-0.5)}
    return len(nodes)


def _pictures(graph: Any, name: str) -> list[Any]:
    return [n for n in _of(graph, name) if "val" in n.meta and getattr(n.meta["val"], "ndim", 0) == 4]


def convolution_bias(graph: Any) -> int:
    """One convolution loses its bias."""
    node = _middle([n for n in _of(graph, "convolution") if n.args[2] is not None])
    node.args = (*node.args[:2], None, *node.args[3:])
    return 1


def residual(graph: Any) -> int:
    """One addition of two pictures reads one of them twice: the other's memory was given away."""
    adds = [
        n for n in _pictures(graph, "aten.add.Tensor")
        if all(hasattr(a, "meta") and getattr(a.meta.get("val"), "ndim", 0) == 4 for a in n.args[:2])
        and n.args[0].meta["val"].shape == n.args[1].meta["val"].shape
    ]  # fmt: skip
    node = _middle(adds)
    node.args = (node.args[0], node.args[0], *node.args[2:])
    return 1


def batches(graph: Any) -> int:
    """After one convolution the second half of the batch is the first's."""
    import torch

    node = _middle([n for n in _of(graph, "convolution") if n.meta["val"].shape[0] % 2 == 0])
    half = node.meta["val"].shape[0] // 2
    users = list(node.users)
    with graph.inserting_after(node):
        first = graph.call_function(torch.ops.aten.slice.Tensor, (node, 0, 0, half))
    with graph.inserting_after(first):
        both = graph.call_function(torch.ops.aten.cat.default, ([first, first], 0))
    first.meta["val"] = node.meta["val"][:half]
    both.meta["val"] = node.meta["val"]
    for user in users:
        user.replace_input_with(node, both)
    return 1


def epsilon(graph: Any) -> int:
    """Every norm's epsilon is a thousand times too large."""
    count = 0
    for node in _of(graph, "aten.rsqrt"):
        added = node.args[0]
        if "aten.add" in str(added.target) and isinstance(added.args[1], float):
            added.args = (added.args[0], 1000 * added.args[1])
            count += 1
    return count


def statistics(graph: Any) -> int:
    """Every norm's reciprocal deviation is rounded to bfloat16."""
    import torch

    nodes = [n for n in _of(graph, "aten.rsqrt") if n.meta["val"].dtype == torch.float32]
    for node in nodes:
        users = list(node.users)
        convert = torch.ops.prims.convert_element_type.default
        with graph.inserting_after(node):
            low = graph.call_function(convert, (node, torch.bfloat16))
        with graph.inserting_after(low):
            back = graph.call_function(convert, (low, torch.float32))
        low.meta["val"], back.meta["val"] = node.meta["val"].to(torch.bfloat16), node.meta["val"]
        for user in users:
            user.replace_input_with(node, back)
    return len(nodes)


def nothing(graph: Any) -> int:
    """Honest."""
    return 1


MISTAKES: tuple[Callable[[Any], int], ...] = (
    nothing, attention_scale, attention_scales, convolution_bias, residual, batches, epsilon, statistics,
)  # fmt: skip


@contextlib.contextmanager
def compiling(mistake: Callable[[Any], int], changed: list[int]) -> Iterator[None]:
    """What is compiled meanwhile has the mistake, if it is the UNet; no cache takes part."""
    import torch
    from torch._inductor.custom_graph_pass import CustomGraphPass

    class Pass(CustomGraphPass):  # type: ignore[misc]
        def __call__(self, graph: Any) -> None:
            if _of(graph, "aten.cos"):  # the timestep's embedding: the decoder has none
                changed.append(mistake(graph))
                graph.lint()

        def uuid(self) -> str:
            return f"perfsuite {mistake.__name__}"

    with (
        torch._inductor.config.patch(post_grad_custom_pre_pass=Pass(), fx_graph_cache=False),
        torch._functorch.config.patch(enable_autograd_cache=False),
    ):
        yield


def difference(prepared: Any, reference: Any) -> float:
    """Of the compiled UNet from its eager form, over the eager form's from float32: both root mean squares.

    A mistake that leaves this as it was is smaller than rounding: no look at the output can tell it.
    """
    import torch

    pipe, context = prepared.pipe, prepared.context
    between = apart = 0.0
    with torch.no_grad():
        for prompt, trace in enumerate(reference.traces):
            for step in chosen_steps(trace.steps, prompt, len(reference.traces)):
                made = call_unet(pipe, context, trace, step).float()
                with eager(pipe):
                    plain = call_unet(pipe, context, trace, step).float()
                between += float((made - plain).square().sum())
                apart += float((plain - trace["noise"][step].float()).square().sum())
    return (between / apart) ** 0.5


def judge(variant: str, mistake: Callable[[Any], int], reference: Any) -> dict[str, Any]:
    """One line of the table."""
    import torch

    prepared = prepare("shapes", variant, "cpu")
    try:
        changed: list[int] = []
        torch._dynamo.reset()
        with compiling(mistake, changed):
            prepared.context.generate(prepared.pipe, steps=2)
        assert changed
        assert all(changed), f"{mistake.__name__} changed nothing"
        found = inspect(
            prepared.pipe, reference, prepared.context.variant, None, prepared.context.device,
            reference.workload,
        )  # fmt: skip
        bad = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
        own = [d for d in found.deviations(reference)["components"] if d.place.startswith("unet")]
        return {
            "variant": variant, "mistake": mistake.__name__, "places": sum(changed),
            "failed": [look.name for look in found.quality.looks if look.status in bad],
            "worst": max(round(d.ratio, 2) for d in own),
            "difference": round(difference(prepared, reference), 3),
            "compiled_against_eager": max(round(d.ratio, 2) for d in own if "compiled" in d.place),
        }  # fmt: skip
    finally:
        release(prepared.pipe)


def main(names: list[str]) -> None:
    """All mistakes in each variant."""
    reference = record_reference("shapes", "cpu", precisions=("bf16",))
    for variant in names or VARIANTS:
        for mistake in MISTAKES:
            start = time.monotonic()
            found = judge(variant, mistake, reference)
            print(json.dumps({**found, "seconds": round(time.monotonic() - start)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
