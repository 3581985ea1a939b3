"""A plan is driven over an engine that does what its script says: where blocks go, and what is kept."""

import errno
import itertools
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_fleet import Does, Drive, Scripted, a_block, a_plan, overlapping, places

from perfsuite.fleet.driving.driver import DriverError, check
from perfsuite.fleet.executors import ExecutorError, Lost, Order
from perfsuite.fleet.ledger import file as ledgers
from perfsuite.fleet.ledger.file import Ledger, read_account, read_attempts
from perfsuite.records import Ending, Slot, Work
from perfsuite.store import StoreError

TIMED = [a_block(f"t{i}", Work.LATENCY, variant=f"v{i}") for i in range(4)]
SHARED = [a_block(f"s{i}") for i in range(8)]
DOCTOR = "doctor-"


def drive(tmp_path: Path, blocks: Any, engine: Scripted) -> Drive:
    return Drive(a_plan(*blocks), tmp_path / "fleet", engine)


def ended(folder: Path) -> list[tuple[str, str, Ending]]:
    """Of the plan's own blocks."""
    return [
        (a.block, a.machine, a.ending)
        for a in read_attempts(folder / "fleet")
        if not a.block.startswith(DOCTOR)
    ]


def only(block: str, **does: Any) -> Any:
    """A script for one block; the others pass."""
    return lambda order, slot: Does(**does) if order.block == block else Does()


def test_every_block_ends_once_and_its_files_are_kept(tmp_path: Path) -> None:
    engine = Scripted(places())
    run = drive(tmp_path, TIMED + SHARED, engine)
    end = run()
    assert sorted(name for name, _, _ in ended(tmp_path)) == sorted(b.id for b in run.plan.blocks)
    assert {ending for *_, ending in ended(tmp_path)} == {Ending.PASSED}
    assert (end.broken, end.unplaced) == ({}, {})
    assert engine.closed
    attempt = read_attempts(tmp_path / "fleet")[-1]
    kept = tmp_path / "fleet" / "objects" / attempt.files["results.jsonl"]
    assert kept.read_bytes() == b"{}\n"
    assert attempt.seconds == 10.0
    assert attempt.uuid.startswith("GPU-")
    assert attempt.free_bytes == 1 << 40


@pytest.mark.parametrize("seed", range(8))
def test_nothing_runs_beside_what_is_timed(seed: int, tmp_path: Path) -> None:
    """Whatever blocks take, and though machines and blocks fail."""
    chance = random.Random(seed)

    def script(order: Order, slot: Slot) -> Does:
        seconds = chance.uniform(1, 200)
        return (
            Does(seconds, lost="gone") if chance.random() < 0.05 else Does(seconds, chance.choice((0, 0, 1)))
        )

    blocks = [
        a_block(f"b{i}", chance.choice((Work.LATENCY, Work.AB, Work.COUNTS, Work.QUALITY)), variant=f"v{i}")
        for i in range(60)
    ]
    run = drive(tmp_path, blocks, Scripted(places(4, 3), script))
    run()
    assert overlapping(run.engine.spans) == []
    judged = [name for name, _, ending in ended(tmp_path) if ending in (Ending.PASSED, Ending.FAILED)]
    assert len(judged) == len(set(judged))


def test_an_overlap_would_be_found(tmp_path: Path) -> None:
    """The check above can fail: two timed blocks at once on one machine."""
    engine = Scripted(places(1, 2))
    run = drive(tmp_path, TIMED[:2], engine)
    for block, slot in zip(TIMED[:2], engine.places, strict=True):
        engine.start(run.conduct().order(run.plan, block, 1), slot)
    assert overlapping(engine.spans) == [("t0", "t1"), ("t1", "t0")]


