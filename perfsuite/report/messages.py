"""What a failing test says: how much, how sure, what differs, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from perfsuite.records import Cause, PictureStatus, Status
from perfsuite.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from perfsuite.records import Look, Quality, Quantity, Result, StructureCheck, Verdict

Step = tuple[str, str]
"""What it does, and the command that does it."""
_TESTS = {"pictures": "test_ssim", "timed picture": "test_latency"}
"""Of looks whose test is not named after them."""


def differences(now: Mapping[str, str], then: Mapping[str, str]) -> str:
    """Every version that moved, came or went between two sessions, as one line."""
    moved = [
        f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted({*now, *then})
        if now.get(name) != then.get(name)
    ]
    return ", ".join(moved) or "no version of Python, torch, diffusers or torchao"


_NEXT: dict[Status, tuple[tuple[str, tuple[str, ...]], ...]] = {
    Status.REGRESSED: (("measure again", ()), ("accept it", ("--perf-update=reset",))),
    Status.IMPROVED: (("take it as the new baseline", ("--perf-update=reset",)),),
    Status.NEW: (("record it", ("--perf-update=new",)),),
    Status.INCOMPATIBLE: (("record it anew", ("--perf-update=reset",)),),
    Status.LESS_JUDGED: (("judge it where it can be run, or leave it out by name", ()),),
}


def _run(test: str, results: Sequence[Result], *options: str, named: bool = True) -> str:
    """A run of one test of variants of one workload. By option, not by test name alone: a variant off the
    ladder is no test until it is asked for. Names may come from a file: the shell must not read them."""
    only = ("--benchmark-only",) if test.startswith("test_latency") else ()
    variants = [f"--perf-variant={r.variant}" for r in results] if named else []
    chosen = (f"--perf-workload={results[0].workload}", *variants)
    return shlex.join(("pytest", *only, "-k", test, *chosen, *options))


def time_again(results: Sequence[Result], *options: str, named: bool = True) -> str:
    """The command that times these results of one workload again; not `named`: they are the whole ladder."""
    return _run("test_latency", results, *options, named=named)


def next_commands(
    status: Status, results: Sequence[Result], options: Sequence[str] = (), *, named: bool = True
) -> list[Step]:
    """What a person may do about results of one workload that share a latency verdict; nothing where there
    is nothing to decide. A baseline of weights from elsewhere is never to be replaced.

    `options`: those of the run that a repeat needs too; not `named`: the results are the whole ladder.
    """
    own, foreign = apart(results)
    found = [
        (what, time_again(own, *options, *more, named=named)) for what, more in _NEXT.get(status, ()) if own
    ]
    return found + ([(OWN_WEIGHTS, time_again(foreign, *_without_weights(options)))] if foreign else [])


OWN_WEIGHTS = "never record it anew; measure with the baseline's weights, which --perf-weights names"


def apart(results: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Those that have a baseline of the same weights, or none, and those whose baseline is of others."""
    foreign = [r for r in results if r.verdict and Cause.OTHER_WEIGHTS in r.verdict.causes]
    return [r for r in results if r not in foreign], foreign


def _without_weights(options: Sequence[str]) -> list[str]:
    return [option for option in options if not option.startswith("--perf-weights=")]


def latency_steps(result: Result, status: Status, options: Sequence[str] = ()) -> list[Step]:
    """As `next_commands`, of one result."""
    return next_commands(status, [result], options)


def look_steps(result: Result, look: str, status: PictureStatus, options: Sequence[str] = ()) -> list[Step]:
    """What a person may do where pictures or numbers are wrong; a broken picture cannot be accepted."""
    steps = [("look again", _run(_TESTS.get(look, f"test_{look}"), [result], *options))]
    if look in _TESTS and status is PictureStatus.DEGRADED:
        measure = _calibrate("--quality", result.workload, options, f"--variant={result.variant}")
        steps.append(("if they changed on purpose, measure their noise floor anew", measure))
    if status is PictureStatus.INCOMPATIBLE:
        measure = _calibrate("--quality", result.workload, options, f"--variant={result.variant}")
        return [("measure the threshold with what is loaded now", measure), *steps]
    return steps


def _calibrate(what: str, workload: str, options: Sequence[str], *more: str) -> str:
    # The suite's options are that command's too, without their prefix.
    own = (option.replace("--perf-", "--", 1) for option in options)
    return shlex.join(("perfsuite", "calibrate", what, f"--workload={workload}", *more, *own))


def golden_steps(workload: str, options: Sequence[str] = ()) -> list[Step]:
    """What a person may do where float32, or honest eager code, is not what was stored."""
    again = ("pytest", "-k", "golden or honest", f"--perf-workload={workload}", *options)
    return [
        ("look again", shlex.join(again)),
        ("if eager code changed on purpose, record it anew", _calibrate("--golden", workload, options)),
    ]


