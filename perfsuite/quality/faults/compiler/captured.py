"""The graphs that Inductor gets of a pipeline, run operator by operator in place of compiled code."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.watching.forms import forms_of, instead
from perfsuite.quality.faults.compiler.planting import component_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.pipelines import Prepared
    from perfsuite.quality.faults.compiler.mistake import Mistake


@dataclass
class Captured:
    """One graph with the values that it was first called with, and what it gave."""

    traced: Any
    """The graph that Dynamo made, of which Inductor's was made."""
    module: Any
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    @property
    def component(self) -> str:
        """See `component_of`."""
        return component_of(self.module.graph)

    def with_mistake(self, mistake: Mistake) -> tuple[tuple[str, ...], list[Any], Any]:
        """Where it was planted in a copy, what the copy gives, and the copy."""
        changed = copy.deepcopy(self.module)
        planted = mistake.plant(changed.graph)
        changed.graph.lint()
        return planted, interpreted(changed, self.inputs), changed

    def _run(self, given: Sequence[Any]) -> Any:
        import torch

        if not self.inputs:
            self.inputs = [v.detach().clone() if isinstance(v, torch.Tensor) else v for v in given]
            self.outputs = interpreted(self.module, self.inputs)
        return torch.fx.Interpreter(self.module).run(*given)


def interpreted(module: Any, inputs: Sequence[Any]) -> list[Any]:
    """The graph's tensors, in float32."""
    import torch

    with torch.no_grad():
        found = torch.fx.Interpreter(module).run(*inputs)
    return [each.float() for each in found if isinstance(each, torch.Tensor)]


def distance(made: Sequence[Any], honest: Sequence[Any]) -> float:
    """Relative L2, over all outputs."""
    apart = sum(float((a - b).square().sum()) for a, b in zip(made, honest, strict=True))
    return float((apart / sum(float(b.square().sum()) for b in honest)) ** 0.5)


def captured(prepared: Prepared) -> list[Captured]:
    """Compile a prepared pipeline anew, up to what Inductor would lower, and run it once."""
    import torch

    found: list[Captured] = []
    pipe, backend = prepared.pipe, _keeping(found)
    torch._dynamo.reset()
    with contextlib.ExitStack() as replacing, torch.no_grad():
        replacing.enter_context(torch._functorch.config.patch(enable_autograd_cache=False))
        for form in forms_of(pipe):
            replacing.enter_context(instead(form, form.again(lambda own: backend)))
        prepared.context.generate(pipe, steps=2)
    return found


def _keeping(found: list[Captured]) -> Callable[[Any, Any], Any]:
    """A backend for `torch.compile` that keeps each graph and has it interpreted."""
    from torch._inductor.compile_fx import compile_fx

    def backend(module: Any, inputs: Any) -> Any:
        traced = copy.deepcopy(module.graph)

        def keep(lowered: Any, examples: Any, **options: Any) -> Any:
            kept = Captured(traced, copy.deepcopy(lowered))
            found.append(kept)

            def run(given: list[Any]) -> Any:
                return kept._run(given)

            run._boxed_call = True  # type: ignore[attr-defined]
            return run

        return compile_fx(module, inputs, inner_compile=keep)

    return backend
