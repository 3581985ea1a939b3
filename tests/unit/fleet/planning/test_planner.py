"""A matrix becomes blocks: each cell once, what is compared together, in an order of the seed alone."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from planned import AFTER, BEFORE, CPU, GPU, make_matrix, planned

from perfsuite.fleet.planning.matrix import Comparison
from perfsuite.fleet.planning.planner import count_cells, make_plan
from perfsuite.records import Block, Plan, Work

BOTH: dict[str, Any] = {"environments": {"before": BEFORE, "after": AFTER}}
AB = Comparison(base="before", head="after", variants=("bf16", "bf16-sdpa"))


def of(plan: Plan, work: Work) -> list[Block]:
    return [block for block in plan.blocks if block.work is work]


def test_every_square_is_one_cell() -> None:
    """Variants, workloads, environments, devices and repeats; what is not timed is done once."""
    matrix = make_matrix(
        **BOTH, workloads=("shapes", "sdxl-base"), devices={"cpu": CPU, "h100": GPU}, repeats=3, rungs=3,
        work=(Work.LATENCY, Work.QUALITY), comparisons=(AB,), compile_cache="/code",
    )  # fmt: skip
    plan = make_plan(matrix, 1)
    cells = Counter(
        (block.work, block.workload, block.environments, block.device, cell.variant, cell.repeat)
        for block in plan.blocks
        for cell in block.cells
        if block.work is not Work.COMPILE
    )
    assert set(cells.values()) == {1}
    assert len(cells) == 2 * 2 * (2 * 4 * (3 + 1) + 2 * 3) == count_cells(matrix)
    keys = [cell.key for block in plan.blocks for cell in block.cells]
    assert len(set(keys)) == len(keys)
    assert len({block.id for block in plan.blocks}) == len(plan.blocks)


def test_rungs_stand_beside_their_float32_twin() -> None:
    """Which is a cell of one block and runs in all."""
    first, second = sorted(of(planned(rungs=2), Work.LATENCY), key=lambda block: block.twin)
    assert (first.variants, first.twin) == (("fp32", "bf16"), "")
    assert (second.variants, second.twin) == (("bf16-sdpa", "bf16-sdpa-compile"), "fp32")
    (alone,) = of(planned(variants=("bf16",)), Work.LATENCY)
    assert (alone.variants, alone.twin) == (("bf16",), "fp32")
    assert [block.twin for block in of(planned(variants=("bf16",)), Work.STRUCTURE)] == [""]


def test_a_limit_grows_with_what_runs() -> None:
    matrix = make_matrix(variants=("bf16", "bf16-sdpa"), limits_s={Work.LATENCY: 10.0, Work.STRUCTURE: 5.0})
    plan = make_plan(matrix, 1)
    assert [block.limit_s for block in of(plan, Work.LATENCY)] == [30.0]
    assert [block.limit_s for block in of(plan, Work.STRUCTURE)] == [10.0]


def test_code_is_compiled_ahead_where_it_is_shared() -> None:
    """One block for all repeats; blocks without compiled variants wait for nothing."""
    plan = planned(compile_cache="/code", rungs=3, repeats=2)
    (ahead,) = of(plan, Work.COMPILE)
    assert ahead.variants == ("bf16-sdpa-compile",)
    waits = {block.variants: block.needs for block in of(plan, Work.LATENCY)}
    assert waits == {("fp32", "bf16", "bf16-sdpa"): (), ("bf16-sdpa-compile",): (ahead.id,)}
    assert plan.blocks[0] == ahead
    assert not of(planned(), Work.COMPILE)
    assert not of(planned(compile_cache="/code", variants=("bf16",)), Work.COMPILE)


def test_base_and_head_are_one_block() -> None:
    """A variant each, as often as asked; nothing else where no other work is named."""
    plan = planned(**BOTH, work=(), comparisons=(AB,), repeats=2)
    assert {(b.environments, b.variants, b.cells[0].repeat) for b in plan.blocks} == {
        (("before", "after"), (variant,), repeat) for variant in ("bf16", "bf16-sdpa") for repeat in (0, 1)
    }
    assert all(block.work.exclusive for block in plan.blocks)


def test_the_seed_is_the_order() -> None:
    """The same blocks in another order; the same seed gives the same plan, id included."""
    one, again, other = (planned(seed, repeats=20) for seed in (1, 1, 2))
    assert one == again
    assert [b.id for b in one.blocks] != [b.id for b in other.blocks]
    assert sorted(b.id for b in one.blocks) == sorted(b.id for b in other.blocks)
    assert one.id != other.id
    repeats = [block.cells[0].repeat for block in of(one, Work.LATENCY)]
    assert repeats != sorted(repeats)


def test_every_process_makes_the_same_plan() -> None:
    """Whatever Python's hashes are seeded with."""
    program = "from planned import planned; print(planned(compile_cache='/code').id)"
    ids = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": ":".join(sys.path)},
        ).stdout.strip()
        for seed in (1, 2)
    }  # fmt: skip
    assert ids == {planned(compile_cache="/code").id}


@pytest.mark.parametrize(
    "changes",
    [
        {"environments": {"after": replace(AFTER, lock="other")}}, {"weights": "random"},
        {"workloads": ("shapes@64x64",)}, {"devices": {"cpu": replace(CPU, model="Xeon*")}},
        {"variants": ("bf16+channels-last",)},
    ],
    ids=["lock", "weights", "workload", "device", "variant"],
)  # fmt: skip
def test_a_key_tells_what_was_measured(changes: dict[str, Any]) -> None:
    def keys(plan: Plan) -> set[str]:
        return {cell.key for block in plan.blocks for cell in block.cells}

    assert not keys(planned(variants=("bf16",))) & keys(planned(**{"variants": ("bf16",), **changes}))


def test_another_version_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = planned()
    monkeypatch.setattr("perfsuite.fleet.planning.planner.__version__", "99.0")
    assert planned().blocks[0].cells[0].key not in {c.key for b in before.blocks for c in b.cells}
    assert planned().perfsuite == "99.0"
