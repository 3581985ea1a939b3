"""With what the rule for histories is set, twice: to nominate night by night, and to look back."""

from __future__ import annotations

from dataclasses import dataclass

from perfsuite.decision.parameters import Prior, known_prior

RULE = "changes 1"
"""Name and version, stored with whatever it says."""
_OTHER = Prior(sd=0.02, df=3)
"""Of figures for which no spread was measured: compile seconds, memory, similarity."""


@dataclass(frozen=True)
class Settings:
    """How much a change must bring, to be kept."""

    penalty: float
    """Least gain of a change: how much of the squared distances, in units of the noise's variance, vanishes
    with it. Multiplied by `noise.Noise.inflation` where nights resemble their neighbours."""
    least: int
    """Nights that a level has at least, so that a single spike is no change."""
    visible: float
    """Least size of a change, in units of what one night in ten of this series' own past lies beyond."""
    unusual: float = 0.0
    """Least size of a change, in units of what one in fifty stretches of as many nights lies off its level in
    this series' own past."""
    clear: float = 0.0
    """Least product of what a person sees in a plot, `contrasts.clearness`; 0: not asked."""
    cap: float = 4.0
    """Distance from its level, in standard deviations, beyond which a night counts no more."""
    window: int | None = None
    """Only so many of the latest nights are looked at; None: all."""


NOMINATOR = Settings(penalty=13.5, least=2, visible=0.95, unusual=1.25, window=200)
"""For every night: chosen on labelled histories so that at most 4 nominations in 1000 nights of a quiet series
are false and three quarters of the changes are found within five nights (``perfsuite guide
measured-history``)."""
RETROSPECTIVE = Settings(penalty=25.0, least=5, visible=0.0, clear=1.0)
"""For looking back: chosen on the same histories so that what it keeps is what people mark."""

AUTOCORRELATION = 0.1
"""Believed of neighbouring nights before any was measured: the upper quartile of 183 histories of SAP HANA's
performance tests."""
AUTOCORRELATION_NIGHTS = 20
"""Weight of that belief."""


def prior_of(device_kind: str, metric: str) -> Prior:
    """What is believed of the spread of a metric between nights before any was measured.

    Args:
        device_kind: ``cpu`` or ``cuda``.
        metric: as in `perfsuite.records.history.Series.metric`.
    """
    if metric.startswith("relative"):
        return known_prior(f"{device_kind}-relative") or _OTHER
    if metric.startswith("latency") or metric.startswith("stage"):
        return known_prior(device_kind) or _OTHER
    return _OTHER