class TestDoctor:
    def test_it_is_each_machines_first_block(self, tmp_path: Path) -> None:
        run = drive(tmp_path, TIMED + SHARED, Scripted(places()))
        run()
        for _, spans in itertools.groupby(
            sorted(run.engine.spans, key=lambda s: s.slot.machine), lambda s: s.slot.machine
        ):
            first, *others = sorted(spans, key=lambda span: span.begins_s)
            assert first.order.block.startswith(DOCTOR)
            assert all(other.begins_s >= first.ends_s for other in others)

    def test_an_unfit_machine_shares_only_and_is_named(self, tmp_path: Path) -> None:
        def script(order: Order, slot: Slot) -> Does:
            sick = order.block.startswith(DOCTOR) and slot.machine == "gpu0"
            return Does(exit_code=1 if sick else 0)

        run = drive(tmp_path, TIMED + SHARED, Scripted(places(), script))
        run()
        timed = {s.slot.machine for s in run.engine.spans if s.order.block.startswith("t")}
        shared = {s.slot.machine for s in run.engine.spans if s.order.block.startswith("s")}
        assert (timed, shared) == ({"gpu1"}, {"gpu0"})
        assert "gpu0: unfit for what is timed, it takes other blocks only: exit code 1" in run.lines

    def test_nothing_is_timed_where_all_are_unfit(self, tmp_path: Path) -> None:
        script = lambda order, slot: Does(exit_code=1 if order.block.startswith(DOCTOR) else 0)  # noqa: E731
        run = drive(tmp_path, TIMED[:1] + SHARED, Scripted(places(), script))
        end = run()
        assert end.unplaced == {"t0": "no machine with h100 is fit for what is timed: gpu0, gpu1"}
        assert len(ended(tmp_path)) == len(SHARED)

    def test_what_was_lost_is_tried_again_where_only_unfit_ones_are_besides(self, tmp_path: Path) -> None:
        def script(order: Order, slot: Slot) -> Does:
            if order.block.startswith(DOCTOR):
                return Does(exit_code=int(slot.machine == "gpu1"))
            return Does(lost="rebooted" if order.attempt == 1 else "")

        run = drive(tmp_path, TIMED[:1], Scripted(places(2, 1), script))
        assert run().unplaced == {}
        assert ended(tmp_path) == [("t0", "gpu0", Ending.LOST), ("t0", "gpu0", Ending.PASSED)]

    def test_none_where_nothing_is_timed(self, tmp_path: Path) -> None:
        run = drive(tmp_path, SHARED, Scripted(places()))
        run()
        assert len(run.engine.spans) == len(SHARED)

    def test_none_where_nobody_wants_it(self, tmp_path: Path) -> None:
        run = drive(tmp_path, TIMED, Scripted(places()))
        run(examines=False)
        assert sorted(name for name, *_ in ended(tmp_path)) == [b.id for b in TIMED]
        assert len(run.engine.spans) == len(TIMED)

    def test_none_where_a_queue_finds_machines(self, tmp_path: Path) -> None:
        engine = Scripted(places())
        engine.knows_machines = False
        run = drive(tmp_path, TIMED, engine)
        run()
        assert len(engine.spans) == len(TIMED)

    def test_another_sitting_asks_again(self, tmp_path: Path) -> None:
        run = drive(tmp_path, TIMED, Scripted(places()))
        run(limit_s=15.0)
        again = drive(tmp_path, TIMED, Scripted(places()))
        again()
        asked = [a for a in read_attempts(tmp_path / "fleet") if a.block.startswith(DOCTOR)]
        assert [a.number for a in asked] == [1, 1, 2, 2]


