"""What blocks left becomes results: one run for each environment on each kind of device, nothing twice."""

from dataclasses import replace
from pathlib import Path

import pytest
from fleet_folders import (
    BEGAN,
    DEVICES,
    GPUS,
    H100,
    Driver,
    counts,
    digest,
    everything,
    latency,
    plain,
    results_file,
    well,
)
from planned import AFTER, BEFORE, CPU, GPU, planned
from sample_runs import DEVICE, exhibits, quality, verdict, write_baselines

from perfsuite.fleet.blocks.endings import RESULTS
from perfsuite.fleet.ledger.file import OBJECTS
from perfsuite.fleet.results.folder import is_folder, merge_folder, read_folder
from perfsuite.fleet.results.merging import Merged, Piece, merge, names
from perfsuite.records import Ending, Result, Run, Status, Work
from perfsuite.store import StoreError, read_results
from perfsuite.store.exhibits import read_exhibit


def merged(path: Path) -> dict[str, Run]:
    """By the name of its file, as the file has it."""
    return {file.stem: read_results(file) for file, _ in merge_folder(read_folder(path))}


def test_one_run_has_what_every_kind_of_work_found(tmp_path: Path) -> None:
    (run,) = merged(plain(tmp_path / "f")).values()
    assert run.device == DEVICE
    assert run.date.startswith("2026-03-04T05:00:00")
    assert run.timed
    assert run.chosen == ("shapes/fp32", "shapes/bf16")
    assert [r.variant for r in run.results] == ["fp32", "bf16"]
    for result in run.results:
        assert result.session is not None
        assert result.verdict is not None
        assert result.quality is not None
        assert result.counts is not None
        assert result.counted is not None


def test_the_same_blocks_give_the_same_bytes(tmp_path: Path) -> None:
    folder = plain(tmp_path / "f")
    merge_folder(read_folder(folder))
    before = digest(folder)
    times = [file.stat().st_mtime_ns for file in (folder / "results").iterdir()]
    merge_folder(read_folder(folder))
    assert digest(folder) == before
    assert [file.stat().st_mtime_ns for file in (folder / "results").iterdir()] == times


def test_each_environment_and_class_is_a_run(tmp_path: Path) -> None:
    runs = merged(everything(tmp_path / "f"))
    assert sorted(runs) == [
        "after--cpu--cpu-example-2t", "after--h100--nvidia-h100-80gb-hbm3",
        "before--cpu--cpu-example-2t", "before--h100--nvidia-h100-80gb-hbm3",
    ]  # fmt: skip
    assert len({run.id for run in runs.values()}) == 4
    assert {run.device.kind for name, run in runs.items() if "h100" in name} == {"cuda"}


def test_what_has_no_result_is_missing_in_its_run(tmp_path: Path) -> None:
    """A block that is given up, and one that nobody has begun."""
    plan = planned(work=(Work.LATENCY,), rungs=1, variants=("fp32", "bf16", "bf16-sdpa"))
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        if block.variants == ("bf16",):
            driver.attempt(block, Ending.ERROR, {RESULTS: b"half a li"}, cause="ended by SIGKILL")
        elif block.variants == ("fp32",):
            well(driver, block)
    driver.end()
    (run,) = merged(tmp_path / "f").values()
    assert run.chosen == ("shapes/fp32", "shapes/bf16", "shapes/bf16-sdpa")
    assert [r.variant for r in run.results] == ["fp32"]


def test_a_twin_stands_only_where_its_own_cell_does_not() -> None:
    """float32 is slower beside another rung's block than in its own."""
    plan = planned(work=(Work.LATENCY,), rungs=1, variants=("fp32", "bf16"))
    blocks = {block.variants: block for block in plan.blocks}
    own, other = blocks[("fp32",)], blocks[("bf16",)]
    assert other.twin == "fp32"
    runs = {block.id: Run("r", BEGAN, DEVICE, tuple(latency(block))) for block in plan.blocks}
    slow = replace(runs[other.id].results[0], verdict=verdict(Status.REGRESSED, 1.5))
    runs[other.id] = replace(runs[other.id], results=(slow, *runs[other.id].results[1:]))
    pieces = [Piece(block, runs[block.id]) for block in plan.blocks]
    (both,) = merge(plan, pieces, BEGAN, lambda run, result: None)
    assert statuses(both) == {"fp32": Status.OK, "bf16": Status.OK}
    (alone,) = merge(plan, [Piece(other, runs[other.id])], BEGAN, lambda run, result: None)
    assert statuses(alone) == {"fp32": Status.REGRESSED, "bf16": Status.OK}
    assert own.id not in alone.blocks


def statuses(of: Merged) -> dict[str, Status]:
    return {r.variant: r.verdict.status for r in of.run.results if r.verdict is not None}


