"""What a failing test says: how much, how sure, what differs, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.records import PictureStatus, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from perfsuite.records import Look, Quality, Result, StructureCheck, Verdict


def differences(now: Mapping[str, str], then: Mapping[str, str]) -> str:
    """Versions that moved, as one line."""
    moved = [
        f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted({*now, *then})
        if now.get(name) != then.get(name)
    ]
    return ", ".join(moved) or "no version of Python, torch, diffusers or torchao"


def latency(result: Result, verdict: Verdict, baseline_versions: Mapping[str, str] | None) -> str:
    """The message of a latency test that fails."""
    name = f"{result.workload} {result.variant}"
    # By option, not by test name alone: a variant off the ladder is no test until it is asked for.
    test = f"-k test_latency --perf-workload={result.workload} --perf-variant={result.variant}"
    lines = [f"{name}: {verdict.status}: {verdict.detail}"]
    timed = result.timed
    if timed is not None and timed.status in (PictureStatus.DEGRADED, PictureStatus.BROKEN):
        lines.append(f"the timed calls drew a wrong picture: {timed.status}: {timed.detail}")
    if verdict.causes:
        lines.append(f"causes: {', '.join(verdict.causes)}")
    if baseline_versions is not None and result.session is not None:
        lines.append(f"differs from the baseline: {differences(result.session.versions, baseline_versions)}")
    if verdict.status is Status.REGRESSED:
        lines.append(f"measure again: pytest --benchmark-only {test}")
        lines.append(f"accept it: pytest --benchmark-only {test} --perf-update=reset")
    elif verdict.status is Status.IMPROVED:
        lines.append(f"take it as the new baseline: {take_command(result)}")
    elif verdict.status is Status.NEW:
        lines.append(f"record it: pytest --benchmark-only {test} --perf-update=new")
    elif verdict.status is Status.INCOMPATIBLE:
        lines.append(f"record it anew: pytest --benchmark-only {test} --perf-update=reset")
    return "\n".join(lines)


def take_command(result: Result) -> str:
    """The command that makes this variant's next session its baseline."""
    return (
        f"pytest --benchmark-only -k test_latency --perf-workload={result.workload} "
        f"--perf-variant={result.variant} --perf-update=reset"
    )


def pictures(name: str, quality: Quality) -> str:
    """The message of a picture test that fails: every prompt, the bad ones first."""
    lines = [f"{name}: pictures {quality.status}"]
    for score in sorted(quality.scores, key=lambda s: s.status is PictureStatus.OK):
        value = "no score" if score.ssim is None else f"SSIM {score.ssim:.5f}, PSNR {score.psnr_db:.1f} dB"
        if score.flip is not None:
            value += f", FLIP {score.flip:.4f}"
        lines.append(f"  {score.status} {score.prompt!r}: {value} {score.detail}".rstrip())
    return "\n".join(lines)


def look(name: str, found: Look, moved: str, artifacts: Sequence[Path]) -> str:
    """The message of a look that fails: the first place beyond its budget, the worst, what changed."""
    lines = [f"{name}: {found.name} {found.status}: {found.detail}"]
    lines.append(f"differs from the stored run: {moved}")
    if artifacts:
        lines.append(f"pictures, maps and drift: {artifacts[0].parent}")
    return "\n".join(lines)


def structure(name: str, check: StructureCheck) -> str:
    """The message of a gate without noise: what was counted, and what must not be with its place."""
    lines = [f"{name}: {check.gate}: {len(check.problems)} problems"] if check.problems else []
    lines += [f"  {problem}" for problem in check.problems]
    return "\n".join([*lines, *(f"  counted: {fact}" for fact in check.facts)])
