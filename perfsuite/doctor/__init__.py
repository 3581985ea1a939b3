"""Is this machine fit to measure? One module a subject, each of findings that say what to do.

A check takes the `Examination` and returns findings. It looks, and changes nothing; torch is imported
inside the checks that need it. What cannot be looked at is UNKNOWN, with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.doctor import (
    capabilities as building,
)
from perfsuite.doctor import (
    clocks,
    compiling,
    machine,
    noise,
    packages,
    stored,
    surroundings,
    threads,
    weights,
)
from perfsuite.doctor.examination import Examination, exit_code, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.doctor.examination import Check
    from perfsuite.records import Finding

CHECKS: tuple[tuple[str, Check], ...] = (
    ("hub", weights.ask),
    ("packages", packages.versions),
    ("torch", building.torch_build),
    ("device", building.device),
    ("precision", building.precision),
    ("torchao", packages.torchao_extensions),
    ("compiler", compiling.compiler),
    ("compile cache", compiling.cache_folder),
    ("compiled artifact", compiling.artifact),
    ("disk", compiling.disk),
    ("CPU clocks", clocks.cpu_clocks),
    ("GPU clocks", clocks.gpu_clocks),
    ("machine", machine.kind),
    ("threads", threads.threads),
    ("thread pool", surroundings.pool),
    ("instructions", surroundings.instructions),
    ("allocator", surroundings.allocator),
    ("variables", surroundings.variables),
    ("memory", weights.memory),
    ("shipped model", weights.shipped),
    ("reference cache", weights.reference_cache),
    ("baseline", stored.baseline),
    ("same machine", surroundings.same),
    ("golden references", stored.golden),
    ("GPU processes", machine.gpu_processes),
    ("control", noise.control),
    # Last, when nothing else runs in this process.
    ("load", noise.load_and_noise),
    # By now the hub has answered.
    ("weights", weights.chosen),
    ("hub", weights.hub),
)


def examine(
    examination: Examination,
    checks: Sequence[tuple[str, Check]] = CHECKS,
    *,
    debug: bool = False,
) -> list[Finding]:
    """Look at everything; some seconds, and those of the self-test."""
    return run(examination, checks, debug=debug)


__all__ = ["CHECKS", "Examination", "examine", "exit_code"]