def test_devices_of_one_class_that_are_not_alike_are_two_runs() -> None:
    """A pattern that two models match; what is missing is missing once."""
    plan = planned(
        work=(Work.LATENCY,), rungs=1, variants=("fp32", "bf16", "bf16-sdpa"), devices={"h100": GPU}
    )
    other = replace(H100, name="NVIDIA H100 PCIe", slug="nvidia-h100-pcie")
    kinds = {"fp32": H100, "bf16": other}
    pieces = [
        Piece(block, Run("r", BEGAN, kinds[block.variants[0]], tuple(latency(block))))
        for block in plan.blocks
        if block.variants[0] in kinds
    ]
    runs = merge(plan, pieces, BEGAN, lambda run, result: None)
    assert [each.run.device.slug for each in runs] == ["nvidia-h100-80gb-hbm3", "nvidia-h100-pcie"]
    assert ["shapes/bf16-sdpa" in each.run.chosen for each in runs] == [True, False]


# -- repeats -------------------------------------------------------------------------------------------


def repeated(path: Path, statuses: tuple[Status, ...], baselines: str = "") -> Run:
    """The merged run of bf16 on as many GPUs as there are verdicts, 15 % slower where REGRESSED."""
    plan = planned(
        work=(Work.LATENCY,), variants=("bf16",), devices={"h100": GPU}, repeats=len(statuses),
        baselines=baselines,
    )  # fmt: skip
    driver = Driver(path, plan)
    for block in plan.blocks:
        repeat = block.cells[0].repeat
        status = statuses[repeat]
        (*twin, own) = latency(block, GPUS[repeat])
        assert own.session is not None
        slower = 1.3 if status is Status.REGRESSED else 1.0
        session = replace(
            own.session, latency_s=tuple(slower * s for s in own.session.latency_s), relative=None
        )
        own = replace(own, session=session, verdict=verdict(status, slower))
        driver.judged(block, [*twin, own], gpu=GPUS[repeat])
    driver.end()
    (run,) = merged(path).values()
    return run


def test_repeats_are_one_result_with_all_sessions(tmp_path: Path) -> None:
    run = repeated(tmp_path / "f", (Status.OK, Status.NEW, Status.OK))
    result = run.results[1]
    assert result.session is not None
    assert [s.gpu for s in (result.session, *result.repeats)] == list(GPUS)
    assert result.verdict is not None
    assert result.verdict.status is Status.NEW
    said = "the gravest of 3 repeats: OK on GPU-5a31c0de, NEW on GPU-77e0beef, OK on GPU-0badcafe"
    assert result.verdict.detail.endswith(said)


@pytest.mark.parametrize(
    ("own", "together"),
    [
        ((Status.REGRESSED,) * 3, Status.REGRESSED),
        ((Status.REGRESSED, Status.OK, Status.OK), Status.INCONCLUSIVE),
        ((Status.INCONCLUSIVE,) * 3, Status.INCONCLUSIVE),
    ],
)
def test_repeats_are_judged_together_where_the_baselines_are(
    own: tuple[Status, ...], together: Status, tmp_path: Path
) -> None:
    """One slow GPU of three is no regression of the code, three of three are."""
    stored = replace(latency(planned(variants=("bf16",), devices={"h100": GPU}).blocks[0], GPUS[0])[-1])
    assert stored.session is not None
    stored = replace(stored, session=replace(stored.session, relative=None))
    write_baselines(tmp_path / "b", [stored], 5, H100)
    verdict = repeated(tmp_path / "f", own, str(tmp_path / "b")).results[1].verdict
    assert verdict is not None
    assert verdict.status is together
    assert verdict.candidate_sessions == 3
    assert f"3 repeats together, by themselves {own[0]} on GPU-5a31c0de" in verdict.detail


def test_what_no_repeat_confirms_is_no_regression(tmp_path: Path) -> None:
    """Sessions that are 30 % slower together, each of which was found fine when measured again."""
    first = latency(planned(variants=("bf16",), devices={"h100": GPU}).blocks[0], GPUS[0])[-1]
    assert first.session is not None
    fast = replace(first.session, latency_s=tuple(s / 1.3 for s in first.session.latency_s), relative=None)
    write_baselines(tmp_path / "b", [replace(first, session=fast)], 5, H100)
    verdict = repeated(tmp_path / "f", (Status.OK,) * 3, str(tmp_path / "b")).results[1].verdict
    assert verdict is not None
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.detail.endswith("none is REGRESSED where it was measured again")


# -- files ---------------------------------------------------------------------------------------------


