"""A backend for `torch.compile` that gives what is computed on the way to another one's outputs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.device.failures import out_of_memory, sticky
from perfsuite.pipelines.watching.graphs import recording
from perfsuite.quality.compiled import kernels
from perfsuite.quality.compiled.graph import WITHOUT_END, is_written, taps_of
from perfsuite.quality.compiled.lockstep import NotComparableError, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.quality.compiled.graph import Tap


@dataclass(frozen=True)
class Graph:
    """A graph that was compiled with taps."""

    taps: tuple[Tap, ...]
    wanted: int
    """Taps that it would have with memory without end."""
    sources: tuple[str, ...]
    """Generated code, one text a part."""
    refused: tuple[str, ...]
    """What the compiler said of taps that it did not take."""
    kernels: tuple[str, ...]
    """By tap, the generated function that computed it; empty where the code does not tell."""
    file: str
    """In which torch keeps the generated code; empty where it has none."""


@dataclass(frozen=True)
class Seen:
    """One tap in one call."""

    tap: Tap
    error: float
    """Relative L2 error of the compiled code from the exact value."""
    same: float
    """Of eager code in the same precision, from the same inputs."""
    kernel: str
    file: str


@dataclass
class Tapping:
    """A backend that hands the graph to another one, with the taps as further outputs."""

    inner: Callable[[Any, Sequence[Any]], Callable[..., Any]]
    limit: int
    """Bytes of all taps of one graph."""
    heard: Callable[[Seen], None]
    graphs: list[Graph] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    """Reasons why a graph, or the rest of one, was not looked into."""

    def __call__(self, module: Any, inputs: Sequence[Any]) -> Callable[..., Any]:
        """Compile, as Dynamo asks for it."""
        import torch

        taps = taps_of(module.graph, self.limit)
        with recording() as record:
            compiled, taps, refused = self._compiled(module, inputs, taps)
        own = len(_output(module.graph).args[0])
        graph = _described(module, taps, refused, record.found.sources or ())
        self.graphs.append(graph)

        written = [is_written(node) for node in module.graph.nodes if node.op == "placeholder"]

        def run(*given: Any) -> Any:
            before = [v.clone() if w else v for v, w in zip(given, written, strict=True)]
            found = compiled(*given)
            # At once: the memory of a CUDA graph is overwritten by its next replay.
            errors = walk(module, before, taps, found[own:])
            try:
                for tap, kernel, (error, same) in zip(taps, graph.kernels, errors, strict=True):
                    self.heard(Seen(tap, error, same, kernel, graph.file))
            except NotComparableError as reason:
                self.without.append(str(reason))
            return found[:own]

        return torch.compiler.disable(run)

    def _compiled(
        self, module: Any, inputs: Sequence[Any], taps: list[Tap]
    ) -> tuple[Callable[..., Any], list[Tap], tuple[str, ...]]:
        """The compiled graph with as many of the taps as the compiler takes, and what it said of others."""
        half, said = len(taps) // 2, ""
        for some in (taps, taps[:half], taps[half:]) if taps else ():
            try:
                return self.inner(_with_outputs(module, some), inputs), some, _refused(taps, some, said)
            except Exception as error:
                if out_of_memory(error) is not None or sticky(error) is not None:
                    raise
                said = said or f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return self.inner(_with_outputs(module, []), inputs), [], _refused(taps, [], said)


def _refused(taps: Sequence[Tap], some: Sequence[Tap], said: str) -> tuple[str, ...]:
    """What became of the others, in words; none where all were taken."""
    others = [tap.module or tap.name for tap in taps if tap not in some]
    return (f"taps from {others[0]} to {others[-1]} left out: {said}",) if others else ()


def _described(module: Any, taps: list[Tap], refused: tuple[str, ...], sources: tuple[str, ...]) -> Graph:
    names = kernels.writers(sources[0], len(taps)) if len(sources) == 1 else None
    return Graph(
        tuple(taps),
        len(taps_of(module.graph, WITHOUT_END)),
        sources,
        refused,
        tuple(names or [""] * len(taps)),
        kernels.where(sources[0]) if len(sources) == 1 else "",
    )


def _output(graph: Any) -> Any:
    (output,) = [node for node in graph.nodes if node.op == "output"]
    return output


def _with_outputs(module: Any, taps: Sequence[Tap]) -> Any:
    """A copy of a graph module that also returns what is tapped."""
    import torch

    graph = copy.deepcopy(module.graph)
    by_name = {node.name: node for node in graph.nodes}
    output = _output(graph)
    output.args = ((*output.args[0], *(by_name[tap.name] for tap in taps)),)
    found = torch.fx.GraphModule(module, graph)
    found.meta = dict(module.meta)
    return found
