"""How a mistake gets into everything that is compiled for a while."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.quality.faults.compiler.graphs import calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.quality.faults.compiler.mistake import Mistake


class NotPlantedError(ValueError):
    """What was compiled has no place for a mistake; the message says what it was."""


@dataclass
class Planted:
    """What became of a mistake while code was compiled."""

    modules: list[str] = field(default_factory=list)
    """Where it was planted, each once; of blocks that are compiled alone the name within the block."""
    graphs: list[str] = field(default_factory=list)
    """What each compiled graph was, see `component_of`."""


def component_of(graph: Any) -> str:
    """``unet``, ``vae`` (its decoder), ``block`` (of the UNet, compiled alone) or ``other``.

    The UNet embeds its timestep, for which it takes a cosine; the decoder has convolutions and none.
    """
    if calls(graph, "aten.cos"):
        return "unet"
    if calls(graph, "aten.convolution"):
        return "vae"
    return "block" if calls(graph, "aten._scaled_dot_product") else "other"


@contextlib.contextmanager
def miscompiled(mistake: Mistake) -> Iterator[Planted]:
    """All that is compiled meanwhile has the mistake where it has its place; no cache takes part.

    Raises `NotPlantedError` at the end if nothing had.
    """
    import torch
    from torch._inductor.custom_graph_pass import CustomGraphPass

    planted = Planted()

    class Pass(CustomGraphPass):  # type: ignore[misc]
        def __call__(self, graph: Any) -> None:
            component = component_of(graph)
            planted.graphs.append(component)
            if component == mistake.component or (component == "block" and mistake.in_blocks):
                found = mistake.plant(graph)
                planted.modules.extend(name for name in found if name not in planted.modules)
                graph.lint()

        def uuid(self) -> str:
            return f"perfsuite {mistake.name}"

    with (
        torch._inductor.config.patch(post_grad_custom_pre_pass=Pass(), fx_graph_cache=False),
        torch._functorch.config.patch(enable_autograd_cache=False),
    ):
        yield planted
    if not planted.modules:
        seen = ", ".join(planted.graphs) or "nothing"
        raise NotPlantedError(f"{mistake.name} has no place in what was compiled: {seen}")
