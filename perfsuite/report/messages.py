"""What a failing test says: how much, how sure, what differs, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from perfsuite.records import PictureStatus, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from perfsuite.records import Look, Quality, Result, StructureCheck, Verdict


def differences(now: Mapping[str, str], then: Mapping[str, str]) -> str:
    """What differs between two sets of versions, as one line."""
    moved = [
        f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted({*now, *then})
        if now.get(name) != then.get(name)
    ]
    return ", ".join(moved) or "no version of Python, torch, diffusers or torchao"


def latency(result: Result, verdict: Verdict, baseline_versions: Mapping[str, str] | None) -> str:
    """The message of a latency test that fails."""
    name = f"{result.workload} {result.variant}"
    lines = [f"{name}: {verdict.status}: {verdict.detail}"]
    timed = result.timed
    if timed is not None and timed.status in (PictureStatus.DEGRADED, PictureStatus.BROKEN):
        lines.append(f"the timed calls drew a wrong picture: {timed.status}: {timed.detail}")
    if verdict.causes:
        lines.append(f"causes: {', '.join(verdict.causes)}")
    if baseline_versions is not None and result.session is not None:
        lines.append(f"differs from the baseline: {differences(result.session.versions, baseline_versions)}")
    lines += [f"{what}: {command}" for what, command in next_commands(verdict.status, [result])]
    return "\n".join(lines)


_NEXT: dict[Status, tuple[tuple[str, str], ...]] = {
    Status.REGRESSED: (("measure again", ""), ("accept it", " --perf-update=reset")),
    Status.IMPROVED: (("take it as the new baseline", " --perf-update=reset"),),
    Status.NEW: (("record it", " --perf-update=new"),),
    Status.INCOMPATIBLE: (("record it anew", " --perf-update=reset"),),
}


def next_commands(status: Status, results: Sequence[Result]) -> list[tuple[str, str]]:
    """What to do about results of one workload that share a verdict: in words, and the command."""
    # By option, not by test name alone: a variant off the ladder is no test until it is asked for.
    options = [f"--perf-workload={results[0].workload}", *(f"--perf-variant={r.variant}" for r in results)]
    test = "pytest --benchmark-only -k test_latency " + shlex.join(options)
    return [(what, test + update) for what, update in _NEXT.get(status, ())]


def more_sessions(results: Sequence[Result]) -> str:
    """The command that records three more baseline sessions of these results of one workload."""
    options = [f"--workload={results[0].workload}", *(f"--variant={r.variant}" for r in results)]
    return "perfsuite calibrate --sessions 3 " + shlex.join(options)


def look_again(results: Sequence[Result]) -> str:
    """The command that judges pictures and numbers of these results of one workload again."""
    options = [f"--perf-workload={results[0].workload}", *(f"--perf-variant={r.variant}" for r in results)]
    return "pytest --benchmark-only tests/quality " + shlex.join(options)


def take_command(result: Result) -> str:
    """The command that makes this variant's next session its baseline."""
    return next_commands(Status.IMPROVED, [result])[0][1]


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
