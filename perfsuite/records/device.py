"""The machine part that a latency belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from perfsuite.records.units import Bytes


@dataclass(frozen=True)
class Device:
    """The machine part that a latency belongs to."""

    kind: str
    """``cpu`` or ``cuda``."""
    name: str
    """As the system reports it, for instance ``NVIDIA H100 80GB HBM3``."""
    slug: str
    """File name of its baselines."""
    count: int
    """Threads on a CPU; always 1 on CUDA."""
    memory_bytes: Bytes
    details: Mapping[str, str] = field(default_factory=dict)
    """Driver, compute capability, instruction sets: whatever helps to tell two devices apart."""

    @property
    def place(self) -> str:
        """As on the command line: ``cpu``, or ``cuda:1`` where it is one of several GPUs."""
        return f"{self.kind}:{self.details['index']}" if "index" in self.details else self.kind