def test_exhibits_of_blocks_with_the_same_names_lie_side_by_side(tmp_path: Path) -> None:
    plan = planned(work=(Work.QUALITY,), rungs=1, variants=("fp32", "bf16"))
    driver = Driver(tmp_path / "f", plan)
    for number, block in enumerate(plan.blocks):
        out = tmp_path / f"out-{number}" / "results.jsonl"
        (name,) = block.variants
        shown = exhibits(out, "same", seed=number)
        left = {str(p.relative_to(out.parent)): p.read_bytes() for p in out.parent.rglob("*") if p.is_file()}
        result = Result("shapes", name, "p", quality=quality(), exhibits=shown)
        driver.attempt(block, Ending.PASSED, {RESULTS: results_file(block, [result]), **left})
    driver.end()
    (run,) = merged(tmp_path / "f").values()
    shown_all = [r.exhibits for r in run.results]
    seen = {
        read_exhibit(tmp_path / "f" / "results", each.pictures[0].variant)
        for each in shown_all
        if each is not None
    }
    assert len(seen) == 2
    assert all(
        e is not None and e.numbers is not None and e.numbers.startswith("exhibits/") for e in shown_all
    )


@pytest.mark.parametrize(("damage", "said"), [("gone", "is gone"), ("changed", "is damaged")])
def test_a_file_that_is_not_as_it_was_left_is_named(damage: str, said: str, tmp_path: Path) -> None:
    folder = plain(tmp_path / "f")
    attempt = read_folder(folder).account.attempts[0]
    name = next(sha for file, sha in attempt.files.items() if file == RESULTS)
    path = folder / OBJECTS / name
    path.unlink() if damage == "gone" else path.write_bytes(b"{}\n")
    with pytest.raises(StoreError, match=f"{RESULTS} of block {attempt.block[:12]} {said}; restore it"):
        merge_folder(read_folder(folder))


def test_results_that_are_none_are_named_with_their_block(tmp_path: Path) -> None:
    plan = planned(work=(Work.COUNTS,))
    driver = Driver(tmp_path / "f", plan)
    driver.attempt(plan.blocks[0], Ending.PASSED, {RESULTS: b'{"kind": "nonsense"}\n'}, machine="node-7")
    driver.end()
    with pytest.raises(StoreError, match=f"of block {plan.blocks[0].id[:12]}, from node-7: "):
        merge_folder(read_folder(tmp_path / "f"))


def test_only_a_folder_of_a_plan_is_one(tmp_path: Path) -> None:
    folder = plain(tmp_path / "f")
    assert is_folder(folder)
    assert not is_folder(tmp_path)
    assert not is_folder(folder / "plan.json")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "plan.json").write_bytes((folder / "plan.json").read_bytes())
    assert not is_folder(tmp_path / "g")


def test_the_plan_of_another_ledger_is_refused(tmp_path: Path) -> None:
    one, other = plain(tmp_path / "f"), plain(tmp_path / "g", seed=2)
    (one / "plan.json").write_bytes((other / "plan.json").read_bytes())
    with pytest.raises(StoreError, match="is not the plan of"):
        read_folder(one)


def test_nothing_was_run_yet(tmp_path: Path) -> None:
    Driver(tmp_path / "f", planned()).end()
    assert merge_folder(read_folder(tmp_path / "f")) == []
    assert not (tmp_path / "f" / "results").exists()


# -- names in a history --------------------------------------------------------------------------------


def runs_of(**changes: object) -> tuple[list[str | None], list[Merged]]:
    plan = planned(work=(Work.COUNTS,), **changes)
    pieces = [Piece(b, Run("r", BEGAN, DEVICES["cpu"], tuple(counts(b)))) for b in plan.blocks]
    found = merge(plan, pieces, BEGAN, lambda run, result: None)
    return [name for name, _ in names(plan, found)], found


def test_one_environment_has_the_hardwares_name() -> None:
    assert runs_of()[0] == [None]


def test_environments_are_devices_of_their_own_even_where_one_has_no_results() -> None:
    both = {"before": BEFORE, "after": AFTER}
    assert runs_of(environments=both)[0] == ["cpu-example-2t@after", "cpu-example-2t@before"]
    plan = planned(work=(Work.COUNTS,), environments=both)
    block = next(b for b in plan.blocks if b.environments == ("after",))
    pieces = [Piece(block, Run("r", BEGAN, DEVICES["cpu"], tuple(counts(block))))]
    found = merge(plan, pieces, BEGAN, lambda run, result: None)
    assert [name for name, _ in names(plan, found, "lab")] == ["lab@after"]


def test_two_classes_of_the_same_device_need_names() -> None:
    with pytest.raises(ValueError, match="cpu-example-2t would be two devices, of the classes cpu and spare"):
        runs_of(devices={"cpu": CPU, "spare": replace(CPU, name="spare")})