class TestRetries:
    def test_what_was_lost_is_tried_elsewhere(self, tmp_path: Path) -> None:
        script = lambda order, slot: Does(lost="node died" if slot.machine == "gpu0" else "")  # noqa: E731
        run = drive(tmp_path, SHARED[:1], Scripted(places(), script))
        run()
        assert ended(tmp_path) == [("s0", "gpu0", Ending.LOST), ("s0", "gpu1", Ending.PASSED)]
        first, second = read_attempts(tmp_path / "fleet")
        assert (first.cause, first.number, second.number) == ("node died", 1, 2)

    @pytest.mark.parametrize(
        "does", [Does(lost="node died"), Does(infrastructure="Xid 79"), Does(refused="no such interpreter")]
    )
    def test_three_failures_break_a_block(self, does: Does, tmp_path: Path) -> None:
        script = lambda order, slot: does if order.block == "s0" else Does()  # noqa: E731
        run = drive(tmp_path, SHARED, Scripted(places(4, 1), script))
        end = run()
        tries = [machine for name, machine, _ in ended(tmp_path) if name == "s0"]
        assert len(tries) == len(set(tries)) == 3
        cause = does.lost or does.infrastructure or does.refused
        assert end.broken == {"s0": f"failed 3 times, the last: {cause}"}
        assert len({name for name, _, ending in ended(tmp_path) if ending is Ending.PASSED}) == 7

    def test_a_verdict_is_never_tried_again(self, tmp_path: Path) -> None:
        run = drive(tmp_path, SHARED[:1], Scripted(places(), only("s0", exit_code=1)))
        run()
        again = drive(tmp_path, SHARED[:1], Scripted(places()))
        again()
        assert ended(tmp_path) == [("s0", "gpu0", Ending.FAILED)]
        assert again.engine.spans == []

    def test_an_error_is_not_tried_on_the_same_machine(self, tmp_path: Path) -> None:
        """Whose other blocks go on."""
        run = drive(tmp_path, SHARED[:2], Scripted(places(1, 1), only("s0", exit_code=4)))
        end = run()
        assert ended(tmp_path) == [("s0", "gpu0", Ending.ERROR), ("s1", "gpu0", Ending.PASSED)]
        assert end.broken == {"s0": "it failed on all machines with h100: gpu0, the last time: exit code 4"}
        assert end.unplaced == {}

    def test_what_its_engine_ended_is_no_error_of_the_block(self, tmp_path: Path) -> None:
        """Preempted, out of a job's time, or on a machine that is shut down: unless it had its verdict."""
        script = lambda order, slot: Does(exit_code=2, stopped_by="" if order.attempt > 1 else "SIGTERM")  # noqa: E731
        engine = Scripted(places(1, 1), script)
        run = drive(tmp_path, SHARED[:1], engine)
        run()
        assert [ending for *_, ending in ended(tmp_path)] == [Ending.LOST, Ending.ERROR]
        assert read_attempts(tmp_path / "fleet")[0].cause == "ended by its machine or its engine (SIGTERM)"
        drive(tmp_path / "judged", SHARED[:1], Scripted(places(), only("s0", stopped_by="SIGTERM")))()
        assert [ending for *_, ending in ended(tmp_path / "judged")] == [Ending.PASSED]

    def test_a_machine_on_which_all_fails_is_drained_and_nothing_is_lost(self, tmp_path: Path) -> None:
        """It fails within a second, and so would take every block before others have done their first."""
        script = lambda order, slot: Does(1.0, 3) if slot.machine == "gpu0" else Does(60.0)  # noqa: E731
        blocks = [a_block(f"s{i}") for i in range(40)]
        run = drive(tmp_path, blocks, Scripted(places(3, 2), script))
        end = run()
        assert end.broken == {}
        assert len({name for name, _, ending in ended(tmp_path) if ending is Ending.PASSED}) == 40
        assert "gpu0: drained, it takes no more blocks: 3 failures, the last: exit code 3" in run.lines

    def test_blocks_that_fail_everywhere_drain_no_machine(self, tmp_path: Path) -> None:
        script = lambda order, slot: Does(exit_code=4 if order.block < "s4" else 0)  # noqa: E731
        run = drive(tmp_path, SHARED, Scripted(places(3, 1), script))
        end = run()
        assert sorted(end.broken) == ["s0", "s1", "s2", "s3"]
        assert not [line for line in run.lines if "drained" in line]

    def test_three_losses_drain_a_machine(self, tmp_path: Path) -> None:
        script = lambda order, slot: Does(1.0, lost="rebooted") if slot.machine == "gpu0" else Does()  # noqa: E731
        run = drive(tmp_path, SHARED, Scripted(places(2, 1), script))
        run()
        assert [m for _, m, ending in ended(tmp_path) if ending is Ending.LOST] == ["gpu0"] * 3
        assert {m for _, m, ending in ended(tmp_path) if ending is Ending.PASSED} == {"gpu1"}

    def test_a_lost_block_of_the_only_machine_goes_to_another_device(self, tmp_path: Path) -> None:
        script = lambda order, slot: Does(infrastructure="Xid 79" if slot.id == "gpu0:0" else "")  # noqa: E731
        run = drive(tmp_path, SHARED[:1], Scripted(places(1, 2), script))
        run()
        assert [a.slot for a in read_attempts(tmp_path / "fleet")] == ["gpu0:0", "gpu0:1"]

    def test_what_a_queue_lost_it_knows_not_where_blames_no_machine(self, tmp_path: Path) -> None:
        """Its places are no machines: none is avoided, and none drained."""
        slots = [replace(s, machine=s.id) for s in places(1, 2)]
        engine = Scripted(slots, lambda order, slot: Does(lost="NODE_FAIL" if order.attempt < 3 else ""))
        engine.knows_machines = False
        told = engine.events

        def events(timeout_s: float) -> Any:
            return [replace(e, machine="") if isinstance(e, Lost) else e for e in told(timeout_s)]

        engine.events = events  # type: ignore[method-assign]
        run = drive(tmp_path, SHARED, engine)
        end = run()
        assert (end.broken, end.unplaced) == ({}, {})
        assert not [line for line in run.lines if "drained" in line]
        assert not any(span.order.avoid for span in engine.spans)

    @pytest.mark.parametrize("blocks", [TIMED, SHARED, TIMED + SHARED])
    def test_one_dead_device_drains_no_machine(self, blocks: Any, tmp_path: Path) -> None:
        """Neither do its doctor's losses."""
        script = lambda order, slot: Does(1.0, infrastructure="Xid 79" if slot.id == "gpu0:0" else "")  # noqa: E731
        run = drive(tmp_path, blocks, Scripted(places(1, 3), script))
        end = run()
        assert (end.broken, end.unplaced) == ({}, {})
        assert not [line for line in run.lines if "drained" in line]
        assert sum(span.slot.id == "gpu0:0" for span in run.engine.spans) == 2
        assert "gpu0:0: it takes no more blocks, since two were lost there: Xid 79" in run.lines

    def test_broken_blocks_are_tried_again_when_asked(self, tmp_path: Path) -> None:
        drive(tmp_path, SHARED[:1], Scripted(places(3, 1), only("s0", exit_code=4)))()
        drive(tmp_path, SHARED[:1], Scripted(places(3, 1)))()
        assert len(ended(tmp_path)) == 3
        drive(tmp_path, SHARED[:1], Scripted(places(3, 1)))(again=True)
        assert ended(tmp_path)[3:] == [("s0", "gpu0", Ending.PASSED)]
        assert read_attempts(tmp_path / "fleet")[3].number == 4


