"""Latency in units of the reference: what is measured, and the reason where nothing is; no model runs."""

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sessions import make_session

from perfsuite.device import Snapshot, Tf32, load
from perfsuite.device.load import Stretch
from perfsuite.measuring.pieces import Piece
from perfsuite.pipelines import Prepared, variants, workloads
from perfsuite.pipelines.technique import Context
from perfsuite.records import Device, Relative, Session
from perfsuite.workers import relative
from perfsuite.workers.relative import measure_relative, with_relative

if TYPE_CHECKING:
    from collections.abc import Callable

DEVICE = Device("cpu", "Example CPU", "cpu-example-4", 4, 2**34)
PIECES = {
    "fp32": {"text": 0.2, "step": 0.1, "vae": 0.4},
    "bf16": {"text": 0.1, "step": 0.03, "vae": 0.2},
}
"""Seconds of each kind of piece."""


def prepared(variant: str) -> Prepared:
    empty = SimpleNamespace(parameters=lambda: iter(()))
    pipe = SimpleNamespace(
        name=variant, scheduler=Schedule(), unet=empty, vae=empty, text_encoder=empty, text_encoder_2=empty
    )
    return Prepared(
        pipe, Context(workloads.SHAPES, variants.get(variant), DEVICE), (), Stretch(0.1), Snapshot({}), "hub"
    )


class Schedule:
    """As many timesteps as steps, and more."""

    more = 0

    def set_timesteps(self, steps: int, device: str) -> None:
        self.timesteps = list(range(steps + self.more))


class FakePieces:
    """A pipeline whose pieces take the seconds of `PIECES`."""

    made: list["FakePieces"]
    fails = False

    def __init__(self, side: Prepared) -> None:
        self.variant, self.steps = side.context.variant.name, side.context.drawn.steps
        self.per_call = self.steps + side.pipe.scheduler.more + 2
        self.done, self.closed = 0, False
        self.interval = int(side.context.variant.lossy[0].value or 1) if side.context.variant.lossy else 1
        self.made.append(self)

    def advance(self) -> Piece:
        place = self.done % self.per_call
        self.done += 1
        if self.fails and self.done == 12:
            raise MemoryError("no room")
        name = "text" if place == 0 else "vae" if place == self.per_call - 1 else "step"
        # The first call of all is a warm-up and does not count.
        factor = 50.0 if self.done <= self.per_call and self.variant == "fp32" else 1.0
        if "deepcache" in self.variant and name == "step" and (place - 1) % self.interval:
            factor = 0.2
        return Piece(name, factor * PIECES[self.variant][name])

    def close(self) -> None:
        self.closed = True


