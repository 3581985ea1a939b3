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
    unsupported,
)
from perfsuite.pipelines.technique import Context

__all__ = [
    "Context",
    "Prepared",
    "UnsupportedError",
    "abandon",
    "build",
    "free",
    "lacking",
    "prepare",
    "prepared_of",
    "release",
    "unsupported",
]
