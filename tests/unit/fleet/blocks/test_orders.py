"""What each kind of block runs: the suite's gates, a comparison, or the doctor; and with which options."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planned import AFTER, BEFORE, GPU, planned

from perfsuite.fleet.blocks.orders import compile_cache, order
from perfsuite.fleet.planning.matrix import Comparison
from perfsuite.pipelines.registering import HANDED_ON
from perfsuite.records import Block, Cell, Plan, Work
from perfsuite.structure.gates import GATES
from perfsuite.workers import tests
from perfsuite.workers.tests import test_structure as packaged_structure

ROOT = Path(__file__).parents[4]
SEVEN = tuple(work for work in Work if work not in (Work.AB, Work.DOCTOR))


def first(plan: Plan, work: Work) -> Block:
    return next(block for block in plan.blocks if block.work is work)


def arguments(work: Work, **changes: Any) -> tuple[str, ...]:
    asked = Work.LATENCY if work is Work.COMPILE else work
    plan = planned(work=(asked,), **changes)
    return order(plan, first(plan, work), 1).arguments


def test_a_latency_block() -> None:
    """Timed, the twin first, beside memory and start; what it finds out lies in its own folder."""
    plan = planned(
        work=(Work.LATENCY,), variants=("bf16", "bf16-sdpa-compile"), devices={"h100": GPU},
        baselines="/srv/baselines", compile_cache="/srv/code", options=("--perf-time-budget=10",),
        tests="/srv/tests", weights="hub",
    )  # fmt: skip
    block = first(plan, Work.LATENCY)
    found = order(plan, block, 2)
    assert found.arguments == (
        "-P", "-m", "pytest", "-p", "no:cacheprovider", "--benchmark-only", "--perf-workload=shapes",
        "--perf-variant=fp32", "--perf-variant=bf16", "--perf-variant=bf16-sdpa-compile",
        "--perf-device=cuda", "--perf-weights=hub", "--rootdir={out}",
        "--perf-results={out}/results.jsonl", "--perf-artifacts={out}/artifacts",
        "--junit-xml={out}/junit.xml",
        "--perf-baselines=/srv/baselines",
        "--perf-compile-cache=/srv/code/h100-shapes-lock-after.code", "--perf-time-budget=10",
        "/srv/tests/benchmarks/test_latency.py", "/srv/tests/benchmarks/test_memory.py",
        "/srv/tests/benchmarks/test_start.py",
    )  # fmt: skip
    assert (found.block, found.attempt, found.exclusive) == (block.id, 2, True)
    assert (found.environments, found.device, found.limit_s) == ((AFTER,), GPU, 3 * 3600.0)
    assert found.variables == {}


@pytest.mark.parametrize("work", SEVEN)
def test_only_latency_is_timed(work: Work) -> None:
    """All else has no session, and shares its machine."""
    found = arguments(work, compile_cache="/code")
    assert ("--benchmark-only" in found) is (work is Work.LATENCY)
    assert ("--benchmark-disable" in found) is (work is not Work.LATENCY)
    assert any(a.startswith("--perf-compile-cache") for a in found) is (work in (Work.COMPILE, Work.LATENCY))


def test_compiling_ahead_is_for_the_same_file() -> None:
    """Of the compiled variants alone; it is the latency block's file, and no other environment's."""
    plan = planned(compile_cache="/code", environments={"before": BEFORE, "after": AFTER})
    ahead = [block for block in plan.blocks if block.work is Work.COMPILE]
    assert len({compile_cache(plan, block) for block in ahead}) == 2
    for block in ahead:
        (waits,) = [each for each in plan.blocks if block.id in each.needs]
        assert compile_cache(plan, waits) == compile_cache(plan, block) != ""
        assert "--perf-variant=bf16-sdpa-compile" in order(plan, block, 1).arguments
        assert "--perf-variant=bf16" not in order(plan, block, 1).arguments
    assert compile_cache(planned(), planned().blocks[0]) == ""


@pytest.mark.parametrize("work", SEVEN)
def test_the_checkouts_gates_are_there(work: Work) -> None:
    """Each file of the suite's own folder; none of them tests a gate."""
    found = arguments(work, tests=str(ROOT / "tests"), compile_cache="/code")
    files = [Path(a) for a in found if a.startswith(str(ROOT))]
    assert files
    for file in files:
        assert file.is_file(), file
        assert "check = " in file.read_text()
        assert "selftest" not in file.read_text()


