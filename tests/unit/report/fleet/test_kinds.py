"""Devices of one class whose figures must not be compared stand under headers of their own, which say why."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fleet_folders import GPUS, H100, Driver, failure, latency, well
from planned import AFTER, BEFORE, CPU, GPU, planned
from sample_runs import DEVICE, verdict

from perfsuite.fleet.results.merging import names
from perfsuite.fleet.results.reading import Reading, read
from perfsuite.records import Device, Ending, Status, Work
from perfsuite.report.fleet import page, text

OLD = replace(H100, details={"index": "0", "driver": "550.54.15"})
NEW = replace(H100, details={"index": "0", "driver": "570.86.15"})
AVX2 = replace(DEVICE, slug="cpu-example-avx2-2t", details={"instruction_set": "AVX2"})
AVX512 = replace(DEVICE, slug="cpu-example-avx512-2t", details={"instruction_set": "AVX512"})
OTHER = replace(DEVICE, name="Other CPU", slug="cpu-other-4t", count=4)


def run(path: Path, by_repeat: Mapping[int, Device], device: Any = GPU, **changes: Any) -> Reading:
    """A plan whose repeats are measured on machines of their own; what is not timed, on the first of them."""
    usual = {"work": (Work.LATENCY, Work.STRUCTURE), "variants": ("fp32", "bf16"), "repeats": 2}
    plan = planned(**{**usual, "devices": {device.name: device}, **changes})
    driver = Driver(path, plan)
    for block in plan.blocks:
        repeat = block.cells[0].repeat
        if repeat in by_repeat:
            gpu = GPUS[repeat] if device.kind == "cuda" else ""
            well(driver, block, gpu, device=by_repeat[repeat], machine=f"node-{repeat}")
    driver.end()
    return read(path)


def heads(of: Reading) -> list[str]:
    (table,) = page.view(of, {}).tables
    return [column.where for column in table.columns]


@pytest.mark.parametrize(
    ("one", "two", "device", "expected"),
    [
        (OLD, NEW, GPU, ["after on h100, driver 550.54.15", "after on h100, driver 570.86.15"]),
        (AVX2, AVX512, CPU, ["after on cpu, instruction set AVX2", "after on cpu, instruction set AVX512"]),
        (DEVICE, OTHER, CPU, ["after on cpu, Example CPU, threads 2", "after on cpu, Other CPU, threads 4"]),
        (
            H100, replace(H100, slug="nvidia-h100-80gb-hbm3-500w"), GPU,
            ["after on h100, nvidia-h100-80gb-hbm3", "after on h100, nvidia-h100-80gb-hbm3-500w"],
        ),
    ],
)  # fmt: skip
def test_each_kind_has_a_header_that_says_what_differs(
    one: Device, two: Device, device: Any, expected: list[str], tmp_path: Path
) -> None:
    assert heads(run(tmp_path / "f", {0: one, 1: two}, device)) == expected


def test_what_was_not_recorded_is_as_what_was(tmp_path: Path) -> None:
    """As for baselines: an older file's sessions are like every other."""
    assert heads(run(tmp_path / "f", {0: H100, 1: NEW})) == ["after on h100"]


def test_devices_that_are_alike_have_one_header_without_more(tmp_path: Path) -> None:
    assert heads(run(tmp_path / "f", {0: NEW, 1: NEW})) == ["after on h100"]


def test_figures_of_two_kinds_are_in_no_one_verdict(tmp_path: Path) -> None:
    """Nor in one file: repeats on another driver are no repeats."""
    of = run(tmp_path / "f", {0: OLD, 1: NEW})
    assert [path.stem for path, _ in of.runs] == [
        "after--h100--nvidia-h100-80gb-hbm3--driver-550-54-15",
        "after--h100--nvidia-h100-80gb-hbm3--driver-570-86-15",
    ]
    assert [[len(r.repeats) for r in merged.run.results] for _, merged in of.runs] == [[0, 0], [0, 0]]
    assert len({merged.run.id for _, merged in of.runs}) == 2
    together = run(tmp_path / "g", {0: NEW, 1: NEW})
    assert [[len(r.repeats) for r in merged.run.results] for _, merged in together.runs] == [[1, 1]]


