"""A field trial of the smallest size: real processes, real load, code that is slower in each of them."""

from pathlib import Path

import pytest

from perfsuite.fieldtrial.environment import build
from perfsuite.fieldtrial.journal import Plan
from perfsuite.fieldtrial.regimes import REGIMES
from perfsuite.fieldtrial.running import Runner
from perfsuite.fieldtrial.sessions import read_pool
from perfsuite.fieldtrial.trial import Extent, judged, run_trial
from perfsuite.records import Status


@pytest.mark.selftest
def test_a_trial_measures_twice_the_work_in_every_process(tmp_path: Path) -> None:
    """The share is what was asked for, the verdict is not OK, and the session shows it."""
    plan = Plan(
        workload="shapes@64x64+6steps", variants=("bf16",), checks=1, seed=1, time_budget_s=0.5
    )  # fmt: skip
    extent = Extent([REGIMES["burst-check"]], (100,), 1)
    steps = run_trial(tmp_path, plan, extent, Runner(build(tmp_path / "environment")), progress=print)
    assert [step.exit_code in (0, 1) for step in steps] == [True] * 2, [step.said for step in steps]
    slowed = steps[-1]
    assert slowed.more_work == pytest.approx([1.0] * len(slowed.more_work), abs=0.03)
    # A suspect is measured again by fresh processes, and those are slowed as well.
    assert len(slowed.more_work) >= (1 if slowed.verdicts["bf16"].status is Status.INCONCLUSIVE else 2)
    assert {j.outcome for j in judged(steps, plan, extent) if j.slowed} <= {"REGRESSED", "INCONCLUSIVE"}
    pool = read_pool(tmp_path)
    quiet, twice = (
        min(min(moment.sessions["bf16"].latency_s) for moment in pool[key])
        for key in (("quiet", 0), ("burst", 100))
    )  # type: ignore[index]
    assert twice / quiet > 1.2
