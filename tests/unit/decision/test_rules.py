"""Each peer's rule says what that project would say, worked out by hand where that is possible."""

import sys
from typing import Any

import numpy as np
import pytest

from perfsuite.decision import rules as peers
from perfsuite.decision.rules import RULES, Rule
from perfsuite.records import Status

OK, IMPROVED, REGRESSED = Status.OK, Status.IMPROVED, Status.REGRESSED
BY_NAME = {rule.name: rule for rule in RULES}
NOISE = np.array([-1.0, 0.5, 1.0, -0.5])


def sessions(level: float, spread: float = 0.001, count: int = 5) -> Any:
    """Processes whose samples differ a little, and that differ a little from each other."""
    shifts = np.linspace(-1.0, 1.0, count)[:, None]
    return level * (1.0 + spread * (NOISE[None, :] + 0.3 * shifts))


def usable(name: str) -> Rule:
    rule = BY_NAME[name]
    for module in rule.needs:
        pytest.importorskip(module, reason=f"pip install perfsuite[evaluate]: {name} calls its own code")
    return rule


@pytest.mark.parametrize("name", list(BY_NAME))
def test_clear_changes(name: str) -> None:
    """Without noise 20 % slower is found, equal sides are OK; faster is never called slower."""
    rule = usable(name)
    assert rule.decide(sessions(1.0), sessions(1.2)) is REGRESSED
    # 0.1 % of noise both sides, and the same numbers.
    assert rule.decide(sessions(1.0), sessions(1.0)) is OK
    faster = rule.decide(sessions(1.2), sessions(1.0))
    assert faster is (OK if name.startswith("pytest-benchmark") else IMPROVED)


@pytest.mark.parametrize(
    ("name", "below", "above"),
    [
        ("pytest-benchmark mean:5%", 1.049, 1.051),
        ("pytest-benchmark min:5%", 1.049, 1.051),
        ("asv", 1.099, 1.101),
        ("nvbench", 1.006, 1.008),
        ("criterion", 1.009, 1.012),
        ("Welch on minima", 1.009, 1.012),
        ("google-benchmark", 1.0001, 1.003),
        ("pyperf", 1.0001, 1.003),
    ],
)
def test_thresholds(name: str, below: float, above: float) -> None:
    """Each rule turns where its threshold lies; noise is 0.1 %."""
    rule = usable(name)
    assert rule.decide(sessions(1.0), sessions(below)) is OK
    assert rule.decide(sessions(1.0), sessions(above)) is REGRESSED


def test_mean_and_minimum_differ() -> None:
    """One slow call moves the mean only."""
    slow = sessions(1.0).copy()
    slow[0, 0] = 4.0
    assert usable("pytest-benchmark mean:5%").decide(sessions(1.0), slow) is REGRESSED
    assert usable("pytest-benchmark min:5%").decide(sessions(1.0), slow) is OK


def test_pyperf_without_variance() -> None:
    """Its test divides by zero, which it takes for significant; a tie is no change all the same."""
    rule = usable("pyperf")
    flat = np.ones((5, 4))
    assert rule.decide(flat, 1.001 * flat) is REGRESSED
    assert rule.decide(flat, 0.999 * flat) is IMPROVED
    assert rule.decide(flat, flat) is OK


def test_asv_needs_the_difference_too() -> None:
    """Medians beyond the factor of sides that overlap widely."""
    rng = np.random.default_rng(0)
    old = np.exp(rng.normal(0.0, 1.0, (5, 4)))
    fresh = old * 1.2
    assert np.median(fresh) > 1.1 * np.median(old)
    assert usable("asv").decide(old, fresh) is OK


def test_only_processes_count_for_welch() -> None:
    """Many samples of few processes that differ are no evidence to it, though they are to the others."""
    rng = np.random.default_rng(3)
    old = np.array([1.00, 1.02, 1.10])[:, None] * (1 + 0.001 * rng.random((3, 20)))
    fresh = np.array([1.03, 1.09, 1.13])[:, None] * (1 + 0.001 * rng.random((3, 20)))
    assert usable("google-benchmark").decide(old, fresh) is REGRESSED
    assert usable("Welch on minima").decide(old, fresh) is OK


def test_welch_with_one_process() -> None:
    """No spread between processes is known."""
    assert usable("Welch on minima").decide(sessions(1.0), sessions(2.0, count=1)) is Status.INCONCLUSIVE


def test_criterion_resamples_are_independent() -> None:
    """The sides' resamples are not each other's, or the interval of their ratio would shrink."""
    one, other = peers._weights(20, 20, 2), peers._weights(20, 20, 3)
    assert one.shape == (peers.RESAMPLES, 20)
    assert (one.sum(axis=1) == 20).all()
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_absent_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which, and how to get it; rules that need nothing are never absent."""
    for module in ("asv", "asv._stats"):
        monkeypatch.setitem(sys.modules, module, None)
    reason = BY_NAME["asv"].absent()
    assert reason is not None
    assert "asv" in reason
    assert reason.endswith("; pip install perfsuite[evaluate]")
    assert BY_NAME["nvbench"].absent() is None
    assert BY_NAME["perfsuite"].absent() is None
