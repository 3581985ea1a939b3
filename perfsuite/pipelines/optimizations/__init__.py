"""The techniques, one module each. A new one is a module here and a row in `OPTIMIZATIONS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.pipelines.optimizations.attention import NO_SDPA, SDPA
from perfsuite.pipelines.optimizations.casting import LAYERWISE_FP8
from perfsuite.pipelines.optimizations.compilation import COMPILE
from perfsuite.pipelines.optimizations.cutoff import CFG_CUTOFF
from perfsuite.pipelines.optimizations.decoding import VAE_SLICING, VAE_TILING
from perfsuite.pipelines.optimizations.deepcache import DEEPCACHE
from perfsuite.pipelines.optimizations.dynamic import DYNAMIC
from perfsuite.pipelines.optimizations.evidence import NotEngagedError
from perfsuite.pipelines.optimizations.few_step import LCM
from perfsuite.pipelines.optimizations.float8 import FP8
from perfsuite.pipelines.optimizations.hotswap import LORA_HOTSWAP
from perfsuite.pipelines.optimizations.kernel_choice import (
    SDPA_CUDNN,
    SDPA_FA3,
    SDPA_FLASH,
    SDPA_MATH,
)
from perfsuite.pipelines.optimizations.layout import CHANNELS_LAST
from perfsuite.pipelines.optimizations.lora import LORA
from perfsuite.pipelines.optimizations.offloading import GROUP_OFFLOAD, MODEL_OFFLOAD
from perfsuite.pipelines.optimizations.packaged import AOTI
from perfsuite.pipelines.optimizations.precision import BF16, FP16, FP32, TF32
from perfsuite.pipelines.optimizations.projections import QKV
from perfsuite.pipelines.optimizations.quantization import INT8
from perfsuite.pipelines.optimizations.refused import REFUSED
from perfsuite.pipelines.optimizations.regional import COMPILE_REGIONAL
from perfsuite.pipelines.optimizations.tiny import TINY_VAE
from perfsuite.pipelines.optimizations.weight_only import INT8_WEIGHTS
from perfsuite.pipelines.promises import Parameter, ParameterError
from perfsuite.pipelines.registering import RegistrationError
from perfsuite.pipelines.registry import REGISTRY, Registration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.pipelines.technique import Optimization

# In the order in which names are spelled: the order of the published ladder, each variation after its kind.
_ALL = (
    FP32, TF32, BF16, FP16, NO_SDPA, SDPA, SDPA_FLASH, SDPA_MATH, SDPA_CUDNN, SDPA_FA3, CHANNELS_LAST,
    COMPILE, COMPILE_REGIONAL, DYNAMIC, AOTI, QKV, INT8, INT8_WEIGHTS, FP8, LAYERWISE_FP8, DEEPCACHE,
    CFG_CUTOFF, LCM, LORA, LORA_HOTSWAP, VAE_TILING, VAE_SLICING, TINY_VAE, MODEL_OFFLOAD, GROUP_OFFLOAD,
    *REFUSED,
)  # fmt: skip
OPTIMIZATIONS: dict[str, Optimization] = {optimization.name: optimization for optimization in _ALL}
"""The suite's own."""


def known() -> dict[str, Optimization]:
    """The suite's own, in the order in which names are spelled, then those that others registered."""
    return REGISTRY.merged("optimization", OPTIMIZATIONS, _registered)


def named(spelled: str, techniques: Mapping[str, Optimization]) -> Optimization | None:
    """What of these a name spells, as ``deepcache:3`` or without its value; None where there is no such.

    Raises `perfsuite.pipelines.promises.ParameterError` for a value that it cannot have.
    """
    base, given, value = spelled.partition(":")
    found = techniques.get(base)
    if found is None:
        return None
    if given and not value:
        raise ParameterError(f"{spelled}: nothing stands behind the colon; write {found.at().name}")
    return found.at(value)


def _registered(registration: Registration) -> Optimization:
    found: Optimization = registration.item
    names = {*OPTIMIZATIONS, *(other.name for other in REGISTRY.registered("optimization"))}
    if _spells(found.name.split("-"), names - {found.name}):
        raise RegistrationError("the name spells other optimizations, as a sum does; choose another")
    if not isinstance(found.parameter, Parameter | None):
        raise RegistrationError(
            f"parameter is {found.parameter!r}; give a Parameter, as in "
            'Parameter("interval", default=3, least=2, most=20)'
        )
    found.at()  # its default can be had, else it says what can
    for field in ("requires", "conflicts"):
        for name in getattr(found, field):
            if name not in names:
                raise RegistrationError(f"{field} names {name!r}, which is no optimization")
    if found.same_as and found.same_as not in names:
        raise RegistrationError(f"same_as names {found.same_as!r}, which is no optimization")
    return found


def _spells(words: list[str], names: set[str]) -> bool:
    """Whether the words of a name are names themselves, one after the other."""
    return not words or any(
        "-".join(words[:size]) in names and _spells(words[size:], names) for size in range(1, len(words) + 1)
    )


__all__ = ["OPTIMIZATIONS", "NotEngagedError", "known", "named"]
