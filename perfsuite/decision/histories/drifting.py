"""Slow drift planted into recorded sessions: after how many nights is it named, and what a frozen baseline says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.changes.nominating import nominate
from perfsuite.decision.estimates import compare_estimates
from perfsuite.decision.parameters import DecisionSettings, Prior
from perfsuite.decision.verdicts import compare
from perfsuite.records import Status
from perfsuite.records.history import Point, Series, SeriesKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy import float64
    from numpy.typing import NDArray

    from perfsuite.decision.traces import Traces

DRIFTS = (0.0, 0.0025, 0.005, 0.01, 0.02)
"""A night, as a fraction of the first night's value."""
BEFORE = 20
"""Quiet nights before it; the frozen baseline holds the first of them."""
STORED = 5
"""Sessions of the frozen baseline."""
LONGEST = 60
"""Nights of drift."""
_SERIES = Series("trace", "trace", "1", "trace", "latency", "s", SeriesKind.NOISY)


@dataclass(frozen=True)
class Drifted:
    """How soon one rule told one drift."""

    traces: str
    rule: str
    a_night: float
    delays: tuple[float, ...]
    """Nights of drift until it was told; infinite: not within `LONGEST`."""


def drift(traces: Traces, kind: str, repeats: int, seed: int) -> list[Drifted]:
    """Plant each drift into nights drawn from the sessions of each benchmark.

    A night is a whole session, drawn with replacement; its value is the median of its samples, and its error is
    unknown. The history rule looks every night; the frozen baseline compares each night's session with the
    first `STORED`, and tells REGRESSED.

    Args:
        traces: sessions in which nothing changed.
        kind: class of the prior: ``cpu`` or ``cpu-relative``.
        repeats: histories a benchmark and drift.
        seed: of all draws.
    """
    settings = DecisionSettings.for_device(kind)
    frozen = compare_estimates if kind.endswith("-relative") else compare
    prior = Prior(settings.prior_sd, settings.prior_df)
    found = []
    for a_night in DRIFTS:
        delays: dict[str, list[float]] = {"history": [], "frozen baseline": []}
        for benchmark in range(traces.benchmarks):
            rng = np.random.default_rng([seed, benchmark])
            for _ in range(repeats):
                sessions = _planted(traces.latency_s[benchmark], a_night, rng)
                delays["history"].append(_first(lambda n, s=sessions: _nominated(s[:n], prior)))
                base = sessions[:STORED].tolist()
                delays["frozen baseline"].append(
                    _first(lambda n, s=sessions, b=base: _regressed(frozen, b, s[n - 1], settings))
                )
        found += [Drifted(traces.source, rule, a_night, tuple(those)) for rule, those in delays.items()]
    return found


def _planted(latency_s: NDArray[float64], a_night: float, rng: np.random.Generator) -> NDArray[float64]:
    sessions = latency_s[rng.integers(len(latency_s), size=BEFORE + LONGEST)]
    nights = np.maximum(np.arange(BEFORE + LONGEST) - BEFORE + 1, 0)
    return sessions * (1 + a_night * nights)[:, None]


def _first(told: Callable[[int], bool]) -> float:
    return next((float(k) for k in range(1, LONGEST + 1) if told(BEFORE + k)), np.inf)


def _nominated(sessions: NDArray[float64], prior: Prior) -> bool:
    middles = np.median(sessions, axis=1)
    points = [Point(f"{i:04}", str(i), float(value)) for i, value in enumerate(middles)]
    return any(n.ratio > 1 for n in nominate(_SERIES, points, (), (), prior))


def _regressed(
    rule: Callable[..., object], base: list[list[float]], session: NDArray[float64], settings: DecisionSettings
) -> bool:
    return rule(base, [session.tolist()], settings).status is Status.REGRESSED  # type: ignore[attr-defined]