def test_a_quota_of_cores_is_in_no_slug_and_makes_another_machine(tmp_path: Path) -> None:
    """It is recorded by sessions alone; what its machine did besides stands with them."""
    work = (Work.LATENCY, Work.COUNTS, Work.STRUCTURE)
    plan = planned(work=work, variants=("fp32",), repeats=2)
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        if block.work is Work.LATENCY:
            repeat = block.cells[0].repeat
            around = {"allocator": "glibc", **({"cpu_quota": "1.5"} if repeat else {})}
            (found,) = latency(block)
            assert found.session is not None
            found = replace(found, session=replace(found.session, environment=around))
            driver.judged(block, [found], machine=f"node-{repeat}")
        else:
            well(driver, block, machine="node-1")
    driver.end()
    of = read(tmp_path / "f")
    assert heads(of) == ["after on cpu, cpu quota 1.5", "after on cpu, no cpu quota"]
    (table,) = page.view(of, {}).tables
    (fields,) = [row.fields for row in table.rows]
    works = [[mark.work for mark in field.marks] for field in fields if field is not None]
    assert works == [[Work.LATENCY, Work.STRUCTURE, Work.COUNTS], [Work.LATENCY]]


def test_a_cell_stands_where_its_machine_does(tmp_path: Path) -> None:
    """Gates of structure leave no results: their machine tells. What was not measured stands apart."""
    of = run(tmp_path / "f", {0: OLD, 1: NEW}, repeats=3)
    (table,) = page.view(of, {}).tables
    assert [column.kind for column in table.columns] == [
        "driver 550.54.15", "driver 570.86.15", "device not known",
    ]  # fmt: skip
    marks = [
        {m.work: m.badge.word for m in field.marks} for field in table.rows[0].fields if field is not None
    ]
    assert marks == [
        {Work.LATENCY: "OK", Work.STRUCTURE: "OK"}, {Work.LATENCY: "OK"}, {Work.LATENCY: "WAITING"},
    ]  # fmt: skip


def test_what_is_bad_on_one_kind_is_bad_there_alone(tmp_path: Path) -> None:
    plan = planned(work=(Work.LATENCY,), variants=("fp32",), devices={"h100": GPU}, repeats=2)
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        repeat = block.cells[0].repeat
        slow = {"fp32": verdict(Status.REGRESSED, 1.2)} if repeat else {}
        ends = {"fp32": failure("REGRESSED")} if repeat else {}
        found = latency(block, GPUS[repeat], **slow)
        driver.judged(block, found, gpu=GPUS[repeat], device=NEW if repeat else OLD, ends=ends)
    driver.end()
    view = page.view(read(tmp_path / "f"), {})
    assert view.bad == 1
    assert [(n.badge.word, n.where) for n in view.named] == [("REGRESSED", "after on h100, driver 570.86.15")]


def test_environments_of_two_kinds_say_so_though_each_has_one(tmp_path: Path) -> None:
    """Side by side their figures look like a change of the environment."""
    both = {"before": BEFORE, "after": AFTER}
    plan = planned(work=(Work.LATENCY,), variants=("fp32",), devices={"h100": GPU}, environments=both)
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        well(driver, block, GPUS[0], device=OLD if block.environments == ("before",) else NEW)
    driver.end()
    assert sorted(heads(read(tmp_path / "f"))) == [
        "after on h100, driver 570.86.15", "before on h100, driver 550.54.15",
    ]  # fmt: skip


def test_both_forms_of_the_page_say_it(tmp_path: Path) -> None:
    of = run(tmp_path / "f", {0: OLD, 1: replace(NEW, details={"driver": "<b>570</b>"})})
    html = page.render(of, {}, datetime(2026, 3, 4, tzinfo=UTC))
    assert '<span class="device">driver 550.54.15</span>' in html
    assert "driver &lt;b&gt;570&lt;/b&gt;" in html
    assert "<b>570" not in html
    assert "after on h100, driver 550.54.15" in text.matrix(page.view(of, {}), 120)
    assert {each.kind for each in of.gpus} == {"driver 550.54.15", "driver <b>570</b>"}


def test_a_history_is_told_that_they_are_two(tmp_path: Path) -> None:
    of = run(tmp_path / "f", {0: OLD, 1: NEW})
    said = "nvidia-h100-80gb-hbm3 would be two devices, with driver 550.54.15 and with driver 570.86.15"
    with pytest.raises(ValueError, match=said):
        names(of.plan, [merged for _, merged in of.runs])


def test_a_block_without_any_end_is_on_no_machine(tmp_path: Path) -> None:
    """Its last attempt had a machine, and came to nothing there."""
    plan = planned(work=(Work.LATENCY,), variants=("fp32",), devices={"h100": GPU}, repeats=3)
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        repeat = block.cells[0].repeat
        if repeat == 2:
            driver.attempt(block, Ending.LOST, gpu=GPUS[0], cause="Xid 79")
        else:
            well(driver, block, GPUS[repeat], device=NEW if repeat else OLD)
    driver.end()
    assert heads(read(tmp_path / "f"))[-1] == "after on h100, device not known"
