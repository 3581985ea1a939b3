"""What a machine is told to run for a block: one command of the block's own interpreter.

The tests of each kind of work are the suite's gates: latency with memory and start, structure, counts,
quality. Where the plan names no folder of tests they are those that the package brings.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.fleet.blocks.endings import JUNIT, RESULTS, SIDES, ending
from perfsuite.fleet.executors import Order
from perfsuite.pipelines.registering import handed_on
from perfsuite.records import Work
from perfsuite.workers import tests as packaged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.records import Block, Plan

__all__ = ["ending", "order"]

_OWN = ("-P",)
"""An interpreter imports what it has, not what lies in the folder in which its machine works."""
_SESSION = ("benchmarks/test_latency.py", "benchmarks/test_memory.py", "benchmarks/test_start.py")
_FOLDER: Mapping[Work, tuple[str, ...]] = {
    Work.COMPILE: _SESSION[:1],
    Work.LATENCY: _SESSION,
    Work.STRUCTURE: ("structure/test_rungs.py",),
    Work.COUNTS: ("structure/test_counts.py",),
    Work.QUALITY: (
        "quality/test_ssim.py", "quality/test_components.py", "quality/test_task.py",
        "quality/test_compiled.py",
    ),
}  # fmt: skip
"""Files below the folder of a plan: the gates alone, for beside them stands what tests the gates."""
_PACKAGED: Mapping[Work, tuple[str, ...]] = {
    Work.COMPILE: (packaged.LATENCY,),
    Work.LATENCY: (packaged.LATENCY, packaged.MEMORY, packaged.START),
    Work.STRUCTURE: (packaged.STRUCTURE,),
    Work.COUNTS: (packaged.COUNTS,),
    Work.QUALITY: (packaged.QUALITY,),
}


def order(plan: Plan, block: Block, attempt: int) -> Order:
    """All that a machine needs to run the block once more."""
    environments = tuple(plan.environments[name] for name in block.environments)
    return Order(
        block=block.id,
        attempt=attempt,
        exclusive=block.work.exclusive,
        environments=environments,
        arguments=_COMMANDS.get(block.work, _pytest)(plan, block),
        device=plan.devices[block.device],
        limit_s=block.limit_s,
        # What the files import is for the machine's interpreter to find.
        variables=handed_on([Path(file) for file in plan.plugins], python=""),
    )


def compile_cache(plan: Plan, block: Block) -> str:
    """The file of compiled code of the block's environment, device class and workload; empty for none."""
    if not plan.compile_cache:
        return ""
    lock = plan.environments[block.environments[0]].lock
    return f"{plan.compile_cache}/{block.device}-{block.workload}-{lock}.code"


def _pytest(plan: Plan, block: Block) -> tuple[str, ...]:
    """Gates by pytest; only a latency block times anything."""
    timed = block.work is Work.LATENCY
    code = compile_cache(plan, block) if block.work in (Work.COMPILE, Work.LATENCY) else ""
    return (
        *_OWN, "-m", "pytest", "-p", "no:cacheprovider",
        "--benchmark-only" if timed else "--benchmark-disable",
        f"--perf-workload={block.workload}",
        *(f"--perf-variant={name}" for name in (block.twin, *block.variants) if name),
        f"--perf-device={plan.devices[block.device].kind}",
        f"--perf-weights={plan.weights}",
        # Else a block would become the last run of the project that its tests are of.
        "--rootdir={out}",
        f"--perf-results={{out}}/{RESULTS}",
        "--perf-artifacts={out}/artifacts",
        f"--junit-xml={{out}}/{JUNIT}",
        *_given("--perf-baselines", plan.baselines),
        *_given("--perf-compile-cache", code),
        *plan.options,
        *_tests(plan, block.work),
    )  # fmt: skip


def _tests(plan: Plan, work: Work) -> tuple[str, ...]:
    if plan.tests:
        return tuple(f"{plan.tests}/{file}" for file in _FOLDER[work])
    # No project's settings: the machine's working directory may lie in one.
    return ("-c", "/dev/null", "--pyargs", *_PACKAGED[work])


def _ab(plan: Plan, block: Block) -> tuple[str, ...]:
    base, head = block.environments[0], block.environments[-1]
    return (
        *_OWN, "-m", "perfsuite.cli", "ab", f"--base={{python:{base}}}", f"--head={{python:{head}}}",
        f"--workload={block.workload}", f"--variant={block.variants[0]}",
        f"--device={plan.devices[block.device].kind}", f"--weights={plan.weights}",
        f"--json={{out}}/{SIDES}", *_given("--baselines", plan.baselines), *plan.ab_options,
    )  # fmt: skip


def _doctor(plan: Plan, block: Block) -> tuple[str, ...]:
    return (
        *_OWN, "-m", "perfsuite.cli", "doctor", "--json", f"--workload={block.workload}",
        *(f"--variant={name}" for name in block.variants), f"--device={plan.devices[block.device].kind}",
        f"--weights={plan.weights}", *_given("--baselines", plan.baselines),
    )  # fmt: skip


_COMMANDS = {Work.AB: _ab, Work.DOCTOR: _doctor}


def _given(option: str, value: str) -> tuple[str, ...]:
    return (f"{option}={value}",) if value else ()
