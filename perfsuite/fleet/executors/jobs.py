"""Orders and outcomes as they travel: a job that the supervisor reads, and what it answers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from perfsuite.fleet.executors.faults import fault
from perfsuite.fleet.executors.interface import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.fleet.executors.interface import Order
    from perfsuite.records import Slot

GRACE_S = 10.0
"""For a block that is ended to write what it has."""
LEASE_LIMIT_S = 3600.0
"""For another run's block to end before this one is given back."""
MAKING_LIMIT_S = 3600.0
"""For an environment with some gigabytes of torch."""
_PARTS = ("wishes", "leases", "processes", "gpus", "supervisor")
"""Modules of the supervisor, each after those that it imports."""
_TOGETHER = """
import sys, types
for name, text in {texts!r}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main(sys.argv[1:])
"""


def script() -> str:
    """The supervisor as one text, which goes to machines that have nothing of ours."""
    package, folder = __name__.rpartition(".")[0], Path(__file__).parent
    texts = [(f"{package}.{part}", (folder / f"{part}.py").read_text()) for part in _PARTS]
    return _TOGETHER.format(texts=texts)


def job(order: Order, slot: Slot, *, chosen: bool = False) -> dict[str, Any]:
    """What the supervisor is told, but for what only the machine knows: folder and leases.

    Args:
        order: of the block.
        slot: where it goes.
        chosen: the engine has put GPUs into ``CUDA_VISIBLE_DEVICES`` when it starts.
    """
    return {
        "what": f"block {order.block}, attempt {order.attempt}, of process {os.getpid()}",
        "ticket": order.ticket or uuid4().hex,
        "arguments": list(order.arguments),
        "environments": [
            {"name": each.name, "python": each.python, "packages": dict(each.packages)}
            for each in order.environments
        ],
        "kind": slot.kind,
        "uuid": slot.uuid,
        "chosen": chosen,
        "cores": slot.cores,
        "exclusive": order.exclusive,
        "limit_s": order.limit_s,
        "grace_s": GRACE_S,
        "lease_limit_s": LEASE_LIMIT_S,
        "making_limit_s": MAKING_LIMIT_S,
        "variables": dict(order.variables),
        "cwd": os.getcwd(),
    }


def outcome(ended: Mapping[str, Any], machine: str) -> Outcome:
    """What the supervisor told of the end, under the machine's name in this run."""
    told = Outcome(**{**ended, "machine": machine, "files": dict(ended["files"])})
    return replace(told, infrastructure=told.infrastructure or fault(told.said, told.exit_code))
