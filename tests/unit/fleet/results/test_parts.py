"""Folders of parts of one plan are one folder; what does not belong together is refused with its names."""

from dataclasses import replace
from pathlib import Path

import pytest
from fleet_folders import ALL_WORK, Driver, digest, everything, parted, plain, well
from planned import AFTER, CPU, planned

from perfsuite.fleet.ledger.file import read_account
from perfsuite.fleet.planning import joining
from perfsuite.fleet.planning.files import read_plan, write_plan
from perfsuite.fleet.planning.sharding import shard
from perfsuite.fleet.results.folder import merge_folder, read_folder
from perfsuite.fleet.results.parts import Parts, join, keep
from perfsuite.fleet.results.reading import read, read_parts
from perfsuite.records import CellState, Ending, Plan
from perfsuite.report.fleet import page
from perfsuite.report.html.overview import Fact
from perfsuite.store import StoreError

WHOLE = planned(work=ALL_WORK, variants=("fp32", "bf16"), rungs=1)


def kept(paths: list[Path], out: Path) -> Parts:
    found = join(paths, out)
    keep(found)
    return found


@pytest.mark.parametrize("count", [1, 2, 5])
def test_all_parts_are_the_whole_plan(count: int, tmp_path: Path) -> None:
    """By its id, and whatever order they are named in; merged, they are what one driver would have left."""
    parts = parted(tmp_path, count)
    found = kept(parts[::-1], tmp_path / "whole")
    assert found.folder.plan == WHOLE
    assert found.notes == ()
    assert read_plan(tmp_path / "whole" / "plan.json") == WHOLE
    one = plain(tmp_path / "one", rungs=1)
    joined = [merged for _, merged in merge_folder(read_folder(tmp_path / "whole"))]
    alone = [merged for _, merged in merge_folder(read_folder(one))]
    assert [m.run.results for m in joined] == [m.run.results for m in alone]
    assert [m.run.chosen for m in joined] == [m.run.chosen for m in alone]
    view = page.view(read(tmp_path / "whole"), {})
    assert view.verdict == "All 8 are as they should be"
    assert page.exit_code(read(tmp_path / "whole"), view) == 0


def test_read_as_one_or_kept_as_one_is_the_same(tmp_path: Path) -> None:
    parts = parted(tmp_path, 3, begun=(2,))
    found = kept(parts, tmp_path / "whole")
    first, second = read_parts(found), read(tmp_path / "whole")
    assert page.view(first, {}) == page.view(second, {})
    assert read_account(tmp_path / "whole") == found.folder.account
    before = digest(tmp_path / "whole")
    kept(parts, tmp_path / "whole")
    read(tmp_path / "whole")
    assert digest(tmp_path / "whole") == before


def test_an_empty_part_is_said_and_its_cells_are_not_known(tmp_path: Path) -> None:
    parts = parted(tmp_path, 3, begun=(2,))
    found = join(parts, tmp_path / "out")
    (said,) = found.notes
    assert said.startswith(f"part 2/3 ({parts[1]}) has no results: none of its ")
    whole = read_parts(found)
    view = page.view(whole, {})
    assert page.exit_code(whole, view) == 2
    assert view.missing == whole.status.cells[CellState.WAITING] > 0


def test_parts_that_are_all_empty_have_judged_nothing(tmp_path: Path) -> None:
    found = join(parted(tmp_path, 2, begun=(1, 2)), tmp_path / "out")
    assert found.notes[-1] == "nothing was judged: no part has a verdict"
    whole = read_parts(found)
    view = page.view(whole, {})
    assert (view.verdict, view.tone) == ("Nothing was judged: 8 not known of 8", "unsure")
    assert page.exit_code(whole, view) == 2


def test_a_part_that_is_absent_is_named(tmp_path: Path) -> None:
    """Also by the folder of those that were joined; with it the plan is whole again."""
    parts = parted(tmp_path, 4)
    found = kept([parts[0], parts[3]], tmp_path / "whole")
    assert found.notes == ("absent: parts 2, 3 of 4, whose cells are not known",)
    whole = read(tmp_path / "whole")
    view = page.view(whole, {})
    assert whole.plan.shard == "1, 4 of 4"
    assert view.verdict.endswith("; 2 parts of the plan absent")
    assert view.tone == "unsure"
    assert page.exit_code(whole, view) == 2
    assert Fact("Absent", "parts 2, 3 of the plan, whose cells are not on this page") in view.facts
    assert kept(parts, tmp_path / "whole").notes == ()
    assert read(tmp_path / "whole").absent == ()


def other(path: Path, plan: Plan) -> Path:
    driver = Driver(path, plan)
    for block in plan.blocks:
        well(driver, block)
    driver.end()
    return path


CHANGED = {
    "another matrix": shard(planned(work=ALL_WORK, variants=("fp32", "bf16-sdpa"), rungs=1), 2, 2),
    "another name": shard(replace(WHOLE, name="weekly"), 2, 2),
    "another parting": shard(WHOLE, 2, 3),
    "before": replace(shard(WHOLE, 2, 2), whole=""),
}


@pytest.mark.parametrize("case", CHANGED)
def test_parts_of_two_plans_are_refused_with_their_names(case: str, tmp_path: Path) -> None:
    first = parted(tmp_path, 2)[0]
    second = other(tmp_path / "second", joining.identified(CHANGED[case]))
    with pytest.raises(StoreError, match="they are parts of two plans: part 1/2 of 'example'") as error:
        join([first, second], tmp_path / "out")
    assert f"{first} and {second} do not belong together" in str(error.value)
    assert f"part {CHANGED[case].shard} of {CHANGED[case].name!r}" in str(error.value)