@pytest.mark.parametrize("work", SEVEN)
def test_without_a_checkout_the_packages_own_run(work: Work) -> None:
    """Found by their module, in whatever place an interpreter has it; with no project's settings."""
    found = arguments(work, compile_cache="/code")
    assert found[found.index("-c") :][:2] == ("-c", os.devnull)
    assert "--rootdir={out}" in found
    modules = found[found.index("--pyargs") + 1 :]
    folder = Path(next(iter(tests.__path__)))
    assert modules
    for module in modules:
        package, _, name = module.rpartition(".")
        assert package == tests.__name__
        assert (folder / f"{name}.py").is_file()


def test_the_packages_own_leave_no_gate_out() -> None:
    """Its files have what the checkout's have: each gate, and each look."""
    whole = arguments(Work.QUALITY, tests=str(ROOT / "tests"))
    assert {Path(a) for a in whole if a.endswith(".py")} == {*(ROOT / "tests/quality").glob("test_*.py")}
    assert sorted({*packaged_structure.GATES, "layout"}) == sorted(GATES)
    quality = (ROOT / "perfsuite/workers/tests/test_quality.py").read_text()
    for file in (ROOT / "tests/quality").glob("test_*.py"):
        for line in file.read_text().splitlines():
            if "look_gate(pipeline, " in line:
                assert line.split('"')[1] in quality
            elif "_gate(" in line and "def " not in line:
                assert line.strip() in quality


def test_base_and_head_are_compared() -> None:
    """By base's own perfsuite, each side an interpreter that the machine knows by the environment's name."""
    compared = Comparison(base="before", head="after", variants=("bf16",))
    plan = planned(
        work=(), comparisons=(compared,), environments={"before": BEFORE, "after": AFTER},
        baselines="/srv/baselines", ab_options=("--time=120",),
    )  # fmt: skip
    found = order(plan, plan.blocks[0], 1)
    assert found.environments == (BEFORE, AFTER)
    assert found.arguments == (
        "-P", "-m", "perfsuite.cli", "ab", "--base={python:before}", "--head={python:after}",
        "--workload=shapes", "--variant=bf16", "--device=cpu", "--weights=auto", "--json={out}/ab.json",
        "--baselines=/srv/baselines", "--time=120",
    )  # fmt: skip


def test_the_doctor_looks_for_the_blocks_workload() -> None:
    """A block that no plan has: whoever runs one makes it, for each machine."""
    block = Block(
        id="d", work=Work.DOCTOR, workload="shapes", environments=("after",), device="cpu",
        cells=(Cell(key="k", variant="bf16", repeat=0),),
    )  # fmt: skip
    found = order(planned(), block, 1)
    assert found.arguments == (
        "-P", "-m", "perfsuite.cli", "doctor", "--json", "--workload=shapes", "--variant=bf16",
        "--device=cpu", "--weights=auto",
    )  # fmt: skip


def test_files_that_register_are_handed_on() -> None:
    """So that a block on any machine knows the names of the plan."""
    plan = planned(plugins=("/srv/conftest.py",))
    variables = order(plan, plan.blocks[0], 1).variables
    assert json.loads(variables[HANDED_ON]) == {"files": ["/srv/conftest.py"], "path": []}


@pytest.mark.parametrize("work", [Work.STRUCTURE, Work.DOCTOR, Work.AB])
def test_a_machines_folder_is_not_imported_from(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies there is no environment's: a checkout of anything would be measured in its place."""
    (tmp_path / "perfsuite").mkdir()
    (tmp_path / "perfsuite" / "__init__.py").write_text("raise SystemExit('the folder')")
    monkeypatch.chdir(tmp_path)
    plan = planned(environments={"before": BEFORE, "after": AFTER})
    option, *_ = order(plan, replace(plan.blocks[0], work=work), 1).arguments
    command = [sys.executable, option, "-c", "import perfsuite"]
    assert subprocess.run(command, capture_output=True, text=True).returncode == 0