def busy(monkeypatch: pytest.MonkeyPatch, *cores: float) -> None:
    """Others keep so many cores busy during one pair of calls after the other; the last goes on."""
    at, every, number = 0.0, 0.0, -1

    def read() -> load.Reading:
        nonlocal at, every, number
        if number >= 0:
            at, every = at + 0.5, every + 0.5 * cores[min(number, len(cores) - 1)]
        number += 1
        return load.Reading(at, every, 0.0)

    monkeypatch.setattr(relative.load, "read", read)
    monkeypatch.setattr(relative.load, "cores", lambda: DEVICE.count)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """In place of pipelines: what was built and released, and how much memory is free."""
    seen = SimpleNamespace(built=[], released=[], free=100, clock=0.0, pieces=FakePieces)

    def prepare(workload: Any, variant: Any, device: Any, weights: Any) -> Prepared:
        seen.built.append((workload, variant, device, weights))
        return prepared(variant.name)

    def release(pipe: Any, *, forget: bool = True) -> dict[str, Any]:
        seen.released.append((pipe.name, forget))
        return {}

    def monotonic() -> float:
        seen.clock += 1.0
        return seen.clock

    busy(monkeypatch, 0.0)
    monkeypatch.setattr(FakePieces, "made", [], raising=False)
    monkeypatch.setattr(relative, "Pieces", FakePieces)
    monkeypatch.setattr(relative.pipelines, "prepare", prepare)
    monkeypatch.setattr(relative.pipelines, "release", release)
    monkeypatch.setattr(relative, "free_memory", lambda kind: seen.free)
    monkeypatch.setattr("perfsuite.workers.lockstep.time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(relative, "time", SimpleNamespace(monotonic=monotonic))
    return seen


def session(**changes: Any) -> Session:
    return make_session(**{"peak_memory_bytes": 80, "conditions": {"threads": 2.0}, **changes})


def test_ratio_of_whole_calls_from_their_pieces(fakes: SimpleNamespace) -> None:
    """Each kind weighs as in the workload's call of 30 steps, though turns are taken with six."""
    found = measure_relative(prepared("bf16"), 80, 0.5)
    assert isinstance(found, Relative)
    steps = workloads.SHAPES.steps
    assert steps == 30
    expected = (0.1 + steps * 0.03 + 0.2) / (0.2 + steps * 0.1 + 0.4)
    assert found.reference == "fp32"
    assert found.ratio == pytest.approx([expected] * 3)
    assert [p.steps for p in FakePieces.made] == [6, 6]
    # One call that does not count, and three that do.
    assert [p.done for p in FakePieces.made] == [4 * 8, 4 * 8]


@pytest.mark.parametrize(("variant", "short"), [("bf16+sdpa+lcm:4", 4), ("bf16+sdpa+lcm:8", 8)])
def test_few_steps_are_weighed_against_the_references_own_thirty(
    fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, variant: str, short: int
) -> None:
    """Turns are taken with as many steps on either side."""
    monkeypatch.setitem(PIECES, variants.get(variant).name, PIECES["bf16"])
    found = measure_relative(prepared(variant), 80, 0.5)
    assert isinstance(found, Relative)
    assert [p.steps for p in FakePieces.made] == [short, short]
    expected = (0.1 + short * 0.03 + 0.2) / (0.2 + 30 * 0.1 + 0.4)
    assert found.ratio == pytest.approx([expected] * 3)
    assert found.reference_s == pytest.approx([0.2 + 30 * 0.1 + 0.4] * 3)


@pytest.mark.parametrize("interval", [2, 3, 5, 10, 29])
def test_steps_that_cost_differently_are_added_up(
    fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, interval: int
) -> None:
    """Few dear steps among many cheap ones: whole calls of the workload's own steps, and no typical step."""
    variant = f"bf16+sdpa+deepcache:{interval}"
    monkeypatch.setitem(PIECES, variants.get(variant).name, PIECES["bf16"])
    found = measure_relative(prepared(variant), 80, 0.5)
    assert isinstance(found, Relative)
    assert [p.steps for p in FakePieces.made] == [30, 30]
    whole = len(range(0, 30, interval))
    expected = (0.1 + (whole + 0.2 * (30 - whole)) * 0.03 + 0.2) / (0.2 + 30 * 0.1 + 0.4)
    assert found.ratio == pytest.approx([expected] * 3)


def test_a_scheduler_that_ends_one_step_more_is_weighed_so(
    fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PNDM; where one side alone has it there are no turns, which is said."""
    monkeypatch.setattr(Schedule, "more", 1)
    found = measure_relative(prepared("bf16"), 80, 0.5)
    assert isinstance(found, Relative)
    assert found.reference_s == pytest.approx([0.2 + 31 * 0.1 + 0.4] * 3)
    mine = prepared("bf16")
    mine.pipe.scheduler.more = 2
    assert measure_relative(mine, 80, 0.5) == "a short call has 10 pieces, the reference's 9"


def test_a_larger_budget_is_more_calls(fakes: SimpleNamespace) -> None:
    """A value each; time is the test's, a second a look at the clock."""
    found = measure_relative(prepared("bf16"), 80, 10.0)
    assert isinstance(found, Relative)
    assert len(found.ratio) > 3


def test_the_reference_is_built_alike_and_released(fakes: SimpleNamespace) -> None:
    """Same workload, device and weights; compiled code of the pipeline beside it stays."""
    mine = prepared("bf16")
    measure_relative(mine, 80, 0.5)
    assert fakes.built == [(workloads.SHAPES, variants.REFERENCE, DEVICE, "hub")]
    assert fakes.released == [("fp32", False)]
    assert [(p.variant, p.closed) for p in FakePieces.made] == [("fp32", True), ("bf16", True)]
    assert mine.context.workload is workloads.SHAPES


def test_each_side_runs_under_its_own_settings(
    fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference turns TF32 off, for itself alone."""
    import torch

    seen: dict[str, set[tuple[str, bool]]] = {"fp32": set(), "bf16": set()}
    before, advance = Tf32.take(), FakePieces.advance
    build = relative.pipelines.prepare

    def prepare(*args: Any) -> Prepared:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        return build(*args)

    def looking(self: FakePieces) -> Piece:
        seen[self.variant].add((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        return advance(self)

    monkeypatch.setattr(relative.pipelines, "prepare", prepare)
    monkeypatch.setattr(FakePieces, "advance", looking)
    try:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        measure_relative(prepared("bf16"), 80, 0.5)
    finally:
        before.put()
    assert seen == {"fp32": {("highest", False)}, "bf16": {("high", True)}}


def test_it_is_released_after_an_error_too(fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakePieces, "fails", True)
    with pytest.raises(MemoryError, match="no room"):
        measure_relative(prepared("bf16"), 80, 0.5)
    assert fakes.released == [("fp32", False)]
    assert all(p.closed for p in FakePieces.made)


def test_the_reference_itself_is_measured_in_units_of_fixed_work(fakes: SimpleNamespace) -> None:
    """On a CPU, where there is such work; a GPU's host is not what is measured."""
    found = with_relative(session(), prepared("fp32"), 0.5).relative
    assert found is not None
    assert (found.reference, found.reference_s) == ("fixed work", found.fixed_work_s)
    call_s = 0.2 + workloads.SHAPES.steps * 0.1 + 0.4
    assert [r * f for r, f in zip(found.ratio, found.fixed_work_s, strict=True)] == pytest.approx(
        [call_s] * 3
    )
    assert fakes.built == []
    on_a_gpu = prepared("fp32")
    gpu = replace(on_a_gpu, context=replace(on_a_gpu.context, device=replace(DEVICE, kind="cuda")))
    assert with_relative(session(), gpu, 0.5).conditions["relative"] == "this is the reference"


def test_what_the_reference_and_fixed_work_took_stands_beside_each_ratio(fakes: SimpleNamespace) -> None:
    found = measure_relative(prepared("bf16"), 80, 0.5)
    assert isinstance(found, Relative)
    assert found.reference_s == pytest.approx([0.2 + workloads.SHAPES.steps * 0.1 + 0.4] * 3)
    assert len(found.fixed_work_s) == 3
    assert min(found.fixed_work_s) > 0


def test_pairs_beside_others_are_left_out(fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, 0.0, 1.0, 1.0, 0.1, 0.0, 0.0)
    found = measure_relative(prepared("bf16"), 80, 5.0)
    assert isinstance(found, Relative)
    assert found.contended == 2
    assert len(found.ratio) == len(found.fixed_work_s) == len(found.reference_s) >= 3


def test_with_too_few_others_there_is_no_ratio(
    fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After twice the budget; unless all is measured as it comes."""
    busy(monkeypatch, 1.0)
    assert measure_relative(prepared("bf16"), 80, 5.0) == (
        "other processes took its cores during 5 of 5 pairs of calls"
    )
    as_it_comes = measure_relative(prepared("bf16"), 80, 5.0, as_it_comes=True)
    assert isinstance(as_it_comes, Relative)
    assert as_it_comes.contended == len(as_it_comes.ratio)


def test_as_it_comes_beside_others_a_session_is_unfit(
    fakes: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ratios stand, and have no weight; three that nobody disturbed are enough."""
    busy(monkeypatch, 0.0, 1.0, 1.0, 1.0)
    found = with_relative(session(), prepared("bf16"), 10.0, as_it_comes=True)
    assert found.relative is not None
    assert found.unfit == "4 of 5 pairs of calls ran while other processes took its cores"
    busy(monkeypatch, 0.0, 0.0, 0.0, 0.0, 1.0)
    assert with_relative(session(), prepared("bf16"), 10.0, as_it_comes=True).unfit == ""


@pytest.mark.parametrize(
    ("variant", "free", "reason"),
    [
        ("bf16", 5 * 2**28 - 1, "no memory for the reference beside it: 1.2 GiB free, 1.2 GiB wanted"),
        ("bf16", 0, "no memory for the reference beside it: 0.0 GiB free, 1.2 GiB wanted"),
    ],
)
def test_the_reason_stands_in_the_conditions(
    variant: str, free: int, reason: str, fakes: SimpleNamespace
) -> None:
    """A quarter more than the pipeline's own peak must be free; nothing is built where it is not."""
    fakes.free = free
    found = with_relative(session(peak_memory_bytes=2**30), prepared(variant), 0.5)
    assert found.relative is None
    assert found.conditions == {"threads": 2.0, "relative": reason}
    assert fakes.built == []


def test_just_enough_memory_is_enough(fakes: SimpleNamespace) -> None:
    """And the session has nothing but the ratios added."""
    fakes.free = 5 * 2**28
    before = session(peak_memory_bytes=2**30)
    found = with_relative(before, prepared("bf16"), 0.5)
    assert found.relative is not None
    assert {**vars(found), "relative": None} == vars(before)


@pytest.mark.parametrize("budget_s", [0.0, -1.0])
def test_without_a_budget_nothing_is_measured(budget_s: float, fakes: SimpleNamespace) -> None:
    before = session()
    assert with_relative(before, prepared("bf16"), budget_s) is before
    assert fakes.built == []


def test_free_memory_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What programs may take without swapping."""
    import psutil

    total: Callable[[], Any] = psutil.virtual_memory
    assert 0 < relative.free_memory("cpu") < total().total
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=123))
    assert relative.free_memory("cpu") == 123
