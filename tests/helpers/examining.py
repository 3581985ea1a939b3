"""Devices and types for the tests of what ``perfsuite doctor`` looks at."""

from collections.abc import Callable, Iterable

from perfsuite.doctor import Examination
from perfsuite.records import Device, Finding

Examine = Callable[..., Examination]
Only = Callable[[Iterable[Finding]], Finding]
CPU = Device(
    "cpu", "Example CPU", "cpu-example-4t", 4, 2**34, {"bfloat16": "native", "instruction_set": "AVX512"}
)
GPU = Device(
    "cuda", "NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3", 1, 2**36, {"capability": "9.0", "index": "0"}
)
