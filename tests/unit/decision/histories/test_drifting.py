"""Planted drift is told, sooner where it is faster."""

import numpy as np

from perfsuite.decision.histories.drifting import drift
from perfsuite.decision.traces import Traces


def test_fast_drift_is_told() -> None:
    """2 % a night within ten nights in sessions that scatter by 1 %; nothing in the first week of none."""
    rng = np.random.default_rng(0)
    sessions = np.exp(rng.normal(0, 0.01, (1, 20, 1)) + rng.normal(0, 0.01, (1, 20, 12)))
    found = drift(Traces(sessions, ("a",), ("",), "made up"), "cpu-relative", 2, 0)
    by = {(d.rule, d.a_night): d.delays for d in found}
    assert max(by["history", 0.02]) <= 10
    assert min(by["history", 0.0]) > 7
    assert max(by["frozen baseline", 0.02]) <= 10
