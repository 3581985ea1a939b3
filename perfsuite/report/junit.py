"""What a JUnit file tells of a result beside passed and failed, as properties of its test case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.report import figures

if TYPE_CHECKING:
    from perfsuite.records import Quality, Result

Properties = list[tuple[str, object]]


def of_latency(result: Result) -> Properties:
    """Verdict and what it rests on. Ratios and effects are fractions; what is not known has no property.

    ``interval`` is lower and upper end of the ratio's, with a comma; ``causes`` likewise.
    """
    verdict = result.verdict
    found: dict[str, object] = {"median_s": figures.median_s(result)}
    if result.session is not None:
        found["n"] = len(result.session.latency_s)
    if verdict is not None:
        found |= {
            "verdict": verdict.status.value,
            "ratio": verdict.ratio,
            "interval": ",".join(map(repr, verdict.interval)) if verdict.interval else None,
            "confidence": verdict.confidence,
            "minimum_detectable_effect": verdict.minimum_detectable_effect,
            "baseline_s": verdict.baseline_s,
            "baseline_sessions": verdict.baseline_sessions,
            "basis": verdict.basis,
            "causes": ",".join(verdict.causes) or None,
            "detail": verdict.detail,
        }
    if result.timed is not None:
        found["timed_picture"] = result.timed.status.value
        found["ssim"] = result.timed.ssim
    return _known(found)


def of_pictures(found: Quality) -> Properties:
    """Verdict on the pictures, and the least SSIM over the prompts (none if one is BROKEN)."""
    return _known({"pictures": found.status.value, "ssim": found.ssim})


def _known(found: dict[str, object]) -> Properties:
    return [(f"perfsuite.{name}", value) for name, value in found.items() if value is not None]
