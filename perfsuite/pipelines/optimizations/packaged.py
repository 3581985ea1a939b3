"""The UNet exported, compiled ahead of time and packaged (AOTInductor): no Dynamo takes part in a call.

The package holds code and weights of the moment when it was made, and serves the size that it was exported
for: another size is an error, not a compilation.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.optimizations.compilation import supports_compiling
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, first_call, models, some
from perfsuite.pipelines.optimizations.inductor import COMPILE_FLAGS, COMPILE_SETTINGS, set_flags
from perfsuite.pipelines.optimizations.layout import apply_channels_last
from perfsuite.pipelines.optimizations.proofs.recompiling import check_compiles_nothing
from perfsuite.pipelines.optimizations.proofs.repeats import difference
from perfsuite.pipelines.promises import Card
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

MOST_DIFFERENCE = {"fp32": 1e-3, "tf32": 0.03, "fp16": 0.1, "bf16": 0.1}
"""By precision, of the package's output from the eager UNet's on equal inputs: more is another function, not
rounding."""


class Packaged:
    """Stands for a UNet's `forward`: calls the package, which takes tensors by their names."""

    def __init__(
        self, forward: Any, runner: Any, digest: str, weights: dict[str, tuple[float, float]]
    ) -> None:
        self._torchdynamo_orig_callable = forward
        self.runner, self.digest, self.weights = runner, digest, weights
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the UNet was exported to give."""
        self.calls += 1
        return self.runner(*args, **kwargs)


def packaged_of(unet: Any) -> Packaged | None:
    """What stands for the UNet's `forward`, None where it is its own."""
    found = vars(unet).get("forward")
    return found if isinstance(found, Packaged) else None


def weights_of(unet: Any) -> dict[str, tuple[float, float]]:
    """By name two sums of each weight, which tell whether it is what it was."""
    wide = ((name, weight.detach().double()) for name, weight in unet.named_parameters())
    return {name: (float(weight.sum()), float(weight.abs().sum())) for name, weight in wide}


def save(pipe: Any, context: Context, path: Path) -> None:
    """Write a package of the UNet as the pipeline calls it; the name ends in ``.pt2``."""
    import torch

    args, kwargs = first_call(pipe, context)
    with torch.no_grad():
        exported = torch.export.export(models(pipe)["unet"], args, kwargs, strict=False)
        torch._inductor.aoti_compile_and_package(exported, package_path=str(path))


def load(pipe: Any, path: Path) -> None:
    """Let a package stand for the UNet's forward."""
    import torch

    unet, digest = models(pipe)["unet"], hashlib.sha256(path.read_bytes()).hexdigest()
    runner = torch._inductor.aoti_load_package(str(path))
    unet.forward = Packaged(unet.forward, runner, digest, weights_of(unet))


def _apply(pipe: Any, context: Context) -> None:
    apply_channels_last(pipe, context)
    set_flags(COMPILE_FLAGS, context)
    with tempfile.TemporaryDirectory(prefix="perfsuite-package-") as folder:
        path = Path(folder) / "unet.pt2"
        save(pipe, context, path)
        load(pipe, path)


def _packaged(unet: Any) -> Packaged:
    """What stands for the UNet's forward, made of the weights that the UNet has now.

    The package holds those of when it was made, and what changed since has no effect. Raises
    `NotEngagedError`.
    """
    packaged = packaged_of(unet)
    if packaged is None:
        raise NotEngagedError("the UNet's forward is its own: no package is called")
    now, then = weights_of(unet), packaged.weights
    other = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    if other:
        raise NotEngagedError(
            f"{len(other)} weights of the UNet are not those that the package holds: {some(other)}"
        )
    return packaged


def _verify_last(pipe: Any, context: Context) -> None:
    """A technique that was applied later may have changed weights."""
    _packaged(models(pipe)["unet"])


def _verify(pipe: Any, context: Context) -> str:
    import torch

    unet = models(pipe)["unet"]
    packaged = _packaged(unet)
    args, kwargs = first_call(pipe, context)
    before = packaged.calls
    with torch.no_grad():
        found = packaged(*args, **kwargs)[0]
        with eager(pipe):
            wanted = unet(*args, **kwargs)[0]
    if packaged.calls != before + 1:
        raise NotEngagedError("the eager form of the UNet is the package itself")
    off = difference(found, wanted)
    if not off < MOST_DIFFERENCE[context.variant.precision]:
        raise NotEngagedError(f"the package gives {off:.2g} from what the UNet gives: other weights or sizes")
    before = packaged.calls
    check_compiles_nothing({"a call": lambda: context.generate(pipe, steps=2)})
    if packaged.calls == before:
        raise NotEngagedError("a call of the pipeline never called the package")
    called = f"package {packaged.digest[:12]} called {packaged.calls - before} times"
    return f"{called}, no Dynamo; {off:.2g} from eager"


AOTI = Optimization(
    name="aoti",
    summary="the UNet exported, compiled ahead of time and packaged (AOTInductor), channels_last",
    apply=_apply,
    verify=_verify,
    verify_last=_verify_last,
    supports=supports_compiling,
    phase=4,
    conflicts=(
        "channels-last", "compile", "compile-regional", "dynamic", "deepcache", "cfg-cutoff", "layerwise-fp8",
        "int8", "int8-weights", "fp8", "lora-hotswap", "model-offload", "group-offload",
    ),
    settings=COMPILE_SETTINGS,
    card=Card(
        where="every UNet, at the size that it was exported for",
        proof="hash of the package that is called, and its weights; Dynamo compiles nothing; near to eager",
        measured="1.48x, 786 to 532 ms (n=9)",
    ),
)  # fmt: skip