class TestNeeds:
    BLOCKS = (a_block("c", Work.COMPILE), a_block("t", Work.LATENCY, needs=("c",)))

    def test_what_is_compiled_goes_first(self, tmp_path: Path) -> None:
        run = drive(tmp_path, self.BLOCKS, Scripted(places(1, 1)))
        run()
        assert [name for name, _, _ in ended(tmp_path)] == ["c", "t"]

    @pytest.mark.parametrize("code", [1, 4])
    def test_a_failed_one_stops_nothing(self, code: int, tmp_path: Path) -> None:
        run = drive(tmp_path, self.BLOCKS, Scripted(places(1, 1), only("c", exit_code=code)))
        run()
        assert ended(tmp_path)[-1] == ("t", "gpu0", Ending.PASSED)

    def test_blocks_that_wait_for_each_other_are_refused(self) -> None:
        circle = (a_block("a", needs=("b",)), a_block("b", needs=("a",)))
        with pytest.raises(DriverError, match="wait for each other"):
            check(a_plan(*circle))


class TestDevices:
    LACKING = (a_block("x", device="a100"), *SHARED)

    def test_a_class_that_no_machine_has_is_said_and_given_up(self, tmp_path: Path) -> None:
        run = drive(tmp_path, self.LACKING, Scripted(places()))
        end = run(wait_s=300.0)
        said = "no machine has a100 (cuda, NVIDIA A100*); there is: 4 x cuda NVIDIA H100 80GB HBM3"
        assert end.unplaced == {"x": said}
        assert run.lines[0] == f"1 block waits: {said}; given up in 5.0 min unless one comes"
        assert len([line for line in run.lines if line.startswith("1 block waits")]) in (5, 6)
        assert 300.0 <= run.engine.clock() < 310.0
        assert len(ended(tmp_path)) == len(SHARED)

    def test_an_engine_that_takes_nothing_for_a_while_is_asked_again(self, tmp_path: Path) -> None:
        """No block has failed meanwhile, though each was refused."""
        engine = Scripted(places())
        engine.script = lambda order, slot: Does(unwilling="no controller" if engine.clock() < 150.0 else "")
        run = drive(tmp_path, SHARED, engine)
        assert (end := run(wait_s=300.0)).broken == end.unplaced == {}
        assert {name for name, _, ending in ended(tmp_path) if ending is Ending.PASSED} == {
            b.id for b in SHARED
        }
        assert 150.0 <= engine.clock() < 250.0
        assert {ending for *_, ending in ended(tmp_path)} == {Ending.REFUSED, Ending.PASSED}

    @pytest.mark.parametrize(("final", "until_s"), [(False, 300.0), (True, 0.0)])
    def test_an_engine_that_takes_nothing_is_given_up(
        self, final: bool, until_s: float, tmp_path: Path
    ) -> None:
        script = only("x", unwilling="invalid partition", final=final)
        run = drive(tmp_path, self.LACKING, Scripted([*places(), *places(1, 1, "a100", "old")], script))
        end = run(wait_s=300.0)
        assert end.unplaced == {"x": "invalid partition"}
        assert len({name for name, _, ending in ended(tmp_path) if ending is Ending.PASSED}) == len(SHARED)
        assert until_s <= run.engine.clock() < until_s + 70.0
        assert "1 block waits: invalid partition" in run.lines

    def test_it_is_taken_when_one_comes(self, tmp_path: Path) -> None:
        engine = Scripted(places())

        def turned(changed: bool) -> None:
            if engine.clock() > 120.0 and len(engine.places) == 4:
                engine.places += places(1, 1, "a100", "late")

        run = drive(tmp_path, self.LACKING, engine)
        assert run(turned=turned).unplaced == {}
        assert ("x", "late0", Ending.PASSED) in ended(tmp_path)

    def test_machines_that_go_are_not_asked(self, tmp_path: Path) -> None:
        engine = Scripted(places(2, 1))

        def script(order: Order, slot: Slot) -> Does:
            if slot.machine == "gpu0":
                engine.places = [s for s in engine.places if s.machine != "gpu0"]
                return Does(lost="node removed")
            return Does()

        engine.script = script
        run = drive(tmp_path, SHARED, engine)
        run()
        assert [m for _, m, ending in ended(tmp_path) if ending is Ending.LOST] == ["gpu0"]
        assert len({name for name, _, ending in ended(tmp_path) if ending is Ending.PASSED}) == 8

    def test_repeats_go_to_different_devices(self, tmp_path: Path) -> None:
        repeats = [a_block(f"r{i}", Work.LATENCY, repeat=i) for i in range(4)]
        run = drive(tmp_path, repeats, Scripted(places(2, 2)))
        run()
        assert len({s.slot.id for s in run.engine.spans if s.order.block.startswith("r")}) == 4

    def test_clocks_apart_are_said_once(self, tmp_path: Path) -> None:
        script = lambda order, slot: Does(0.1, ahead_s=90.0 if slot.machine == "gpu0" else 0.0)  # noqa: E731
        run = drive(tmp_path, SHARED, Scripted(places(), script))
        run()
        said = [line for line in run.lines if "clock" in line]
        assert said == ["gpu0: its clock is 90 s ahead of this machine's; the ledger keeps this one's"]


