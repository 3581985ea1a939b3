"""The page of a plan: what is bad, missing or cannot be told stands there as such; links lead somewhere."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fleet_folders import (
    CASE,
    GPUS,
    H100,
    Driver,
    everything,
    failure,
    junit,
    latency,
    pictures,
    plain,
    results_file,
    skip,
    well,
)
from planned import AFTER, BEFORE, GPU, planned
from sample_runs import verdict, write_baselines

from perfsuite.fleet.blocks.endings import JUNIT, RESULTS, SIDES
from perfsuite.fleet.planning.matrix import Comparison
from perfsuite.fleet.results.reading import Reading, read
from perfsuite.records import Ending, PlannedEnvironment, Status, Work
from perfsuite.report.fleet import page, site, text
from perfsuite.report.fleet.page import View

HOSTILE = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """One of everything."""
    return read(everything(tmp_path_factory.mktemp("fleet") / "f"))


def words(of: View, variant: str, environment: str, device: str) -> dict[str, str]:
    """What each kind of work came to in a square."""
    (table,) = of.tables
    (row,) = [row for row in table.rows if row.variant == variant]
    (field,) = [f for f in row.fields if f is not None and f.column[:2] == (environment, device)]
    return {mark.work.value: mark.badge.word for mark in field.marks}


def fine(**changes: str) -> dict[str, str]:
    return {"latency": "OK", "structure": "OK", "counts": "OK", "quality": "OK", **changes}


@pytest.mark.parametrize(
    ("variant", "environment", "device", "expected"),
    [
        ("fp32", "after", "h100", fine()),
        ("bf16-sdpa", "after", "h100", fine(latency="REGRESSED")),
        ("bf16-sdpa-compile", "after", "h100", fine(quality="DEGRADED")),
        ("bf16", "after", "cpu", fine(latency="INCONCLUSIVE", structure="FAILED")),
        ("bf16-sdpa-compile", "after", "cpu", fine(structure="SKIPPED")),
        ("fp32", "before", "h100", fine(counts="UNPLACED")),
        ("fp32", "before", "cpu", fine(latency="GIVEN UP", quality="WAITING")),
    ],
)
def test_each_square_says_what_came_of_each_work(
    mixed: Reading, variant: str, environment: str, device: str, expected: dict[str, str]
) -> None:
    assert words(page.view(mixed, {}), variant, environment, device) == expected


def test_the_sentence_counts_what_is_bad_and_what_is_not_known(mixed: Reading) -> None:
    view = page.view(mixed, {})
    # 1 DEGRADED, 1 FAILED, 1 REGRESSED and 3 A/Bs; 4 given up, 4 unplaced and 4 waiting.
    assert view.verdict == "6 bad, 12 not known, 1 inconclusive of 76"
    assert (view.tone, view.bad) == ("bad", 6)
    assert sum(count for _, count in view.counts) == 76


def test_everything_that_is_not_fine_is_named_with_its_reason(mixed: Reading) -> None:
    named = {(n.badge.word, n.name, n.where): n.detail for n in page.view(mixed, {}).named}
    assert named["FAILED", "shapes, structure: bf16", "after on cpu"].startswith(
        "structure: 3 synchronisations in a step"
    )
    rungs = "fp32, bf16, bf16-sdpa, bf16-sdpa-compile"
    assert named["GIVEN UP", f"shapes, latency: {rungs}", "before on cpu"] == (
        "failed 3 times, the last: ended by SIGSEGV"
    )
    assert named["UNPLACED", f"shapes, counts: {rungs}", "before on h100"].startswith("no machine has")
    assert named["REGRESSED", "shapes, A/B: fp32", "before → after on cpu"] == "+6.1% in turns"
    assert ("WAITING", f"shapes, quality: {rungs}", "before on cpu") in named
    assert len(named) == 8


def test_the_status_and_the_page_are_of_the_same_states(mixed: Reading) -> None:
    """Each cell of the page is in the state that a look beside the driver counts."""
    assert Counter(square.state for square in mixed.squares) == Counter(mixed.status.cells)
    assert page.view(mixed, {}).unsaid == 0


def test_gpus_stand_against_each_other(mixed: Reading) -> None:
    """The second GPU of the sample is 2 % slower than the first, the third 4 %."""
    after, before = page.view(mixed, {}).gpus
    assert [(shift.gpu, shift.sessions) for shift in after.gpus] == [(gpu, 4) for gpu in reversed(GPUS)]
    assert [shift.ratio for shift in after.gpus] == pytest.approx([1.0196, 1.0, 0.981], abs=0.002)
    assert 0.015 < after.sd < 0.02
    assert (after.known, before.known) == (3, 3)


def test_machines_and_attempts_and_their_cost(mixed: Reading) -> None:
    view = page.view(mixed, {})
    assert [(m.name, m.badge.word) for m in view.machines] == [
        ("node-1", "everything"), ("node-2", "what is not timed"), ("node-3", "not examined")
    ]  # fmt: skip
    assert "others take 3.1 of 8 cores" in view.machines[1].reason
    assert [(t.ending, t.number, t.cause) for t in view.tried if t.ending == "lost"] == [
        ("lost", 1, "Xid 79: the GPU is off the bus")
    ]
    latency_cost = next(cost for cost in view.costs if cost.work == "latency")
    # Eleven with a verdict, three that crashed and one that was lost, of forty seconds each.
    assert (latency_cost.blocks, latency_cost.device_s, latency_cost.lost_s) == (12, 15 * 40.0, 4 * 40.0)


def test_all_is_well(tmp_path: Path) -> None:
    view = page.view(read(plain(tmp_path / "f")), {})
    assert (view.verdict, view.tone, view.bad) == ("All 8 are as they should be", "good", 0)
    assert view.named == ()
    assert view.gpus == ()


def test_what_has_nothing_to_compare_with_is_not_called_fine(tmp_path: Path) -> None:
    plan = planned(work=(Work.LATENCY,), variants=("fp32", "bf16"))
    driver = Driver(tmp_path / "f", plan)
    driver.judged(plan.blocks[0], latency(plan.blocks[0], fp32=verdict(Status.NEW)))
    driver.end()
    view = page.view(read(tmp_path / "f"), {})
    assert (view.verdict, view.tone, view.bad) == ("1 new of 2", "unsure", 0)
    assert view.said.startswith("1 of 2 marks are fine")


def judged(path: Path, files: dict[str, bytes], ending: Ending, work: Work = Work.STRUCTURE) -> View:
    """The page of one block that left these files."""
    plan = planned(work=(work,), variants=("fp32", "bf16"))
    driver = Driver(path, plan)
    cause = "the run as a whole: a pipeline is left in memory" if ending is Ending.FAILED else ""
    driver.attempt(plan.blocks[0], ending, files, cause=cause)
    driver.end()
    return page.view(read(path), {})


def test_a_block_that_failed_as_a_whole_is_bad_in_all_its_cells(tmp_path: Path) -> None:
    """All of its tests passed, or nobody can read which did not."""
    block = planned(work=(Work.STRUCTURE,), variants=("fp32", "bf16")).blocks[0]
    for number, left in enumerate(({JUNIT: junit(block)}, {}, {JUNIT: b"<testsuites><tests"})):
        view = judged(tmp_path / str(number), left, Ending.FAILED)
        assert view.bad == 2
        assert {n.detail for n in view.named} == {"the run as a whole: a pipeline is left in memory"}


def test_a_test_of_the_workload_is_nobodys_and_everybodys(tmp_path: Path) -> None:
    block = planned(work=(Work.QUALITY,), variants=("fp32", "bf16")).blocks[0]
    cases = junit(block).replace(
        b"</testsuite>",
        f'<testcase name="test_golden[shapes]">{failure("golden DEGRADED")}</testcase></testsuite>'.encode(),
    )
    left = {JUNIT: cases, RESULTS: results_file(block, pictures(block))}
    view = judged(tmp_path / "f", left, Ending.FAILED, Work.QUALITY)
    assert view.bad == 2
    assert view.named[0].detail == "golden: golden DEGRADED"


@pytest.mark.parametrize(("variants", "bad"), [(("bf16",), 1), (("fp32", "bf16"), 0)])
def test_a_twin_that_is_no_cell_is_bad_in_its_block(
    variants: tuple[str, ...], bad: int, tmp_path: Path
) -> None:
    """One that is a cell is judged where it is one."""
    plan = planned(work=(Work.LATENCY,), variants=variants, rungs=1)
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        files = {JUNIT: junit(block), RESULTS: results_file(block, latency(block))}
        if block.twin:
            slow = CASE.format(name='"test_latency"', key='"shapes/fp32"', end=failure("fp32 REGRESSED"))
            files[JUNIT] = files[JUNIT].replace(b"</testsuite>", f"{slow}</testsuite>".encode())
        driver.attempt(block, Ending.FAILED if block.twin else Ending.PASSED, files, cause="fp32 REGRESSED")
    driver.end()
    view = page.view(read(tmp_path / "f"), {})
    assert view.bad == bad, view.named
    assert [n.detail for n in view.named] == ["shapes/fp32: latency: fp32 REGRESSED"] * bad


def test_what_a_block_says_nothing_of_is_missing(tmp_path: Path) -> None:
    """It ended well, and its report has no test of the second variant; the first was skipped."""
    block = planned(work=(Work.STRUCTURE,), variants=("fp32",)).blocks[0]
    view = judged(tmp_path / "f", {JUNIT: junit(block, {"fp32": skip("needs a GPU")})}, Ending.PASSED)
    (table,) = view.tables
    marks = [field.gravest for row in table.rows for field in row.fields if field is not None]
    assert [(mark.badge.word, mark.detail) for mark in marks] == [("SKIPPED", "needs a GPU"), ("MISSING", "")]
    assert view.bad == 0


def test_one_bad_repeat_of_three_that_are_fine_together_is_not_bad(tmp_path: Path) -> None:
    """Its gate failed on a slow GPU; the verdict on all sessions says that they cannot tell."""

    def without_ratio(result: Any, factor: float = 1.0) -> Any:
        calls = tuple(factor * s for s in result.session.latency_s)
        return replace(result, session=replace(result.session, latency_s=calls, relative=None))

    make = {"work": (Work.LATENCY,), "variants": ("fp32",), "devices": {"h100": GPU}}
    (block,) = planned(**make).blocks
    write_baselines(tmp_path / "b", [without_ratio(latency(block, GPUS[0])[0])], 5, H100)
    plan = planned(**make, repeats=3, baselines=str(tmp_path / "b"))
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        repeat = block.cells[0].repeat
        slow = repeat == 1
        found = without_ratio(latency(block, GPUS[repeat])[0], 1.2 if slow else 1.0)
        found = replace(found, verdict=verdict(Status.REGRESSED if slow else Status.OK))
        ends = {"fp32": failure("REGRESSED")} if slow else {}
        driver.judged(block, [found], gpu=GPUS[repeat], ends=ends)
    driver.end()
    view = page.view(read(tmp_path / "f"), {})
    assert view.bad == 0
    assert words(view, "fp32", "after", "h100") == {"latency": "INCONCLUSIVE"}
    assert "REGRESSED on GPU-77e0beef" in view.named[0].detail


@pytest.mark.parametrize("left", [b"no JSON", b"[]", b'{"kind": "ab", "status": "FINE"}', b"{}"])
def test_an_ab_whose_figures_cannot_be_read_is_missing(left: bytes, tmp_path: Path) -> None:
    plan = planned(
        work=(), environments={"before": BEFORE, "after": AFTER},
        comparisons=(Comparison(base="before", head="after", variants=("fp32",)),),
    )  # fmt: skip
    driver = Driver(tmp_path / "f", plan)
    driver.attempt(plan.blocks[0], Ending.PASSED, {SIDES: left})
    driver.end()
    view = page.view(read(tmp_path / "f"), {})
    assert [row.mark.badge.word for row in view.comparisons] == ["MISSING"]
    assert view.tables == ()


# -- pages ---------------------------------------------------------------------------------------------


def test_links_lead_to_the_results(tmp_path: Path) -> None:
    """Each square's to the variant of its own environment and device."""
    first = site.write(everything(tmp_path / "f"), tmp_path / "page", tmp_path / "none")
    html, runs = first.read_text(), (tmp_path / "page" / "runs.html").read_text()
    found = set(re.findall(r'href="runs\.html#([\w-]+)"', html))
    assert len(found) == 16
    for name in found:
        assert f'id="{name}"' in runs
    view = page.view(read(tmp_path / "f"), site.links(read(tmp_path / "f")))
    (field,) = [
        f for f in view.tables[0].rows[0].fields if f is not None and f.column[:2] == ("before", "h100")
    ]
    number = [m.environment + m.device for _, m in read(tmp_path / "f").runs].index("beforeh100")
    assert field.link == f"runs.html#run-{number}-variant-0"


