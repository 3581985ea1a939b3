"""What blocks are expected to take: by those most alike, or by their limits."""

from pathlib import Path
from typing import Any

import pytest
from scripted_fleet import Drive, Scripted, a_block, a_plan, places

from perfsuite.fleet.ledger.times import Expectation, Past, Sure, expect, pasts_beside, read_past, seconds_of
from perfsuite.fleet.planning.files import PLAN, write_plan
from perfsuite.fleet.planning.identity import identified
from perfsuite.records import Attempt, Block, Ending, Work
from perfsuite.store import StoreError


def took(block: Block, *seconds: float, ending: Ending = Ending.PASSED) -> Past:
    return Past(
        {block.id: block},
        [
            Attempt(
                block=block.id, number=1, machine="m", slot="s", uuid="u", began="", ended="", seconds=each,
                placed_s=0.0, ending=ending,
            )
            for each in seconds
        ],
    )  # fmt: skip


def of(block: Block, *pasts: Past) -> Expectation:
    return expect([block], pasts)[block.id]


BLOCK = a_block("new", Work.LATENCY, variant="bf16")


@pytest.mark.parametrize(
    ("like", "sure"),
    [
        ({"variant": "bf16"}, Sure.ABOUT),
        ({"variant": "fp32"}, Sure.PERHAPS),
        ({"variant": "bf16", "device": "a100"}, Sure.PERHAPS),
        ({"variant": "bf16", "workload": "sdxl"}, Sure.PERHAPS),
    ],
)
def test_the_median_of_those_alike(like: dict[str, Any], sure: Sure) -> None:
    past = took(a_block("old", Work.LATENCY, **like), 10.0, 50.0, 30.0)
    assert of(BLOCK, past) == Expectation(30.0, sure)


def test_those_most_alike_count_alone() -> None:
    same = took(a_block("old", Work.LATENCY, variant="bf16"), 10.0)
    other = took(a_block("older", Work.LATENCY, variant="fp32"), 90.0)
    assert of(BLOCK, other, same) == Expectation(10.0, Sure.ABOUT)


def test_a_variant_more_takes_longer() -> None:
    two = Block(
        id="two", work=Work.LATENCY, workload="shapes", environments=("here",), device="h100",
        cells=(BLOCK.cells[0], a_block("x", variant="fp32").cells[0]),
    )  # fmt: skip
    assert of(two, took(BLOCK, 20.0)) == Expectation(40.0, Sure.PERHAPS)


@pytest.mark.parametrize("ending", [Ending.ERROR, Ending.LOST, Ending.STOPPED, Ending.TIMEOUT])
def test_what_had_no_verdict_tells_nothing(ending: Ending) -> None:
    past = took(a_block("old", Work.LATENCY, variant="bf16"), 1.0, ending=ending)
    assert of(BLOCK, past) == Expectation(3600.0, Sure.AT_MOST)


def test_other_work_tells_nothing_and_limits_hold() -> None:
    assert of(BLOCK, took(a_block("old", Work.QUALITY), 5.0)).sure is Sure.AT_MOST
    short = a_block("short", Work.LATENCY, variant="bf16", limit_s=7.0)
    assert seconds_of(expect([short], [took(BLOCK, 20.0)])) == {"short": 7.0}


def test_folders_beside_are_read(tmp_path: Path) -> None:
    """But not the own one; those that cannot be read are named."""
    plan = identified(a_plan(a_block("b")))
    for name in ("monday", "tuesday"):
        Drive(plan, tmp_path / name, Scripted(places()))()
        write_plan(tmp_path / name / PLAN, plan)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ledger.jsonl").write_text("nothing\n")
    lines: list[str] = []
    (past,) = pasts_beside(tmp_path / "tuesday", lines.append)
    assert [(a.block, a.seconds) for a in past.attempts] == [("b", 10.0)]
    assert len(lines) == 1
    assert str(tmp_path / "broken") in lines[0]
    with pytest.raises(StoreError, match="there is no ledger; name a folder"):
        read_past(tmp_path)
