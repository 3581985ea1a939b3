"""The graphs that Inductor gets of a pipeline, run operator by operator in place of compiled code."""

import copy
import functools
from dataclasses import dataclass
from typing import Any


@dataclass
class Captured:
    """One graph with the values that it was first called with, and what it gave."""

    module: Any
    inputs: list[Any]
    outputs: list[Any]

    def with_mistake(self, mistake: Any) -> tuple[tuple[str, ...], list[Any], Any]:
        """Where it was planted in a copy, what the copy gives, and the copy."""
        changed = copy.deepcopy(self.module)
        planted = mistake.plant(changed.graph)
        changed.graph.lint()
        return planted, interpreted(changed, self.inputs), changed


def interpreted(module: Any, inputs: list[Any]) -> list[Any]:
    """The graph's tensors, in float32."""
    import torch

    with torch.no_grad():
        found = torch.fx.Interpreter(module).run(*inputs)
    return [each.float() for each in found if isinstance(each, torch.Tensor)]


def distance(made: list[Any], honest: list[Any]) -> float:
    """Relative L2, over all outputs."""
    apart = sum(float((a - b).square().sum()) for a, b in zip(made, honest, strict=True))
    return float((apart / sum(float(b.square().sum()) for b in honest)) ** 0.5)


def captured(prepared: Any) -> list[Captured]:
    """Compile a prepared pipeline anew, up to what Inductor would lower, and run it once."""
    import torch
    from torch._inductor.compile_fx import compile_fx

    found: list[Captured] = []

    def keep(module: Any, examples: Any, **options: Any) -> Any:
        kept = Captured(copy.deepcopy(module), [], [])
        found.append(kept)

        def run(given: list[Any]) -> Any:
            values = [v.detach().clone() if isinstance(v, torch.Tensor) else v for v in given]
            if not kept.inputs:
                kept.inputs, kept.outputs = values, interpreted(kept.module, values)
            return torch.fx.Interpreter(kept.module).run(*given)

        run._boxed_call = True
        return run

    backend, pipe = functools.partial(compile_fx, inner_compile=keep), prepared.pipe
    torch._dynamo.reset()
    if hasattr(pipe.unet, "_orig_mod"):
        pipe.unet = torch.compile(pipe.unet._orig_mod, backend=backend, fullgraph=True)
    else:
        pipe.unet.compile_repeated_blocks(fullgraph=True, dynamic=False, backend=backend)
    if "decode" in vars(pipe.vae):
        del pipe.vae.decode
        pipe.vae.decode = torch.compile(pipe.vae.decode, backend=backend, fullgraph=True)
    with torch._functorch.config.patch(enable_autograd_cache=False), torch.no_grad():
        prepared.context.generate(pipe, steps=2)
    return found
