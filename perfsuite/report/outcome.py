"""A run in one sentence, which its table has at the head, and what to do next, which it has at the foot."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from perfsuite.records import Cause, Status
from perfsuite.report import figures, messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from perfsuite.pipelines.technique import Optimization
    from perfsuite.records import Result

_GRAVEST_FIRST = (
    "REGRESSED", "BROKEN", "DEGRADED", "LESS_JUDGED", "NOT_JUDGED", "INCOMPATIBLE", "IMPROVED",
    "INCONCLUSIVE", "NEW", "OK",
)  # fmt: skip
"""Statuses of latencies, counts and pictures."""
_DECIDED = (Status.REGRESSED, Status.LESS_JUDGED, Status.INCOMPATIBLE, Status.IMPROVED, Status.NEW)
"""Of latencies: those about which a person decides."""
_FAILING = ("REGRESSED", "BROKEN", "DEGRADED")
_NAMED = (*_FAILING, "LESS_JUDGED", "NOT_JUDGED", "INCOMPATIBLE", "IMPROVED")
"""Somebody should look at these: they are named."""
_NAMES = 3
"""Of one state; the others are in the table."""


def sentence(results: Sequence[Result], planned: int, *, recorded: int = 0, failed: int = 0) -> str:
    """What became of all variants, the gravest first.

    Args:
        results: of the variants of which there is any.
        planned: how many were to run.
        recorded: how many of these got their first baseline.
        failed: how many tests failed, whatever they test.
    """
    total = max(planned, len(results))
    states = [(state, r) for r in results if (state := _state(r)) is not None]
    said = _first_time(results, total, recorded) or _by_state(states, results, total)
    if len(states) < total and states:
        said += f"; {total - len(states)} without a figure"
    if failed and not any(state in _FAILING or figures.unjudged(r) for state, r in states):
        tests = "1 test" if failed == 1 else f"{failed} tests"
        return f"{tests} failed, see above; {said}"
    return said


def _state(result: Result) -> str | None:
    """The gravest of its verdicts on time, pictures and counts; None where there is no figure."""
    counted = result.counted.status if result.counted is not None else None
    found: list[str] = [status.value for _, status, _ in figures.wrong(result)]
    found += [quantity.verdict.status.value for quantity in figures.amounts(result)]
    if result.verdict is not None:
        found.append(result.verdict.status.value)
    elif result.quality is not None:
        found.append(result.quality.status.value)
    elif counted is not None:
        found.append(counted.value)
    if counted is Status.REGRESSED:
        found.append(counted.value)
    return min(found, key=_GRAVEST_FIRST.index, default=None)


def _first_time(results: Sequence[Result], total: int, recorded: int) -> str:
    """Where nothing could be compared yet; empty where anything was."""
    timed = [r for r in results if r.verdict is not None]
    if not timed or len(timed) < len(results) or any(_state(r) != Status.NEW for r in timed):
        return ""
    if recorded == len(timed):
        return f"{len(timed)} of {total} measured, first baseline recorded; run again to gate"
    return f"{len(timed)} of {total} measured, nothing to compare with: none has a baseline yet"


def _by_state(states: Sequence[tuple[str, Result]], results: Sequence[Result], total: int) -> str:
    several = len({r.workload for r in results}) > 1
    parts: list[str] = []
    for state in sorted({state for state, _ in states}, key=_GRAVEST_FIRST.index):
        names = [f"{r.workload} {r.variant}" if several else r.variant for s, r in states if s == state]
        part = f"{len(names)} {state}" if parts else f"{len(names)} of {total} {state}"
        if state in _NAMED and len(names) < total:
            more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
            part += f": {', '.join(names[:_NAMES])}{more}"
        parts.append(part)
    return "; ".join(parts) or f"0 of {total} measured"


def steps(
    results: Sequence[Result],
    options: Sequence[str] = (),
    *,
    recorded: Iterable[str] = (),
    unrecordable: Iterable[str] = (),
    whole_ladder: bool = False,
) -> list[str]:
    """What a person may do next, one command a line; of what is wrong first.

    Args:
        results: of one run.
        options: those of the run that a repeat needs too.
        recorded: ``workload/variant`` of what has its first baseline now.
        unrecordable: of what may begin none.
        whole_ladder: nobody named variants, so that a command for all of a workload need not either.
    """
    known, without, found = set(recorded), set(unrecordable), list[messages.Step]()
    for workload in dict.fromkeys(r.workload for r in results):
        own = [
            r
            for r in results
            if r.workload == workload and r.verdict is not None and f"{workload}/{r.variant}" not in without
        ]
        fresh = [r for r in own if f"{r.workload}/{r.variant}" in known]
        rest = [r for r in own if r not in fresh]
        for status in _DECIDED:
            some = [r for r in rest if r.verdict is not None and r.verdict.status is status]
            if some:
                named = not (whole_ladder and len(some) == len(own))
                found += messages.next_commands(status, some, options, named=named)
        if fresh:
            command = messages.time_again(fresh, *options, named=not (whole_ladder and fresh == own))
            found.append(("gate against this baseline", command))
        few = [r for r in rest if r.verdict and Cause.FEW_SESSIONS in r.verdict.causes]
        if few:
            named = not (whole_ladder and few == own)
            command = messages.time_again(few, *options, "--perf-update=append", named=named)
            found.append(("add a session, from three on OK can be said", command))
    if any(r.verdict and r.verdict.status is Status.INCONCLUSIVE for r in results) and not found:
        found.append(("see what makes this machine noisy", "perfsuite doctor"))
    for result in results:
        for look, seen, _ in figures.wrong(result):
            found += messages.look_steps(result, look, seen, options)
    by_command: dict[str, messages.Step] = {}
    for step in found:
        by_command.setdefault(step[1], step)
    return [f"{label}: {command}" for label, command in by_command.values()]


def left_out(kind: str, lacking: Mapping[str, tuple[Optimization, str] | None]) -> list[str]:
    """Which variants of the ladder were not run, as few lines as can be.

    Args:
        kind: of the device.
        lacking: by variant the technique that the device has not, and why; None for a rung that stands in
            for one which the device has.
    """
    precisions: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for found in lacking.values():
        if found is not None and found[0].phase == 0:
            precisions[found[0].name] += 1
        elif found is not None:
            others[f"{found[0].name}: {found[1]}"] += 1
    said = []
    if precisions:
        gpu = "a GPU" if kind == "cpu" else "a newer GPU"
        said.append(f"{_need(precisions.total())} {gpu} ({', '.join(precisions)})")
    standing_in = sum(found is None for found in lacking.values())
    if standing_in:
        said.append(f"{standing_in if said else _need(standing_in)} a CPU without bfloat16")
    lines = [f"{', '.join(said)}: perfsuite list"] if said else []
    return lines + [f"{_variants(count)} left out, {reason}" for reason, count in others.items()]


def _need(count: int) -> str:
    return f"{_variants(count)} need{'s' if count == 1 else ''}"


def _variants(count: int) -> str:
    return "1 variant" if count == 1 else f"{count} variants"