def test_an_environment_that_is_not_the_same_is_refused(tmp_path: Path) -> None:
    """An interpreter at one path may have other packages on each machine; a matrix tells no difference."""
    first = parted(tmp_path, 2)[0]
    strange = planned(
        work=ALL_WORK,
        variants=("fp32", "bf16"),
        rungs=1,
        environments={"after": replace(AFTER, lock="other")},
    )
    second = other(tmp_path / "second", shard(strange, 2, 2))
    with pytest.raises(
        StoreError, match="'after' has not the same packages on the machines of parts 1/2 and"
    ):
        join([first, second], tmp_path / "out")


def test_paths_may_differ_between_machines(tmp_path: Path) -> None:
    """Two runners of one host have two checkouts."""
    first = parted(tmp_path, 2)[0]
    moved = planned(work=ALL_WORK, variants=("fp32", "bf16"), rungs=1, tests="/two/tests", baselines="/two/b")
    found = join([first, other(tmp_path / "second", shard(moved, 2, 2))], tmp_path / "out", tmp_path)
    assert {b.id for b in found.folder.plan.blocks} == {b.id for b in WHOLE.blocks}


def test_baselines_are_those_of_this_machine_where_the_plans_are_not_here(tmp_path: Path) -> None:
    parts = parted(tmp_path, 2, baselines="/nowhere")
    assert join(parts, tmp_path / "out", tmp_path / "absent").folder.plan.baselines == "/nowhere"
    found = join(parts, tmp_path / "out", tmp_path).folder.plan
    assert found.baselines == str(tmp_path)
    write_plan(tmp_path / "p.json", found)
    assert read_plan(tmp_path / "p.json") == found


def test_one_cell_in_two_parts_is_refused(tmp_path: Path) -> None:
    """A part that was run twice has two verdicts; one that is named twice has one."""
    first, second = parted(tmp_path, 2)
    assert join([first, second, first], tmp_path / "out").folder.plan == WHOLE
    twice = parted(tmp_path / "again", 2)[1]
    with pytest.raises(StoreError, match=f"{second} and {twice} .*both are part 2/2.*name one of them"):
        join([first, second, twice], tmp_path / "out")
    mixed = replace(read_plan(second / "plan.json"), blocks=read_plan(first / "plan.json").blocks)
    third = other(tmp_path / "third", joining.identified(mixed))
    with pytest.raises(StoreError, match="parts 1/2 and 2/2 both have cells of"):
        join([first, third], tmp_path / "out")


def test_a_whole_plan_is_no_part(tmp_path: Path) -> None:
    whole = plain(tmp_path / "whole")
    with pytest.raises(StoreError, match=f"{whole}: is no part of a plan"):
        join([parted(tmp_path, 2)[0], whole], tmp_path / "out")


def test_a_folder_with_attempts_of_its_own_is_not_written_over(tmp_path: Path) -> None:
    parts = parted(tmp_path, 2)
    with pytest.raises(StoreError, match="is one of the parts; name another --out"):
        keep(join(parts, parts[0]))
    busy = everything(tmp_path / "busy")
    before = digest(busy)
    with pytest.raises(StoreError, match="holds attempts that no part has"):
        keep(join(parts, busy))
    assert digest(busy) == before


def test_what_each_part_gave_up_or_forgave_stays_so(tmp_path: Path) -> None:
    """Three failures that one part's driver forgave, two in another: neither block is broken."""
    plan = planned(work=ALL_WORK, variants=("fp32", "bf16"), rungs=1)
    folders, blocks = [], []
    for number in (1, 2):
        driver = Driver(tmp_path / f"{number}", shard(plan, number, 2))
        block = driver.plan.blocks[0]
        for _ in range(3 if number == 1 else 2):
            driver.attempt(block, Ending.ERROR, cause="odd")
        if number == 1:
            sitting = driver.ledger.account.sitting
            assert sitting is not None
            driver.ledger.add(replace(sitting, again=True))
            driver.attempt(block, Ending.ERROR, cause="odd")
        driver.end(unplaced={driver.plan.blocks[1].id: "no machine"} if number == 2 else {})
        folders.append(driver.path)
        blocks.append(driver.plan.blocks)
    found = kept(folders, tmp_path / "whole")
    assert read_account(tmp_path / "whole") == found.folder.account
    states = read(tmp_path / "whole").status.states
    assert [states[b[0].id] for b in blocks] == [CellState.WAITING, CellState.WAITING]
    assert states[blocks[1][1].id] is CellState.UNPLACED


def test_a_file_that_is_gone_is_named_in_its_part(tmp_path: Path) -> None:
    parts = parted(tmp_path, 2)
    name = next(iter(read_folder(parts[1]).account.attempts[1].files.values()))
    (parts[1] / "objects" / name).unlink()
    with pytest.raises(StoreError, match=f"{parts[1]}/objects/{name}: .* is gone; restore it"):
        keep(join(parts, tmp_path / "whole"))


def test_a_plan_keeps_its_id_though_parts_say_of_what_they_are() -> None:
    """Written down before they did so, and with the fields that a plan had then."""
    assert not planned(devices={"cpu": CPU}).whole
    assert joining.identified(WHOLE).id == WHOLE.id
    assert len({shard(WHOLE, n, 3).whole for n in (1, 2, 3)}) == 1
