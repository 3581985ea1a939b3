"""Machines of one name in several parts of a plan: what is one is counted as one, what is not is apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fleet_folders import ALL_WORK, Driver, well
from planned import planned

from perfsuite.fleet.ledger.file import read_account
from perfsuite.fleet.planning.sharding import shard
from perfsuite.fleet.results.parts import join, keep
from perfsuite.fleet.results.reading import Reading, read
from perfsuite.records import Ending
from perfsuite.report.fleet import page

WHOLE = planned(work=ALL_WORK, variants=("fp32", "bf16"), rungs=1)
RUNNER = "runner"
GPU = "GPU-5a31c0de-1111"


def part(folder: Path, number: int, lost: int, *, fit: bool = True, of: int = 3, **machine: Any) -> Path:
    """One part of the plan, in which blocks are lost on a machine, and all is well after that."""
    driver = Driver(folder / f"{number}", shard(WHOLE, number, of))
    options = {"machine": RUNNER} | machine
    doctor = Ending.PASSED if fit else Ending.FAILED
    driver.attempt("doctor-0", doctor, cause="" if fit else "too busy", **options)
    for block in driver.plan.blocks[:1] * lost:
        driver.attempt(block, Ending.LOST, cause="gone", **options)
    for block in driver.plan.blocks:
        well(driver, block, **options)
    driver.end()
    return driver.path


def joined(folder: Path, parts: Sequence[Path]) -> Reading:
    """What the folder of all says, as it is read again."""
    found = join(parts, folder / "whole")
    keep(found)
    assert read_account(folder / "whole") == found.folder.account
    return read(folder / "whole")


def machines(whole: Reading) -> dict[str, tuple[bool, bool | None, int]]:
    """Whether each is drained, whether it is fit, and how many attempts it had."""
    return {machine.name: (machine.drained, machine.fit, machine.blocks) for machine in whole.status.machines}


def blocks(*numbers: int) -> int:
    return sum(len(shard(WHOLE, number, 3).blocks) for number in numbers)


def test_two_runners_of_one_name_are_two_machines(tmp_path: Path) -> None:
    """The doctor of one speaks for it alone, and so do its faults."""
    first, second = part(tmp_path, 1, 2, boot="one"), part(tmp_path, 2, 3, fit=False, boot="two")
    assert machines(joined(tmp_path, [first, second])) == {
        "runner (part 1)": (False, True, blocks(1) + 2), "runner (part 2)": (True, False, blocks(2) + 3),
    }  # fmt: skip


@pytest.mark.parametrize(
    "same", [{"boot": "one"}, {"boot": "", "uuid": GPU}, {}], ids=["start", "gpu", "unknown"]
)
def test_one_machine_is_as_good_as_new_to_each_part(same: dict[str, str], tmp_path: Path) -> None:
    """Its attempts are counted together; two faults in one part and two in another drain nothing."""
    parts = [part(tmp_path, number, 2, **same) for number in (1, 2)]
    assert machines(joined(tmp_path, parts)) == {RUNNER: (False, True, blocks(1, 2) + 4)}


def test_what_one_part_drained_stays_drained(tmp_path: Path) -> None:
    parts = [part(tmp_path, 1, 3, boot="one"), part(tmp_path, 2, 0, boot="one"), part(tmp_path, 3, 1)]
    whole = joined(tmp_path, parts)
    assert machines(whole) == {RUNNER: (True, True, blocks(1, 2, 3) + 4)}
    assert [machine.reason for machine in whole.status.machines] == ["3 failures, the last: gone"]


def test_a_machine_that_was_started_again_has_its_gpu_still(tmp_path: Path) -> None:
    parts = [part(tmp_path, 1, 0, boot="one", uuid=GPU), part(tmp_path, 2, 0, boot="two", uuid=GPU)]
    assert list(machines(joined(tmp_path, parts))) == [RUNNER]


def test_a_name_does_not_depend_on_which_parts_are_there(tmp_path: Path) -> None:
    """One that has not told which machine it was is none of two."""
    parts = [part(tmp_path, 1, 0, boot="one"), part(tmp_path, 2, 0, boot="two"), part(tmp_path, 3, 0)]
    names = ["runner (part 1)", "runner (part 2)", "runner (part 3)"]
    assert list(machines(joined(tmp_path, parts[:2]))) == names[:2]
    assert list(machines(joined(tmp_path, parts[::-1]))) == names


def test_each_doctor_that_answered_is_no_failed_attempt(tmp_path: Path) -> None:
    """Also where each part, or each sitting, had its own."""
    parts = [part(tmp_path, 1, 0, boot="one"), part(tmp_path, 2, 1, boot="two")]
    view = page.view(joined(tmp_path, parts), {})
    assert [(tried.ending, tried.machine) for tried in view.tried] == [("lost", "runner (part 2)")]
    assert sum(cost.lost_s for cost in view.costs) == 40.0
