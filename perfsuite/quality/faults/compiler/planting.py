"""How mistakes get into everything that is compiled for a while."""

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
    """What became of mistakes while code was compiled."""

    by_mistake: dict[str, list[str]]
    """Modules in which each was planted; of blocks that are compiled alone the name within the block."""
    graphs: list[str] = field(default_factory=list)
    """What each compiled graph was, see `component_of`."""

    def plant(self, mistake: Mistake, graph: Any) -> None:
        """Into one graph, if it has a place for it."""
        modules = self.by_mistake[mistake.name]
        modules += [name for name in mistake.plant(graph) if name not in modules]
        graph.lint()


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
def miscompiled(*mistakes: Mistake) -> Iterator[Planted]:
    """All that is compiled meanwhile has the mistakes where each has its place; no cache takes part.

    Raises `NotPlantedError` at the end for one that nothing had a place for.
    """
    import torch
    from torch._inductor.custom_graph_pass import CustomGraphPass

    planted = Planted({mistake.name: [] for mistake in mistakes})

    class Pass(CustomGraphPass):  # type: ignore[misc]
        def __call__(self, graph: Any) -> None:
            component = component_of(graph)
            planted.graphs.append(component)
            for mistake in mistakes:
                if mistake.changes(component):
                    planted.plant(mistake, graph)

        def uuid(self) -> str:
            return f"perfsuite {', '.join(planted.by_mistake)}"

    with (
        torch._inductor.config.patch(post_grad_custom_pre_pass=Pass(), fx_graph_cache=False),
        torch._functorch.config.patch(enable_autograd_cache=False),
    ):
        yield planted
    without = [name for name, modules in planted.by_mistake.items() if not modules]
    if without:
        seen = ", ".join(planted.graphs) or "nothing"
        raise NotPlantedError(f"{without[0]} has no place in what was compiled: {seen}")