def next_steps(result: Result, options: Sequence[str] = ()) -> list[Step]:
    """All of a result that a person may decide, NEW apart: one command records all that is."""
    steps: list[Step] = []
    if result.verdict is not None and result.verdict.status is not Status.NEW:
        steps += latency_steps(result, result.verdict.status, options)
    for look, status, _ in figures.wrong(result):
        steps += look_steps(result, look, status, options)
    by_command: dict[str, Step] = {}
    for step in steps:
        by_command.setdefault(step[1], step)
    return list(by_command.values())


def _lines(steps: Sequence[Step], topic: str) -> list[str]:
    """A line a step, and the page of the guide for who does not know which to take."""
    return [f"{label}: {command}" for label, command in steps] + ([see(topic)] if steps else [])


def see(topic: str) -> str:
    """The line that names a page of the guide."""
    return f"see: perfsuite guide {topic}"


def latency(
    result: Result,
    verdict: Verdict,
    baseline_versions: Mapping[str, str] | None,
    options: Sequence[str] = (),
) -> str:
    """The message of a latency test that fails."""
    lines = [f"{result.workload} {result.variant}: {verdict.status}: {verdict.detail}"]
    timed = result.timed
    steps = latency_steps(result, verdict.status, options)
    if timed is not None and timed.status in figures.BAD:
        lines.append(f"the timed calls drew a wrong picture: {timed.status}: {timed.detail}")
        steps += look_steps(result, "pictures", timed.status, options)
    if verdict.causes:
        lines.append(f"causes: {', '.join(verdict.causes)}")
    if baseline_versions is not None and result.session is not None:
        lines.append(f"differs from the baseline: {differences(result.session.versions, baseline_versions)}")
    return "\n".join([*lines, *_lines(steps, "verdicts")])


def amounts(result: Result, what: str, found: Sequence[Quantity], options: Sequence[str] = ()) -> str:
    """The message of a test of memory or start that fails: every figure, the bad ones first."""
    bad = [q for q in found if q.verdict.status is Status.REGRESSED]
    lines = [f"{result.workload} {result.variant}: {what} {'REGRESSED' if bad else 'OK'}"]
    for quantity in (*bad, *(q for q in found if q not in bad)):
        causes = f" [{', '.join(quantity.verdict.causes)}]" if quantity.verdict.causes else ""
        lines.append(f"  {quantity.name} {quantity.verdict.status}{causes}: {quantity.verdict.detail}")
    test = f"test_latency or test_{what}"
    again, accept = _run(test, [result], *options), _run(test, [result], *options, "--perf-update=reset")
    steps = [("measure again", again), ("accept it", accept)] if bad else []
    return "\n".join([*lines, *_lines(steps, "memory")])


def more_sessions(results: Sequence[Result]) -> str:
    """The command that records three more baseline sessions of these results of one workload."""
    options = [f"--workload={results[0].workload}", *(f"--variant={r.variant}" for r in results)]
    return "perfsuite calibrate --sessions 3 " + shlex.join(options)


def look_again(results: Sequence[Result]) -> str:
    """The command that judges pictures and numbers of these results of one workload again."""
    options = [f"--perf-workload={results[0].workload}", *(f"--perf-variant={r.variant}" for r in results)]
    return "pytest --benchmark-only tests/quality " + shlex.join(options)


def pictures(name: str, quality: Quality, moved: str = "", steps: Sequence[Step] = ()) -> str:
    """The message of a picture test that fails: every prompt, the bad ones first; what `moved` since."""
    lines = [f"{name}: pictures {quality.status}"]
    for score in sorted(quality.scores, key=lambda s: s.status is PictureStatus.OK):
        value = "no score" if score.ssim is None else f"SSIM {score.ssim:.5f}, PSNR {score.psnr_db:.1f} dB"
        if score.flip is not None:
            value += f", FLIP {score.flip:.4f}"
        lines.append(f"  {score.status} {score.prompt!r}: {value} {score.detail}".rstrip())
    if moved:
        lines.append(f"differs from the stored run: {moved}")
    return "\n".join([*lines, *_lines(steps, "pictures")])


def look(name: str, found: Look, moved: str, artifacts: Sequence[Path], steps: Sequence[Step] = ()) -> str:
    """The message of a look that fails: the first place beyond its budget, the worst, what changed."""
    lines = [f"{name}: {found.name} {found.status}: {found.detail}"]
    lines.append(f"differs from the stored run: {moved}")
    if artifacts:
        lines.append(f"pictures, maps and drift: {artifacts[0].parent}")
    topic = "techniques" if found.name == "task" else "pictures"
    return "\n".join([*lines, *_lines(steps, topic)])


def honest(name: str, found: Look, steps: Sequence[Step] = ()) -> str:
    """The message where honest eager code is further from float32 than when that was recorded."""
    return "\n".join([f"{name}: {found.status}: {found.detail}", *_lines(steps, "pictures")])


def structure(name: str, check: StructureCheck) -> str:
    """The message of a gate without noise: what was counted, and what must not be with its place."""
    lines = [f"{name}: {check.gate}: {len(check.problems)} problems"] if check.problems else []
    lines += [f"  {problem}" for problem in check.problems]
    lines += [f"  counted: {fact}" for fact in check.facts]
    return "\n".join([*lines, see("structure")] if check.problems else lines)
