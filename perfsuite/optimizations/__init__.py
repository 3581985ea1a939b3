"""The techniques, one module each. A new one is a module here and a row in `OPTIMIZATIONS`."""

from perfsuite.optimizations.attention import NO_SDPA, SDPA
from perfsuite.optimizations.compilation import COMPILE
from perfsuite.optimizations.evidence import NotEngagedError
from perfsuite.optimizations.layout import CHANNELS_LAST
from perfsuite.optimizations.precision import BF16, FP16, FP32
from perfsuite.optimizations.projections import QKV
from perfsuite.optimizations.quantization import INT8
from perfsuite.records import Optimization

OPTIMIZATIONS: dict[str, Optimization] = {
    optimization.name: optimization
    # In the order in which names are spelled: the order of the published ladder.
    for optimization in (FP32, BF16, FP16, NO_SDPA, SDPA, CHANNELS_LAST, COMPILE, QKV, INT8)
}

__all__ = ["OPTIMIZATIONS", "NotEngagedError"]
