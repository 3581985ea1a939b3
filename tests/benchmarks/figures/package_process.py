"""One process in the life of a package: ``write``, ``bare`` or ``pipeline``, and the folder that it lies in.

``write`` exports and compiles the UNet of the small model; ``bare`` runs the package with torch alone;
``pipeline`` draws with it, beside the eager pipeline. Each prints what it found as one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

VARIANT = "fp32+sdpa+channels-last"
CALLS = 9


def write(folder: Path) -> dict[str, Any]:
    """The package, what its UNet was given in the first step, and what it gave."""
    import torch
    from safetensors.torch import save_file
    from torch.utils import _pytree

    from perfsuite.pipelines import prepare
    from perfsuite.pipelines.optimizations import packaged

    prepared = prepare("shapes", VARIANT, "cpu")
    start = time.monotonic()
    packaged.save(prepared.pipe, prepared.context, folder / "unet.pt2")
    seconds = time.monotonic() - start
    args, kwargs = packaged.first_call(prepared.pipe, prepared.context)
    with torch.no_grad():
        given = prepared.pipe.unet(*args, **kwargs)[0]
    flat = [each for each in _pytree.tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
    tensors = {f"input.{i:02d}": tensor.clone() for i, tensor in enumerate(flat)}
    save_file({**tensors, "output": given.contiguous()}, folder / "step.safetensors")
    return {"seconds": seconds, "bytes": (folder / "unet.pt2").stat().st_size}


def bare(folder: Path) -> dict[str, Any]:
    """The package's output and time by torch's loader alone; what of torch's compiler was imported."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(folder / "step.safetensors")
    wanted = tensors.pop("output")
    inputs = [tensors[name] for name in sorted(tensors)]
    runner = torch._C._aoti.AOTIModelPackageLoader(str(folder / "unet.pt2"), "model", False, 1, -1)
    with torch.no_grad():
        found = runner.boxed_run(list(inputs))[0]
        seconds = []
        for _ in range(CALLS):
            start = time.perf_counter()
            runner.boxed_run(list(inputs))
            seconds.append(time.perf_counter() - start)
    compiler = [name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules]
    return {
        "compiler": compiler,
        "off": _off(found, wanted),
        "seconds": seconds,
        "threads": torch.get_num_threads(),
    }


def pipeline(folder: Path) -> dict[str, Any]:
    """Pictures, components and time of the pipeline that calls the package, in turns with the eager one."""
    import numpy as np
    import torch

    from perfsuite.pipelines import prepare
    from perfsuite.pipelines.optimizations import packaged
    from perfsuite.quality.components import COMPILED, measure_components
    from perfsuite.quality.generation import record
    from perfsuite.quality.metrics import ssim

    eager, loaded = (prepare("shapes", VARIANT, "cpu") for _ in range(2))
    packaged.load(loaded.pipe, folder / "unet.pt2")
    pictures = [(each.generate(0), other.generate(0)) for each, other in [(eager, loaded)]]
    seconds: dict[str, list[float]] = {"eager": [], "package": []}
    sides = {"eager": eager, "package": loaded}
    for number in range(CALLS):
        for name in list(sides)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            sides[name].generate(0)
            seconds[name].append(time.perf_counter() - start)
    traces = [record(eager.pipe, eager.context, prompt) for prompt in range(2)]
    errors = measure_components(loaded.pipe, loaded.context, traces)
    return {
        "frames": dict(torch._dynamo.utils.counters["frames"]),
        "calls": packaged.packaged_of(loaded.pipe.unet).calls,
        "ssim": min(ssim(one, other) for one, other in pictures),
        "same": all(np.array_equal(one, other) for one, other in pictures),
        "errors": {str(place): error for place, error in errors.items() if place.component == "unet"},
        "compared": sum(place.part == COMPILED for place in errors),
        "seconds": seconds,
    }


def _off(found: Any, wanted: Any) -> float:
    from torch.linalg import vector_norm

    return float(vector_norm(found.float() - wanted.float()) / vector_norm(wanted.float()))


def said(seconds: list[float]) -> str:
    """Median and range."""
    least, middle, most = min(seconds), statistics.median(seconds), max(seconds)
    return f"{middle * 1e3:.1f} ms ({least * 1e3:.1f} to {most * 1e3:.1f}, n={len(seconds)})"


if __name__ == "__main__":
    role = {"write": write, "bare": bare, "pipeline": pipeline}[sys.argv[1]]
    print(json.dumps(role(Path(sys.argv[2]))))
