"""What a run ran in, what it came to, and the events that follow from one to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from nights import AROUND, measured, night_run
from sample_runs import DEVICE, result

from perfsuite.decision import unjudged
from perfsuite.records import HistoryEvent, Outcome, Result, Status
from perfsuite.store.history.origins import environment_of, missing_of, outcome_of
from perfsuite.tracking.life.evaluate import begun

if TYPE_CHECKING:
    from perfsuite.store.history import History

REFUSED = Result("shapes", "fp8", "p", verdict=unjudged(Status.LESS_JUDGED, "no such kernel"))


def test_environments_are_equal_by_their_content() -> None:
    """Of any order; another version, commit or driver is another."""
    one = environment_of(night_run(0))
    assert one == environment_of(night_run(5, id="x"))
    others: list[dict[str, Any]] = [
        {"versions": {"torch": "2.14.0"}}, {"git": {"torch": "def"}},
        {"environment": {**AROUND, "driver": "551"}},
    ]  # fmt: skip
    ids = {environment_of(night_run(0, measured(session=change))).id for change in others}
    assert len(ids | {one.id}) == 4


def test_python_is_no_package_and_what_is_absent_none() -> None:
    versions = {"python": "3.12.1", "torch": "2.13.0", "torchao": "not installed"}
    found = environment_of(night_run(0, measured(session={"versions": versions})))
    assert found.versions == {"torch": "2.13.0"}
    assert found.surroundings["python"] == "3.12.1"


def test_a_gpu_tells_driver_and_cuda() -> None:
    device = replace(DEVICE, kind="cuda", details={"driver": "550.2", "cuda": "12.8"})
    around = environment_of(night_run(0, result("bf16"), device=device)).surroundings
    assert (around["driver"], around["cuda"]) == ("550.2", "12.8")


@pytest.mark.parametrize(
    ("results", "timed", "missing", "outcome"),
    [
        ([measured("fp32"), measured("bf16")], True, (), Outcome.COMPLETE),
        ([measured("fp32")], True, ("shapes/bf16",), Outcome.PARTIAL),
        ([measured("fp32"), measured("bf16"), REFUSED], True, ("shapes/fp8",), Outcome.PARTIAL),
        ([result("fp32", session=None), measured("bf16")], True, ("shapes/fp32",), Outcome.PARTIAL),
        ([result("fp32", session=None), measured("bf16")], False, (), Outcome.COMPLETE),
        ([REFUSED], True, ("shapes/fp32", "shapes/bf16", "shapes/fp8"), Outcome.NOTHING),
    ],
)
def test_what_a_run_came_to(
    results: list[Result], timed: bool, missing: tuple[str, ...], outcome: Outcome
) -> None:
    """A timed run measures sessions; what the device cannot run is missing only where a verdict says so."""
    run = night_run(0, *results, chosen=("shapes/fp32", "shapes/bf16"), asked=("shapes/other",), timed=timed)
    assert (missing_of(run), outcome_of(run)) == (missing, outcome)


def test_a_run_of_nothing_is_kept(history: History) -> None:
    """That a night ran nothing is worth knowing."""
    history.add(replace(night_run(0), results=(), chosen=("shapes/bf16",)))
    (run,) = history.runs()
    assert (run.outcome, run.missing, run.environment.versions) == (Outcome.NOTHING, ("shapes/bf16",), {})


# -- events ------------------------------------------------------------------------------------------


def around(**changes: str) -> dict[str, Any]:
    return {"session": {"environment": {**AROUND, **changes}}}


def events(history: History) -> list[tuple[str, str, str]]:
    return [(e.night[-2:], e.kind, e.text) for e in history.events()]


def test_another_driver_and_another_machine(history: History) -> None:
    """Once each; kernel, cores and memory limit are none."""
    history.add(night_run(0))
    for night in (1, 2):
        found = around(driver="560", threads="4", kernel=f"6.{night}", cores=f"{night}")
        added = history.add(night_run(night, measured(**found)))
        assert len(added.events) == (2 if night == 1 else 0)
    assert events(history) == [
        ("05", "driver", "driver 550.1 -> 560"), ("05", "machine", "threads 2 -> 4"),
    ]  # fmt: skip


def test_other_details_of_the_device(history: History) -> None:
    details = {"power_limit_w": "700", "index": "0"}
    history.add(night_run(0, device=replace(DEVICE, details=details)))
    history.add(night_run(1, device=replace(DEVICE, details={**details, "index": "1"})))
    history.add(night_run(2, device=replace(DEVICE, details={**details, "power_limit_w": "350"})))
    assert events(history) == [("06", "machine", "power_limit_w 700 -> 350")]


def test_another_protocol(history: History) -> None:
    history.add(night_run(0, measured(protocol="64x64")))
    history.add(night_run(1, measured(protocol="128x128")))
    assert [(e.kind, e.text, e.workload) for e in history.events()] == [
        ("protocol", "64x64 -> 128x128", "shapes")
    ]
    assert len({s.protocol for s in history.series()}) == 2


def test_another_adapter_is_an_event_of_its_variant_alone(history: History) -> None:
    """The workload's own protocol is as it was, in whatever order variants ran."""
    own = "shapes 64x64 prompt 'a'"
    for night, last in enumerate("aab"):
        lora = replace(
            night_run(night, measured(protocol=f"{own} loads lora.safetensors {last * 12}")).results[0],
            variant="fp32-lora",
        )
        run = night_run(night, measured(protocol=own))
        results = (lora, *run.results) if night else (*run.results, lora)
        history.add(replace(run, results=results))
    (event,) = history.events()
    assert (event.night[-2:], event.kind, event.workload) == ("06", "protocol", "shapes/fp32-lora")
    assert event.text.endswith(" loads lora.safetensors bbbbbbbbbbbb")
    assert {s.variant for s in history.series() if begun(s, [event])} == {"fp32-lora"}
    assert {s.variant for s in history.series()} > {"fp32-lora"}


def test_a_run_that_tells_nothing_is_none(history: History) -> None:
    """As of an older file, or of a night that measured nothing."""
    history.add(night_run(0))
    history.add(night_run(1, measured(session={"environment": {}})))
    history.add(replace(night_run(2), results=()))
    history.add(night_run(3, measured(**around(driver="560"))))
    assert events(history) == [("07", "driver", "driver 550.1 -> 560")]


def test_a_run_that_comes_late_moves_an_event(history: History) -> None:
    """The driver changed a night earlier than it seemed; what was noted by hand stays."""
    history.add(night_run(0))
    history.add(night_run(4, measured(**around(driver="560"))))
    by_hand = HistoryEvent(DEVICE.slug, "2026-03-08", "other", "new room")
    assert (history.add_event(by_hand), history.add_event(by_hand)) == (True, False)
    history.add(night_run(2, measured(**around(driver="560"))))
    assert events(history) == [("06", "driver", "driver 550.1 -> 560"), ("08", "other", "new room")]
    assert history.events("another") == []