class TestEnds:
    def test_stop_ends_what_runs_and_notes_it(self, tmp_path: Path) -> None:
        run = drive(tmp_path, SHARED, Scripted(places(1, 2)))
        run(stopped=lambda: run.engine.clock() > 12.0)
        assert run.engine.stopped == ["s2", "s3"]
        assert [ending for *_, ending in ended(tmp_path)] == [Ending.PASSED] * 2 + [Ending.STOPPED] * 2
        assert run.engine.closed
        drive(tmp_path, SHARED, Scripted(places(1, 2)))()
        passed = [name for name, _, ending in ended(tmp_path) if ending is Ending.PASSED]
        assert sorted(passed) == [b.id for b in SHARED]

    def test_what_does_not_stop_is_noted_too(self, tmp_path: Path) -> None:
        engine = Scripted(places(1, 1), only("s0", seconds=1e6))
        engine.stop = engine.stopped.append  # type: ignore[method-assign]
        run = drive(tmp_path, SHARED[:1], engine)
        run(stopped=lambda: engine.clock() > 12.0)
        (attempt,) = read_attempts(tmp_path / "fleet")
        assert (attempt.ending, attempt.cause) == (
            Ending.STOPPED,
            "did not end within 30 s of being told to",
        )

    def test_a_limit_begins_nothing_more(self, tmp_path: Path) -> None:
        run = drive(tmp_path, SHARED, Scripted(places(1, 1)))
        end = run(limit_s=25.0)
        assert len(ended(tmp_path)) == 3
        assert (end.broken, end.unplaced) == ({}, {})

    def test_an_engine_that_goes_loses_what_runs_only(self, tmp_path: Path) -> None:
        engine = Scripted(places(1, 2))
        told = engine.events

        def events(timeout_s: float) -> Any:
            if engine.clock() > 15.0:
                raise ExecutorError("the cluster has gone")
            return told(timeout_s)

        engine.events = events  # type: ignore[method-assign]
        with pytest.raises(ExecutorError, match="gone"):
            drive(tmp_path, SHARED, engine)()
        assert engine.closed
        assert [ending for *_, ending in ended(tmp_path)] == [Ending.PASSED] * 2
        drive(tmp_path, SHARED, Scripted(places(1, 2)))()
        assert [e for *_, e in ended(tmp_path)] == [Ending.PASSED] * 2 + [Ending.STOPPED] * 2 + [
            Ending.PASSED
        ] * 6

    def test_a_full_disk_loses_what_runs_only(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The line that did not fit is not half there."""
        engine = Scripted(places(1, 2))
        written = ledgers._write_all

        def full(stream: Any, data: bytes) -> None:
            if engine.clock() > 15.0:
                written(stream, data[:20])
                raise OSError(errno.ENOSPC, "No space left on device")
            written(stream, data)

        with monkeypatch.context() as patch:
            patch.setattr(ledgers, "_write_all", full)
            with pytest.raises(StoreError, match="No space left on device"):
                drive(tmp_path, SHARED, engine)()
        assert engine.closed
        assert (tmp_path / "fleet" / "ledger.jsonl").read_bytes().endswith(b"}\n")
        drive(tmp_path, SHARED, Scripted(places(1, 2)))()
        passed = [name for name, _, ending in ended(tmp_path) if ending is Ending.PASSED]
        assert sorted(passed) == [b.id for b in SHARED]

    def test_an_engine_that_tells_twice_is_not_believed(self, tmp_path: Path) -> None:
        engine = Scripted(places(1, 1))
        told = engine.events
        engine.events = lambda timeout_s: [*(found := told(timeout_s)), *found]  # type: ignore[method-assign]
        with pytest.raises(ExecutorError, match="an error in the engine"):
            drive(tmp_path, SHARED[:1], engine)()

    def test_a_plan_of_another_perfsuite_is_refused(self) -> None:
        with pytest.raises(DriverError, match=r"made by perfsuite 0\.0\.1"):
            check(replace(a_plan(*SHARED), perfsuite="0.0.1"))

    def test_a_sitting_is_closed_by_its_end(self, tmp_path: Path) -> None:
        run = drive(tmp_path, SHARED[:1], Scripted(places()))
        run()
        account = read_account(tmp_path / "fleet")
        assert account is not None
        assert account.sitting is not None
        assert account.sitting.engine == "scripted"
        assert account.end is not None
        assert account.running == {}
        with Ledger.open(tmp_path / "fleet", a_plan(*SHARED[:1])) as ledger:
            assert len(ledger.attempts) == 1
