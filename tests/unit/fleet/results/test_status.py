"""How far a plan is, by its ledger, and how it is said."""

from pathlib import Path
from typing import Any

import pytest
from scripted_fleet import Does, Drive, Scripted, a_block, a_plan, places

from perfsuite.fleet.driving.attempts import utc_now
from perfsuite.fleet.ledger.account import Begun
from perfsuite.fleet.ledger.file import Ledger, read_account
from perfsuite.fleet.ledger.times import expect
from perfsuite.fleet.results.status import Status, status
from perfsuite.fleet.scheduling.forecasting import forecast
from perfsuite.fleet.scheduling.placing import Park
from perfsuite.records import CellState, Work
from perfsuite.report import running as show

BLOCKS = (
    a_block("t", Work.LATENCY, variant="bf16"), a_block("c", Work.COMPILE), a_block("bad"), a_block("odd"),
    a_block("x", device="a100"),
)  # fmt: skip
PLAN = a_plan(*BLOCKS)


def script(order: Any, slot: Any) -> Does:
    if order.block == "odd" or (order.block == "t" and slot.machine == "gpu0"):
        return Does(exit_code=4)
    sick = order.block.startswith("doctor-") and slot.machine == "gpu1"
    return Does(exit_code=1 if order.block == "bad" or sick else 0)


def found(folder: Path, *, driven: bool = False) -> Status:
    account = read_account(folder)
    assert account is not None
    return status(PLAN, account, utc_now(), driven=driven, expected=expect(PLAN.blocks, ()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a plan that was run to its end."""
    Drive(PLAN, tmp_path, Scripted(places(3, 1), script))()
    return tmp_path


def test_blocks_by_what_became_of_them(folder: Path) -> None:
    """What is compiled ahead is no cell that anybody wants to know."""
    now = found(folder)
    assert now.states == {
        "t": CellState.DONE, "c": CellState.DONE, "bad": CellState.DONE, "odd": CellState.BROKEN,
        "x": CellState.UNPLACED,
    }  # fmt: skip
    assert dict(now.cells) == {CellState.DONE: 2, CellState.BROKEN: 1, CellState.UNPLACED: 1}
    assert now.failed == 1
    assert now.reasons["odd"].startswith("failed 3 times")
    assert now.reasons["x"].startswith("no machine has a100")
    assert [failed.machine for failed in now.tried_again["t"]] == ["gpu0"]
    assert now.left_s is None


def test_machines(folder: Path) -> None:
    machines = {machine.name: machine for machine in found(folder).machines}
    assert [(m.fit, m.drained) for m in machines.values()] == [(True, False), (False, False), (True, False)]
    assert machines["gpu1"].reason == "exit code 1"
    assert machines["gpu0"].busy_s >= 20.0
    assert machines["gpu0"].free_bytes == 1 << 40


def test_a_running_driver(folder: Path) -> None:
    begun = Begun(block="t", number=9, machine="gpu2", slot="gpu2:0", uuid="u", began=utc_now())
    plan = a_plan(*BLOCKS)
    (folder / "ledger.jsonl").unlink()
    with Ledger.open(folder, plan) as ledger:
        ledger.add(begun)
    now = found(folder, driven=True)
    assert now.states["t"] is CellState.RUNNING
    assert [(each.block and each.block.id, each.machine) for each in now.running] == [("t", "gpu2")]
    assert now.left_s == pytest.approx(5 * 3600.0, abs=5)
    assert now.times
    # What a killed driver had begun runs no more.
    assert found(folder).states["t"] is CellState.WAITING
    assert found(folder).running == ()
    text = show.status(now, PLAN, 120, 0)
    assert "plan nightly: 0 of 4 cells known, 1 run, 3 wait; at most 5.0 h left" in text
    assert "latency shapes 0 s of 60.0 min" in text
    assert "no driver runs it" in show.status(found(folder), PLAN, 120)


def test_how_it_is_said(folder: Path) -> None:
    text = show.status(found(folder), PLAN, 160, 0)
    assert text.splitlines()[0] == (
        "plan nightly, on scripted: 2 of 4 cells known, 1 broken, 1 without a machine; "
        "bad verdicts in 1 block"
    )
    assert "gpu1: exit code 1" in text
    assert "broken: counts shapes fp32 (here): failed 3 times, the last: exit code 4" in text
    assert "what is broken is tried again by perfsuite run with this --out and --again" in text
    assert "without a machine: counts shapes fp32 (here): no machine has a100" in text
    assert "tried again after error on gpu0: latency shapes bf16 (here): exit code 4" in text
    assert max(map(len, show.status(found(folder), PLAN, 80).splitlines())) <= 80


def test_a_forecast_is_said_as_surely_as_it_is_known() -> None:
    park = Park(PLAN.devices, places(2, 2))
    expected = expect(PLAN.blocks, ())
    text = show.forecast(
        forecast(PLAN.blocks, park, {name: each.seconds for name, each in expected.items()}),
        expected, PLAN, park, 160,
    )  # fmt: skip
    assert text.startswith("plan nightly: at most 2.0 h for 4 blocks on 4 devices of 2 machines")
    assert "times: 4 by their limits, for nothing like them was run" in text
    assert "1 block goes nowhere: no machine has a100" in text
