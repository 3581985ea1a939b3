"""Runs of one night after another, for tests of the history."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any

from sample_runs import DATE, DEVICE, result, session

from perfsuite.records import (
    Change,
    Counts,
    Decision,
    Device,
    HistoryEvent,
    Nomination,
    Run,
    Series,
    SeriesKind,
    Shape,
    State,
    Trial,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from perfsuite.records import Result
    from perfsuite.store.history import History

AROUND = {"allocator": "glibc 2.36", "kernel": "6.1", "driver": "550.1", "threads": "2"}


def counts(operators: Mapping[str, int] | None = None, **changes: Any) -> Counts:
    """Of an eager pipeline."""
    values: dict[str, Any] = {
        "versions": {"torch": "2.13.0"}, "code_for": "AVX512, 2 threads",
        "operators": {"aten.add": 3} if operators is None else operators, "flop": {"unet": 10**12},
        "weights_bytes": {"unet": 5_000_000}, "kernels": None, "peak_bytes": None, "code_bytes": None,
    }  # fmt: skip
    return Counts(**{**values, **changes})


def measured(variant: str = "bf16", median_s: float = 0.5, **changes: Any) -> Result:
    """One variant of one night, with counts; changes of the session in ``session``."""
    of_session = {"environment": AROUND, "git": {"torch": "abc"}, **changes.pop("session", {})}
    usual = {"session": session(variant, median_s, **of_session), "counts": counts()}
    return result(variant, median_s, **{**usual, **changes})


def night_run(night: int, *results: Result, id: str = "", device: Device = DEVICE, **changes: Any) -> Run:
    """The run of the night so many days after the first."""
    date = (datetime.fromisoformat(DATE) + timedelta(days=night)).isoformat()
    found = results or (measured(),)
    return replace(Run(id or f"run-{night}", date, device, found), **changes)


NOTED = HistoryEvent(DEVICE.slug, "2026-03-06", "other", 'it\'s "moved"')
STEP = Change(
    "c1",
    Series(DEVICE.slug, "shapes", "shapes 128x128", "bf16", "latency", "s", SeriesKind.NOISY),
    Nomination(Shape.STEP, "2026-03-05", "2026-03-06", 0.5, 0.55, (1.05, 1.15), 7.5, "changes 1"),
    State.IGNORED,
    True,
    "2026-03-07",
    "2026-03-08",
    trials=(
        Trial(
            "c1", "confirm", {"torch": "2.12.0"}, {"torch": "2.13.0"}, "REGRESSED", 1.1, (1.05, 1.15), 61.5,
            "2026-03-07T03:00:00+00:00",
        ),
    ),
    decisions=(Decision("c1", State.IGNORED, "somebody", "2026-03-08", "known", "torch>=2.14"),),
)  # fmt: skip
EXACT = Change(
    "c2",
    replace(STEP.series, metric="operators: aten.add", unit="count", kind=SeriesKind.EXACT),
    Nomination(Shape.EXACT, "2026-03-04", "2026-03-05", 3.0, 4.0, None, inf, "changes 1"),
    State.CONFIRMED,
    True,
    "2026-03-05",
    "2026-03-05",
)


def fill(history: History) -> None:
    """Three nights, and one of everything else that a history holds."""
    for night, adds in enumerate((3, 4, 4)):
        of_session = {"environment": {**AROUND, "driver": "550.1" if night < 2 else "560"}}
        half = measured("bf16", 0.5 + night / 10, counts=counts({"aten.add": adds}), session=of_session)
        history.add(night_run(night, measured("fp32", 0.7, session=of_session), half))
    history.add(replace(night_run(3), results=(), chosen=("shapes/bf16",)))
    history.add_event(NOTED)
    history.save_changes([STEP, EXACT])
    for trial in STEP.trials:
        history.add_trial(trial)
    for decision in STEP.decisions:
        history.add_decision(decision)
