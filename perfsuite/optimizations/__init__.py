"""The techniques, one module each. A new one is a module here and a row in `OPTIMIZATIONS`."""

from perfsuite.optimizations.attention import NO_SDPA, SDPA
from perfsuite.optimizations.compilation import COMPILE
from perfsuite.optimizations.evidence import NotEngagedError
from perfsuite.optimizations.float8 import FP8
from perfsuite.optimizations.layout import CHANNELS_LAST
from perfsuite.optimizations.precision import BF16, FP16, FP32, TF32
from perfsuite.optimizations.projections import QKV
from perfsuite.optimizations.quantization import INT8
from perfsuite.optimizations.regional import COMPILE_REGIONAL
from perfsuite.optimizations.weight_only import INT8_WEIGHTS
from perfsuite.records import Optimization

# In the order in which names are spelled: the order of the published ladder, each variation after its kind.
_ALL = (
    FP32, TF32, BF16, FP16, NO_SDPA, SDPA, CHANNELS_LAST, COMPILE, COMPILE_REGIONAL, QKV,
    INT8, INT8_WEIGHTS, FP8,
)  # fmt: skip
OPTIMIZATIONS: dict[str, Optimization] = {optimization.name: optimization for optimization in _ALL}

__all__ = ["OPTIMIZATIONS", "NotEngagedError"]
