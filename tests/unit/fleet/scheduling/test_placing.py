"""Which block goes where: two queues, and what no schedule beats."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from scripted_fleet import A100, H100, a_block, places

from perfsuite.fleet.scheduling.forecasting import Forecast, forecast, lower_bound_s
from perfsuite.fleet.scheduling.placing import (
    Held,
    Lack,
    Park,
    Placement,
    Situation,
    kin,
    obstacle,
    place,
    ranked,
    ready,
    suits,
)
from perfsuite.records import Block, DeviceClass, Slot, Work

DEVICES = {"h100": H100, "a100": A100}


def situation(slots: Sequence[Slot], blocks: Sequence[Block], **values: Any) -> Situation:
    """In which each block is expected to take as many seconds as its repeat says."""
    seconds = {block.id: float(block.cells[0].repeat) for block in blocks}
    running = values.pop("running", ())
    seconds |= {held.block.id: 10.0 for held in running}
    return Situation(park=Park(DEVICES, slots), running=running, seconds=seconds, **values)


def block(name: str, seconds: int, work: Work = Work.COUNTS, **values: Any) -> Block:
    return a_block(name, work, repeat=seconds, **values)


def timed(name: str, seconds: int, **values: Any) -> Block:
    return block(name, seconds, Work.LATENCY, **values)


def where(placed: Sequence[Placement]) -> dict[str, str]:
    return {each.block.id: each.slot.machine for each in placed}


def placed(waiting: Sequence[Block], now: Situation) -> dict[str, str]:
    return where(place(ranked(waiting, now.seconds), now))


def test_longest_first_in_the_plans_order() -> None:
    blocks = [block("a", 1), block("b", 3), block("c", 3), block("d", 2)]
    assert [b.id for b in ranked(blocks, {"a": 1.0, "b": 3.0, "c": 3.0, "d": 2.0})] == ["b", "c", "d", "a"]


def test_what_is_timed_has_a_machine_for_itself() -> None:
    waiting = [timed("t0", 9), timed("t1", 8), block("s0", 7), block("s1", 6)]
    assert placed(waiting, situation(places(2, 2), waiting)) == {"t0": "gpu0", "t1": "gpu1"}
    assert placed(waiting[1:], situation(places(2, 2), waiting)) == {"t1": "gpu0", "s0": "gpu1", "s1": "gpu1"}


def test_nothing_starts_beside_it_and_it_starts_beside_nothing() -> None:
    slots = places(1, 3)
    waiting = [timed("t", 5), block("s", 5)]
    beside_timed = [Held(slots[0], timed("now", 10), 4.0)]
    beside_shared = [Held(slots[0], block("now", 10), 4.0)]
    assert placed(waiting, situation(slots, waiting, running=beside_timed)) == {}
    assert placed(waiting, situation(slots, waiting, running=beside_shared)) == {}


def test_a_machine_is_kept_free_for_it_but_for_what_ends_before() -> None:
    slots = places(1, 3)
    waiting = [timed("t", 5), block("long", 5), block("short", 4)]
    now = situation(slots, waiting, running=[Held(slots[0], block("now", 10), 4.0)])
    assert placed(waiting, now) == {"short": "gpu0"}


def test_a_full_machine_is_kept_free_too() -> None:
    """And the one that is empty soonest, though another has free slots now."""
    slots = places(2, 2)
    running = [
        Held(slots[0], block("x", 10), 1.0), Held(slots[1], block("y", 10), 2.0),
        Held(slots[2], block("z", 10), 50.0),
    ]  # fmt: skip
    waiting = [timed("t", 5), block("s", 100)]
    assert placed(waiting, situation(slots, waiting, running=running)) == {"s": "gpu1"}


def test_overdue_blocks_starve_nothing() -> None:
    """What takes longer than expected makes no room for more beside it."""
    slots = places(1, 2)
    waiting = [timed("t", 5), block("s", 1)]
    now = situation(slots, waiting, running=[Held(slots[0], block("now", 10), 0.0)])
    assert placed(waiting, now) == {}


def test_the_rest_fills_the_fullest_machine() -> None:
    slots = places(3, 2)
    waiting = [block("s", 5)]
    now = situation(slots, waiting, running=[Held(slots[2], block("now", 10), 4.0)])
    assert placed(waiting, now) == {"s": "gpu1"}


def test_what_others_wait_for_goes_before_what_is_timed() -> None:
    waiting = [timed("t", 9), block("c", 1, Work.COMPILE)]
    now = situation(places(1, 2), waiting, needed={"c"})
    assert placed(waiting, now) == {"c": "gpu0"}


def test_unfit_machines_share_and_drained_ones_rest() -> None:
    waiting = [timed("t", 9), block("s0", 5), block("s1", 4)]
    slots = places(3, 1)
    now = situation(slots, waiting, unfit={"gpu0"}, drained={"gpu1"})
    assert placed(waiting, now) == {"t": "gpu2", "s0": "gpu0"}


def test_an_unexamined_machine_takes_nothing() -> None:
    waiting = [timed("t", 9), block("s", 5)]
    assert placed(waiting, situation(places(1, 2), waiting, unexamined={"gpu0"})) == {}


def test_barred_machines_and_slots() -> None:
    waiting = [block("s", 5)]
    slots = places(2, 2)
    (found,) = place(waiting, situation(slots, waiting, barred={"s": {"gpu0", "gpu1:0"}}))
    assert found.slot.id == "gpu1:1"


def test_devices_by_pattern_kind_and_label() -> None:
    slot = Slot(
        id="a", machine="a", kind="cuda", model="NVIDIA H100 80GB HBM3", uuid="GPU-0", labels={"zone": "a"}
    )
    assert suits(H100, slot)
    assert not suits(A100, slot)
    assert not suits(DeviceClass(name="cpu", kind="cpu"), slot)
    assert suits(DeviceClass(name="a", kind="cuda", labels={"zone": "a"}), slot)
    assert not suits(DeviceClass(name="b", kind="cuda", labels={"zone": "b"}), slot)
    untold = Slot(id="b", machine="b", kind="cuda", model="")
    assert suits(A100, untold)


def test_obstacles() -> None:
    waiting = [timed("t", 1), block("x", 1, device="a100")]
    slots = places(2, 1)
    now = situation(slots, waiting)
    assert obstacle(waiting[0], now) is None
    found = [
        obstacle(waiting[1], now),
        obstacle(waiting[0], situation(slots, waiting, drained={"gpu0", "gpu1"})),
        obstacle(waiting[0], situation(slots, waiting, barred={"t": {"gpu0"}}, drained={"gpu1"})),
        obstacle(waiting[0], situation(slots, waiting, unfit={"gpu0", "gpu1"})),
    ]
    assert [each and each.lack for each in found] == [Lack.DEVICE, Lack.MACHINE, Lack.OTHER, Lack.FIT]


def test_ready_blocks_wait_for_nothing_unfinished() -> None:
    blocks = [block("c", 1), timed("t", 1, needs=("c", "of another part"))]
    assert [b.id for b in ready(blocks, {"c", "t"})] == ["c"]
    assert [b.id for b in ready(blocks, {"t"})] == ["c", "t"]


class TestLowerBound:
    PARK = Park(DEVICES, places(2, 4))

    @pytest.mark.parametrize(
        ("blocks", "bound"),
        [
            ([block("a", 70), block("b", 10)], 70.0),
            ([block(str(i), 10) for i in range(16)], 20.0),
            # Each takes all four slots of a machine.
            ([timed(str(i), 10) for i in range(16)], 80.0),
            ([timed("t", 10), *(block(str(i), 10) for i in range(12))], 20.0),
            ([block("c", 30, Work.COMPILE), timed("t", 20, needs=("c",))], 50.0),
        ],
    )
    def test_by_hand(self, blocks: list[Block], bound: float) -> None:
        assert lower_bound_s(blocks, self.PARK, situation((), blocks).seconds) == bound

    def test_classes_apart(self) -> None:
        """One class's machines are of no use to another's blocks."""
        park = Park(DEVICES, [*places(1, 4), *places(1, 1, "a100", "old")])
        blocks = [block(str(i), 10, device="a100") for i in range(5)]
        assert lower_bound_s(blocks, park, situation((), blocks).seconds) == 50.0


def drawn(seed: int) -> tuple[list[Block], Park]:
    """Blocks and machines of any kind."""
    chance = random.Random(seed)
    slots = [
        slot
        for i in range(chance.randint(1, 6))
        for slot in places(1, chance.randint(1, 8), chance.choice(["h100", "h100", "a100"]), f"m{i}-")
    ]
    blocks: list[Block] = []
    for i in range(chance.randint(1, 120)):
        work = chance.choice([Work.LATENCY, Work.AB, Work.COMPILE, Work.COUNTS, Work.QUALITY])
        compiled = [b for b in blocks if b.work is Work.COMPILE]
        needs = (chance.choice(compiled).id,) if compiled and work is Work.LATENCY else ()
        blocks.append(
            block(f"b{i}", chance.randint(1, 600), work, device=chance.choice(list(DEVICES)), needs=needs)
        )
    return blocks, Park(DEVICES, slots)


def check(found: Forecast, blocks: Sequence[Block]) -> None:
    """Each block once, on a device of its class, after its needs, timed ones alone, no slot twice at once."""
    steps = {step.block.id: step for step in found.steps}
    assert len(steps) == len(found.steps) == len(blocks) - sum(found.unplaced.values())
    for step in found.steps:
        assert suits(DEVICES[step.block.device], step.slot)
        assert all(steps[need].ends_s <= step.begins_s for need in step.block.needs if need in steps)
        for other in found.steps:
            if other is step or other.ends_s <= step.begins_s or step.ends_s <= other.begins_s:
                continue
            assert other.slot.id != step.slot.id
            if step.block.work.exclusive:
                assert other.slot.machine != step.slot.machine


@pytest.mark.parametrize("seed", range(40))
def test_schedules_hold_and_bounds_are_none_beaten(seed: int) -> None:
    blocks, park = drawn(seed)
    seconds = situation((), blocks).seconds
    found = forecast(blocks, park, seconds)
    check(found, blocks)
    assert found.seconds >= found.lower_bound_s - 1e-6


def test_repeats_are_kin() -> None:
    assert kin(timed("a", 0)) == kin(timed("b", 1))
    assert kin(timed("a", 0)) != kin(timed("b", 1, workload="sdxl"))


def test_doctors_come_first_in_a_forecast() -> None:
    blocks = [timed("t", 100), block("s", 10)]
    park = Park(DEVICES, places(1, 2))
    assert forecast(blocks, park, situation((), blocks).seconds).seconds == 110.0
    assert forecast(blocks, park, situation((), blocks).seconds, examined=True).seconds == 155.0
