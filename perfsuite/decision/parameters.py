"""What a decision is made with: the tolerance, the confidence, and what is known of the device class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

TOLERANCE = 0.04
"""Default of the slowdown that is accepted. Below 5 %, so that a slowdown of 5 % is found where that can be
measured; not smaller, because half of all unchanged benchmarks then stay INCONCLUSIVE with five sessions."""


class Prior(NamedTuple):
    """What is believed of the spread between sessions before any was measured."""

    sd: float
    """Standard deviation of the log latency between fresh processes (0.1 is about 10 %)."""
    df: float
    """Pseudo degrees of freedom: the belief weighs as much as ``df + 1`` measured sessions, and falls to
    nothing once the sessions themselves show their spread."""


_PRIORS = {
    # Measured on a shared 2-core x86 machine: sd of the log of per-process medians 0.11 to 0.15 over
    # 10 to 12 processes. Hence the weight of a dozen sessions.
    "cpu": Prior(sd=0.12, df=12),
    # An assumption until it is measured: between the median (1.5 %) and the upper quartile (3.7 %) of
    # the spread between fresh processes of 298 JVM microbenchmarks: autotuning picks, clocks and memory
    # layout should move a GPU process likewise. Its weight is small for want of a measurement.
    "cuda": Prior(sd=0.025, df=3),
    # In units of a reference variant, both in turns within one process: over 20 fresh processes each of that
    # shared machine bf16 against float32 moved by 2.6 % (sd), SDPA in float32 by .74 %.
    "cpu-relative": Prior(sd=0.025, df=4),
    # In units of fixed work that is not made of torch, in the same turns: a ratio of unlike code, which moves
    # with the state of the machine.
    "cpu-fixed-work": Prior(sd=0.06, df=4),
    # An assumption until it is measured.
    "cuda-relative": Prior(sd=0.015, df=3),
}


_GPUS = {
    # Assumptions until several GPUs of one baseline show theirs. In large clusters the GPUs of one model
    # spread by 8 % from end to end at full load, about four standard deviations (Sinha et al., "Not All GPUs
    # Are Created Equal", SC22). What limits a GPU's clock slows both sides of a ratio alike. The weight is
    # such that GPUs which spread by twice as much alarm on about 1 % of unchanged code, by simulation.
    "cuda": Prior(sd=0.02, df=8),
    "cuda-relative": Prior(sd=0.008, df=8),
}


def prior_for(device_kind: str) -> float:
    """Return the prior standard deviation of the log latency between sessions.

    Args:
        device_kind: ``cpu`` or ``cuda``, as in `perfsuite.records.Device.kind`.

    Raises:
        ValueError: there is no prior for this kind of device.
    """
    return _prior(device_kind).sd


def known_prior(device_kind: str) -> Prior | None:
    """Return what is believed of a class of devices or measurements, with its weight; None if nothing is."""
    return _PRIORS.get(device_kind)


def _prior(device_kind: str) -> Prior:
    if device_kind not in _PRIORS:
        known = ", ".join(sorted(_PRIORS))
        raise ValueError(f"no prior spread for device kind {device_kind!r}; known: {known}")
    return _PRIORS[device_kind]


@dataclass(frozen=True)
class DecisionSettings:
    """How strict a comparison is.

    The default prior is that of ``cuda``; `for_device` takes sd and weight of another class together.

    Raises:
        ValueError: a value outside its range.
    """

    tolerance: float = TOLERANCE
    """Slowdown that is accepted, as a fraction; at least 0."""
    confidence: float = 0.95
    """Two-sided coverage of the interval of the ratio, between 0 and 1."""
    prior_sd: float = _PRIORS["cuda"].sd
    """Standard deviation of the log latency between sessions, believed before any was measured."""
    prior_df: float = _PRIORS["cuda"].df
    """Weight of that belief, in degrees of freedom; at least 1."""
    gpu_sd: float = _GPUS["cuda"].sd
    """Standard deviation of the log latency between GPUs of one model, believed before any was measured."""
    gpu_df: float = _GPUS["cuda"].df
    """Weight of that belief, in degrees of freedom; at least 1."""
    clock_resolution_s: float = 1e-9
    """Least step of the clock, in seconds; `time.perf_counter` counts nanoseconds or better."""

    def __post_init__(self) -> None:
        for name in ("tolerance", "clock_resolution_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be finite and at least 0, got {value!r}")
        if not 0 < self.prior_sd <= 10:
            raise ValueError(f"prior_sd must be above 0 and at most 10, got {self.prior_sd!r}")
        if not 0 < self.gpu_sd <= 10:
            raise ValueError(f"gpu_sd must be above 0 and at most 10, got {self.gpu_sd!r}")
        for name in ("prior_df", "gpu_df"):
            weight = getattr(self, name)
            if not 1 <= weight < math.inf:
                raise ValueError(f"{name} must be finite and at least 1, got {weight!r}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {self.confidence!r}")

    @classmethod
    def for_device(
        cls, device_kind: str, *, tolerance: float = TOLERANCE, confidence: float = 0.95
    ) -> DecisionSettings:
        """Make settings with the prior of a class of devices, ``cpu`` or ``cuda``.

        Raises:
            ValueError: there is no prior for this kind of device, or a value is outside its range.
        """
        sd, df = _prior(device_kind)
        gpus = _GPUS.get(device_kind, _GPUS["cuda"])  # a CPU's sessions are of no GPU
        return cls(
            tolerance=tolerance, confidence=confidence,
            prior_sd=sd, prior_df=df, gpu_sd=gpus.sd, gpu_df=gpus.df,
        )  # fmt: skip
