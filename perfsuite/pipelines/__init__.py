"""What is built: workloads and their models, techniques and the variants made of them, pipelines of both."""

from perfsuite.pipelines.building import (
    Prepared,
    UnsupportedError,
    abandon,
    build,
    free,
    lacking,
    prepare,
    prepared_of,
    release,
    unfit,
    unsupported,
)
from perfsuite.pipelines.optimizations import NotEngagedError
from perfsuite.pipelines.promises import Parameter, Promise
from perfsuite.pipelines.registering import RegistrationError
from perfsuite.pipelines.registry import Registry
from perfsuite.pipelines.technique import Context, Optimization, Variant
from perfsuite.records import Workload

__all__ = [
    "Context",
    "NotEngagedError",
    "Optimization",
    "Parameter",
    "Prepared",
    "Promise",
    "RegistrationError",
    "Registry",
    "UnsupportedError",
    "Variant",
    "Workload",
    "abandon",
    "build",
    "free",
    "lacking",
    "prepare",
    "prepared_of",
    "release",
    "unfit",
    "unsupported",
]
