"""Matrices and plans as tests need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.fleet.planning.matrix import Matrix
from perfsuite.fleet.planning.planner import make_plan
from perfsuite.records import DeviceClass, PlannedEnvironment, Work

if TYPE_CHECKING:
    from perfsuite.records import Plan

BEFORE = PlannedEnvironment(name="before", packages={"torch": "2.12.0"}, lock="lock-before")
AFTER = PlannedEnvironment(name="after", packages={"torch": "2.13.0"}, lock="lock-after")
CPU = DeviceClass(name="cpu", kind="cpu")
GPU = DeviceClass(name="h100", kind="cuda", model="NVIDIA H100*")
USUAL: dict[str, Any] = {
    "name": "example",
    "work": (Work.LATENCY, Work.STRUCTURE),
    "variants": ("fp32", "bf16", "bf16-sdpa", "bf16-sdpa-compile"),
    "workloads": ("shapes",),
    "environments": {"after": AFTER},
    "devices": {"cpu": CPU},
}


def make_matrix(**changes: Any) -> Matrix:
    """A small matrix, locks included."""
    return Matrix(**{**USUAL, **changes})


def planned(seed: int = 1, **changes: Any) -> Plan:
    """Its plan."""
    return make_plan(make_matrix(**changes), seed)
