"""torch.compile of the UNet's repeated blocks alone: one graph serves all blocks that are equal.

What it saves is the cold start. ResNets and the VAE's decoder stay eager: no class of theirs is repeated
often enough to be compiled once for many, and the decoder runs once a picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.compilation import check_calls, check_settings, supports_compiling
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, models, some
from perfsuite.pipelines.optimizations.inductor import COMPILE_FLAGS, COMPILE_SETTINGS, set_flags
from perfsuite.pipelines.optimizations.layout import apply_channels_last
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device


def mode_for(device: Device) -> str:
    """As `compile`, but without CUDA graphs: each of many regions would be a graph of its own, whose next
    replay, by an equal block of the same step, overwrites what the block before returned."""
    return "max-autotune-no-cudagraphs" if device.kind == "cuda" else "default"


def repeated_blocks(pipe: Any) -> dict[str, Any]:
    """The denoiser's modules that diffusers calls its repeated blocks, by qualified name."""
    root = family_of(pipe).denoiser
    denoiser = models(pipe)[root]
    kinds = set(denoiser._repeated_blocks or ())
    return {f"{root}.{name}": m for name, m in denoiser.named_modules() if type(m).__name__ in kinds}


def _apply(pipe: Any, context: Context) -> None:
    apply_channels_last(pipe, context)
    set_flags(COMPILE_FLAGS, context)
    # Static shapes, as the whole UNet is compiled with: else the second size of a block would make one
    # slower graph for all sizes.
    denoiser = getattr(pipe, family_of(pipe).denoiser)
    denoiser.compile_repeated_blocks(fullgraph=True, dynamic=False, mode=mode_for(context.device))


class _Calls:
    """Counts the calls of compiled blocks while it is entered, and how many kinds of them there are."""

    def __init__(self, blocks: dict[str, Any]) -> None:
        self._blocks = blocks
        self._own: dict[str, Callable[..., Any]] = {}
        self.names: set[str] = set()
        self.kinds: set[tuple[Any, ...]] = set()
        """Shapes of weights, and shapes and strides of tensors passed: blocks that agree in them can share a
        graph. Flux's single blocks take first a picture as it is, then a part of what holds text, too."""

    def __enter__(self) -> _Calls:
        for name, block in self._blocks.items():
            self._own[name] = block._compiled_call_impl
            block._compiled_call_impl = self._counting(name, block, self._own[name])
        return self

    def __exit__(self, *error: object) -> None:
        for name, block in self._blocks.items():
            block._compiled_call_impl = self._own[name]

    def _counting(self, name: str, block: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        weights = tuple((n, tuple(p.shape)) for n, p in block.named_parameters())

        def counting(*args: Any, **kwargs: Any) -> Any:
            passed = [v for v in (*args, *kwargs.values()) if isinstance(v, torch.Tensor)]
            self.names.add(name)
            self.kinds.add((weights, *((tuple(v.shape), v.stride()) for v in passed)))
            return call(*args, **kwargs)

        return counting


def _verify(pipe: Any, context: Context) -> str:
    blocks = repeated_blocks(pipe)
    eager = [name for name, block in blocks.items() if block._compiled_call_impl is None]
    if eager or not blocks:
        raise NotEngagedError(f"{len(eager)} of {len(blocks)} repeated blocks not compiled: {some(eager)}")
    layout = check_settings(pipe, context)
    with _Calls(blocks) as calls:
        check_calls(pipe, context)
    idle = sorted(set(blocks) - calls.names)
    if idle:
        raise NotEngagedError(f"{len(idle)} of {len(blocks)} compiled blocks were not called: {some(idle)}")
    if context.graphs > len(calls.kinds):
        raise NotEngagedError(
            f"{context.graphs} graphs for {len(calls.kinds)} kinds of blocks: equal blocks do not share one"
        )
    return (
        f"{context.graphs} graphs compiled ({mode_for(context.device)}) for {len(blocks)} blocks that all "
        f"ran, no graph break, {layout}"
    )


COMPILE_REGIONAL = Optimization(
    name="compile-regional",
    summary="torch.compile of the denoiser's repeated transformer blocks only, channels_last, Inductor flags",
    apply=_apply,
    verify=_verify,
    supports=supports_compiling,
    phase=4,
    conflicts=("channels-last", "compile", "dynamic"),
    compiles=True,
    settings=COMPILE_SETTINGS,
)