def test_before_anything_was_run_there_is_a_page(tmp_path: Path) -> None:
    Driver(tmp_path / "f", planned()).end()
    first = site.write(tmp_path / "f", tmp_path / "page", tmp_path / "none")
    assert "8 not known of 8" in first.read_text()
    assert not (tmp_path / "page" / "runs.html").exists()


def test_names_and_causes_are_text(tmp_path: Path) -> None:
    """From a matrix, a machine or a test: nothing of them is markup or control on a terminal."""
    hostile = PlannedEnvironment(name="after", packages={"torch": HOSTILE}, lock=HOSTILE)
    plan = planned(name=HOSTILE, environments={"after": hostile}, variants=("fp32", "bf16"))
    driver = Driver(tmp_path / "f", plan)
    for block in plan.blocks:
        driver.attempt(block, Ending.LOST, machine=HOSTILE, cause=f"{HOSTILE}\x1b[2J")
        if block.work is Work.STRUCTURE:
            well(driver, block, machine=HOSTILE)
        else:
            slower = verdict(Status.REGRESSED, 1.2, detail=f"{HOSTILE}\x1b[2J")
            driver.judged(block, latency(block, fp32=slower), ends={"fp32": failure(HOSTILE)})
    driver.end()
    of = read(tmp_path / "f")
    html = page.render(of, {}, datetime(2026, 3, 4, tzinfo=UTC))
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "\x1b" not in text.matrix(page.view(of, {}), 100)


# -- a terminal ----------------------------------------------------------------------------------------


def test_the_matrix_on_a_terminal(mixed: Reading) -> None:
    lines = text.matrix(page.view(mixed, {}), 120).splitlines()
    assert lines[0] == "6 bad, 12 not known, 1 inconclusive of 76"
    assert lines[2] == "shapes"
    assert lines[3].split() == "after on cpu after on h100 before on cpu before on h100".split()
    row = next(line for line in lines if line.startswith("bf16-sdpa  "))
    assert "REGRESSED +15.0 %" in row
    assert "counts UNPLACED +1.0 %" in row
    assert (
        "shapes fp32       before -> after  cpu   REGRESSED +6.1 %; REGRESSED +6.1 %; REGRESSED +6.1 %"
        in lines
    )
    assert max(map(len, lines)) <= 120


def test_a_narrow_terminal_has_a_line_for_each_square(mixed: Reading) -> None:
    lines = text.matrix(page.view(mixed, {}), 60).splitlines()
    at = lines.index("bf16-sdpa")
    assert lines[at + 2].split() == ["after", "on", "h100", "REGRESSED", "+15.0", "%"]
