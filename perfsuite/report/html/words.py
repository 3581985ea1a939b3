"""The words and signs of the page: one sign a status, so that none is told by its colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from perfsuite.records import UNJUDGED, Cause, PictureStatus, Status

BAD = (Status.REGRESSED, Status.INCOMPATIBLE, *UNJUDGED)
"""Of latency: what fails a test."""


@dataclass(frozen=True)
class Badge:
    """A status as it is shown."""

    word: str
    tone: str
    """Class of its colours: ``bad``, ``good``, ``fine``, ``unsure`` or ``plain``."""
    sign: str
    about: str = ""
    """What it is the status of; empty for latency."""


_LOOKS: dict[str, tuple[str, str, str]] = {
    Status.REGRESSED.value: ("bad", "▲", "certainly slower by more than 1 %; the test fails"),
    Status.IMPROVED.value: ("good", "▼", "certainly faster; take it as the new baseline"),
    Status.OK.value: ("fine", "✓", "latency: the whole interval of the change lies within the tolerance; "
                                   "pictures and numbers: within what honest code of the precision needs"),
    Status.INCONCLUSIVE.value: ("unsure", "?", "too noisy, or too few sessions, to tell"),
    Status.NEW.value: ("plain", "+", "nothing to compare with yet"),
    Status.INCOMPATIBLE.value: ("bad", "≠", "what is stored was measured with another workload, weights, "
                                            "adapter or prompt, or on another machine; the test fails"),
    PictureStatus.DEGRADED.value: ("bad", "✗", "further from float32 than honest code; the test fails"),
    PictureStatus.BROKEN.value: ("bad", "✗", "NaN, Inf, flat or saturated; the test fails"),
    Status.LESS_JUDGED.value: ("bad", "✗", "there is a baseline, nobody left the variant out, and it was not "
                                           "judged; the test fails"),
    PictureStatus.NOT_JUDGED.value: ("plain", "\N{EN DASH}", "nothing can be said, for the reason beside it"),
}  # fmt: skip
INTRO = (
    "A verdict compares this run's calls with the sessions in the baseline; a session is one process. "
    "Pictures and numbers are compared with float32 of the same run. n is the number of calls, sessions, "
    "prompts or places that a figure rests on; without another unit, errors are relative "
    "L2 errors against float32."
)
UNMEASURED = Badge("NOT MEASURED", "plain", "\N{EN DASH}")

CAUSES = {
    Cause.ENVIRONMENT: "the machine, or what is set for its libraries, is not what it was",
    Cause.NOISY_MACHINE: "the machine itself moved while it was measured",
    Cause.FEW_SESSIONS: "fewer than 3 baseline sessions show only gross changes: record more",
    Cause.LADDER_SHAPE: "judged by the speed-up over another rung, for want of a baseline of this device",
    Cause.NOT_STEADY: "the warm-up ended at its limit, not because latency had settled",
    Cause.MULTIMODAL: "the sessions fall in separate modes",
    Cause.SLOW_TAIL: "only the slowest quarter of the calls slowed down",
    Cause.THROTTLED: "the device lowered its clocks for heat or power",
    Cause.OTHER_PROCESS: "another process used the device",
    Cause.HOST_BOUND: "the device waited for the host",
    Cause.REFERENCE_MOVED: "it is the reference that moved, not the variant: record the baselines anew",
    Cause.EVERYTHING_SLOWER: "the reference slowed down alike: the machine, or what both are made of",
    Cause.DRIFT: "slower than the sessions that were recorded first, in steps too small to be seen",
    Cause.OTHER_WEIGHTS: "the baseline is of weights from elsewhere: neither may take the other's place",
    Cause.UNFIT_SESSION: "the new session, or every stored one, was disturbed and has no weight",
    Cause.OTHER_GPU: "not the stored sessions' GPU: what GPUs of one model differ by is in the interval",
}


def badge(status: Status | PictureStatus, about: str = "") -> Badge:
    """How a status is shown."""
    tone, sign, _ = _LOOKS[status.value]
    if isinstance(status, Status) and status in UNJUDGED:  # of pictures it may be no failure
        tone, sign = "bad", "✗"
    return Badge(status.value, tone, sign, about)


def glossary() -> list[tuple[Badge, str]]:
    """Every status with its meaning."""
    return [(Badge(word, tone, sign), text) for word, (tone, sign, text) in _LOOKS.items()]
