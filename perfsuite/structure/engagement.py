"""Each optimization's own proof, and beside it the exact numbers that the architecture gives."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations import NotEngagedError, float8, quantization, weight_only
from perfsuite.pipelines.optimizations.evidence import (
    attention_modules,
    decoder_part,
    models,
    observe,
    some,
)
from perfsuite.pipelines.optimizations.projections import fused_names
from perfsuite.records import StructureCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfsuite.pipelines import Prepared

_QUANTIZED: dict[str, tuple[Callable[[Any], bool], Callable[[Any], bool], quantization.Roots]] = {
    "int8": (quantization.wants_linear, quantization.is_dynamic_int8, quantization.both),
    "int8-weights": (weight_only.wants_linear, weight_only.is_weight_only, weight_only.denoiser),
    "fp8": (float8.wants_linear, float8.is_float8, quantization.both),
}
"""Optimization to the layers that it takes, to what their weights are then, and to the models it changes."""


def untouched(pipe: Any) -> Any:
    """Denoiser and decoder of the same configuration as diffusers makes them, without memory for weights."""
    import torch

    with torch.device("meta"):
        made = {root: type(model).from_config(model.config) for root, model in models(pipe).items()}
    family = family_of(pipe)
    return SimpleNamespace(**made, **dict.fromkeys(family.encoders), family=family)


def _wanted(prepared: Prepared) -> tuple[Any, list[str]]:
    """The untouched models with the variant's changes of layers, and the 1x1 convolutions before them."""
    twin, variant = untouched(prepared.pipe), prepared.context.variant
    convolutions: list[str] = []
    if "qkv" in variant:
        for model in models(twin).values():
            # A tiny VAE has no attention, and not the method either.
            if hasattr(model, "fuse_qkv_projections"):
                model.fuse_qkv_projections()
    if "int8" in variant:
        from torchao.quantization import swap_conv2d_1x1_to_linear

        convolutions = [n for n, m in _modules(twin) if quantization.wants_convolution(m)]
        for model in models(twin).values():
            swap_conv2d_1x1_to_linear(model, lambda module, name: quantization.wants_convolution(module))
    return twin, convolutions


def _modules(pipe: Any) -> Iterator[tuple[str, Any]]:
    for root, model in models(pipe).items():
        for name, module in model.named_modules():
            yield f"{root}.{name}", module


def _attention(prepared: Prepared, twin: Any) -> tuple[str, list[str]]:
    """SDPA calls of one denoiser forward and one decoding, against the number of attention modules."""
    family = twin.family
    kinds = {family.denoiser: getattr(twin, family.denoiser), family.decoder: decoder_part(twin)}
    there = {root: sum(map(family.is_attention, model.modules())) for root, model in kinds.items()}
    plain = "no-sdpa" in prepared.context.variant
    seen = observe(prepared.pipe, prepared.context).sdpa_of
    problems = [
        f"{seen.get(root, 0)} SDPA calls in one pass of the {root}, wanted {0 if plain else count}"
        for root, count in there.items()
        if seen.get(root, 0) != (0 if plain else count)
    ]
    called = ", ".join(f"{seen.get(root, 0)} in the {root}" for root in there)
    return f"SDPA calls of one pass: {called} with {sum(there.values())} attention modules", problems


def _fused(prepared: Prepared, twin: Any) -> tuple[str, list[str]]:
    """Fused projections of every attention module, with their shapes."""

    def shapes(pipe: Any) -> dict[str, tuple[int, ...]]:
        return {
            f"{name}.{fused}": tuple(getattr(module, fused).weight.shape)
            for name, module in attention_modules(pipe).items()
            for fused in fused_names(module)
            if hasattr(module, fused)
        }

    wanted, found = shapes(twin), shapes(prepared.pipe)
    return f"{len(found)} fused projections: {_table(found)}", _compare(wanted, found, "fused projection")


def _layers(prepared: Prepared, twin: Any, name: str) -> tuple[str, list[str]]:
    """Quantized layers by name and shape (out, in)."""
    wants, holds, roots = _QUANTIZED[name]
    wanted = {n: tuple(m.weight.shape) for n, m in quantization.targets(twin, wants, roots).items()}
    found = {
        n: tuple(m.weight.qdata.shape)
        for n, m in _modules(prepared.pipe)
        if holds(getattr(m, "weight", None))
    }
    return f"{len(found)} layers in {name}: {_table(found)}", _compare(wanted, found, f"{name} layer")


def _table(shapes: dict[str, tuple[int, ...]]) -> str:
    counts = sorted(Counter(shapes.values()).items())
    return ", ".join(f"{count} of {'x'.join(map(str, shape))}" for shape, count in counts)


def _compare(wanted: dict[str, Any], found: dict[str, Any], what: str) -> list[str]:
    lost = [f"{name} {wanted[name]}" for name in wanted if name not in found]
    extra = [f"{name} {found[name]}" for name in found if name not in wanted]
    other = [f"{n} is {found[n]}, wanted {wanted[n]}" for n in found if n in wanted and found[n] != wanted[n]]
    problems = []
    if lost:
        problems.append(f"{len(lost)} of {len(wanted)} {what}s are missing: {some(lost)}")
    if extra:
        problems.append(f"{len(extra)} {what}s that should not be: {some(extra)}")
    if other:
        problems.append(f"{len(other)} {what}s of another shape: {some(other)}")
    return problems


def _kind(module: Any) -> str:
    # By name: torchao makes a class of its own with each call.
    return type(module).__qualname__


def _convolutions(prepared: Prepared, twin: Any, wanted: list[str]) -> tuple[str, list[str]]:
    """1x1 convolutions that torchao's swap takes are what the swap makes of them."""
    swapped, modules = dict(_modules(twin)), dict(_modules(prepared.pipe))
    left = [name for name in wanted if _kind(modules.get(name)) != _kind(swapped[name])]
    problems = [f"{len(left)} of {len(wanted)} 1x1 convolutions are not linear layers: {some(left)}"]
    return f"{len(wanted) - len(left)} 1x1 convolutions are linear layers", problems if left else []


def check_engagement(prepared: Prepared) -> StructureCheck:
    """Every optimization's `verify` holds for the pipeline as it is now, and the numbers are exact.

    SDPA calls, fused projections, quantized layers and swapped convolutions are compared with those of
    untouched models of the same configuration, so that a layer that is gone altogether is missed too.
    """
    pipe, context = prepared.pipe, prepared.context
    facts, problems = [], []
    for optimization in context.variant.optimizations:
        try:
            facts.append(f"{optimization.name}: {optimization.verify(pipe, context)}")
        except NotEngagedError as error:
            problems.append(f"{optimization.name}: {error}")
    twin, convolutions = _wanted(prepared)
    counted = [_attention(prepared, twin)]
    if "qkv" in context.variant:
        counted.append(_fused(prepared, twin))
    if convolutions:
        counted.append(_convolutions(prepared, twin, convolutions))
    counted += [_layers(prepared, twin, name) for name in _QUANTIZED if name in context.variant]
    for fact, wrong in counted:
        facts.append(fact)
        problems += wrong
    return StructureCheck("engagement", tuple(facts), tuple(problems))
