"""A trial: recordings and checks one after the other, under each load, until all are done."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.fieldtrial.journal import Journal, Step, key
from perfsuite.fieldtrial.outcomes import FAILED, REFUSED, Judged
from perfsuite.fieldtrial.regimes import REGIMES, TrialError, is_slowed
from perfsuite.fieldtrial.running import Order
from perfsuite.fieldtrial.sessions import keep
from perfsuite.pipelines import variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from perfsuite.fieldtrial.journal import Plan
    from perfsuite.fieldtrial.regimes import Regime
    from perfsuite.fieldtrial.running import Ran

STEPS = "runs"
ENDED = (0, 1)
"""Exit codes of pytest after a run that came to its end: its tests passed, or some failed."""


@dataclass(frozen=True)
class Extent:
    """How much is run."""

    regimes: Sequence[Regime]
    slower: Sequence[int]
    runs: int
    """Recordings a regime."""


def check_plan(plan: Plan, extent: Extent) -> None:
    """Raise `TrialError` if a rung cannot be slowed as asked."""
    compiled = [name for name in plan.variants if is_slowed(name) and variants.get(name).compiled]
    if compiled and any(extent.slower):
        raise TrialError(
            f"{', '.join(compiled)}: compiled code cannot be slowed step by step; "
            "leave it out of --variants, or give --slower 0"
        )
    if not plan.variants:
        raise TrialError("--variants names no rung: give some, such as fp32-sdpa,bf16-sdpa")
    if any(extent.slower) and not any(map(is_slowed, plan.variants)):
        raise TrialError("no rung of --variants is bfloat16, so none is slowed; add one, or give --slower 0")


def run_trial(
    folder: Path,
    plan: Plan,
    extent: Extent,
    runner: Callable[[Order], Ran],
    *,
    resume: bool = False,
    enough: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Step]:
    """Run what is not done yet; all steps of the trial so far.

    Regimes take turns, so that a trial that ends early has something of each, and hours of a day fall on all.

    Args:
        folder: of the trial.
        plan: what may not change.
        extent: how much is run.
        runner: runs one step, see `perfsuite.fieldtrial.running.Runner`.
        resume: go on with the trial that is in the folder.
        enough: asked before each recording; True ends the trial.
        progress: told each step as it ends.

    Raises:
        TrialError: it cannot be begun or resumed, or a slowed rung did not do what it should.
        StoreError: a file is bad or cannot be written.
    """
    check_plan(plan, extent)
    journal = Journal(folder)
    done = journal.begin(plan, resume)
    for number in range(1, extent.runs + 1):
        for regime in extent.regimes:
            if enough():
                return list(done.values())
            for step in _steps(folder, plan, extent, runner, regime, number, done):
                journal.add(step)
                done[step.key] = step
                progress(_line(step))
    return list(done.values())


def _steps(
    folder: Path, plan: Plan, extent: Extent, runner: Callable[[Order], Ran], regime: Regime, number: int,
    done: Mapping[str, Step],
) -> Iterator[Step]:  # fmt: skip
    """Those of one recording that are not done yet."""
    wanted = [(slower, check) for slower in extent.slower for check in range(1, plan.checks + 1)]
    missing = [each for each in wanted if key(regime.name, number, *each) not in done]
    if not missing:
        return
    recording = done.get(key(regime.name, number, None, 0))
    if recording is None:
        recording = _step(folder, plan, runner, regime, number, None, 0)
        yield recording
    for slower, check in missing:
        if recording.stored:
            yield _step(folder, plan, runner, regime, number, slower, check)
        else:
            yield _without_baseline(recording, slower, check)


def _step(
    folder: Path, plan: Plan, runner: Callable[[Order], Ran], regime: Regime, number: int,
    slower: int | None, check: int,
) -> Step:  # fmt: skip
    """Run one and keep its sessions."""
    name = key(regime.name, number, slower, check)
    order = Order(
        folder=folder / STEPS / name,
        baselines=folder / STEPS / f"{regime.name}-{number}" / "baselines",
        update="new" if slower is None else "never",
        workload=plan.workload,
        variants=plan.variants,
        load=regime.recording if slower is None else regime.checking,
        seed=f"{plan.seed} {name}",
        slower=slower or 0,
        time_budget_s=plan.time_budget_s,
    )
    ran = runner(order)
    results = ran.run.results if ran.run is not None else ()
    if slower and not ran.more_work and any(r.session and is_slowed(r.variant) for r in results):
        raise TrialError(f"{order.folder}: the UNet did no more work than usual; no check is what it says")
    keep(folder, order.load, order.slower, name.replace("/", "-"), ran, recording=slower is None)
    verdicts = {result.variant: result.verdict for result in results if result.verdict is not None}
    judged = set(plan.variants) <= verdicts.keys()
    return Step(
        regime=regime.name,
        number=number,
        slower=slower,
        check=check,
        seconds=ran.seconds,
        exit_code=ran.exit_code,
        verdicts=verdicts,
        stored=tuple(entry.variant for entry in ran.entries),
        more_work=tuple(ran.more_work),
        said="" if judged and ran.exit_code in ENDED else ran.said,
    )


def _without_baseline(recording: Step, slower: int, check: int) -> Step:
    """A check that is not run: the recording stored nothing."""
    return Step(
        regime=recording.regime, number=recording.number, slower=slower, check=check, seconds=0.0,
        exit_code=recording.exit_code, verdicts={}, stored=(), more_work=(),
        said=f"nothing was recorded: {recording.said}",
    )  # fmt: skip


def _line(step: Step) -> str:
    said = ", ".join(f"{variant} {verdict.status}" for variant, verdict in step.verdicts.items())
    what = "recorded" if step.slower is None else f"check {step.check}, +{step.slower} %"
    return f"{step.regime} {step.number}, {what}: {said or 'no verdict'} ({step.seconds:.0f} s)"


def judged(steps: Sequence[Step], plan: Plan, extent: Extent) -> list[Judged]:
    """What the checks said, a verdict a rung, in the order of regimes and work."""
    chosen: dict[tuple[str, int], list[Judged]] = {
        (regime.name, slower): [] for regime in extent.regimes for slower in extent.slower
    }
    for step in steps:
        if step.slower is not None and (step.regime, step.slower) in chosen and step.number <= extent.runs:
            chosen[step.regime, step.slower] += [_judged(step, variant) for variant in plan.variants]
    return [each for group in chosen.values() for each in group]


def _judged(step: Step, variant: str) -> Judged:
    assert step.slower is not None
    verdict = step.verdicts.get(variant)
    absent = REFUSED if step.exit_code in ENDED else FAILED
    return Judged(
        step.regime,
        step.slower,
        step.key,
        variant,
        step.slower > 0 and is_slowed(variant),
        absent if verdict is None else verdict.status.value,
        None if verdict is None else verdict.minimum_detectable_effect,
        step.seconds or None,
    )


def notes(steps: Sequence[Step]) -> list[str]:
    """What a table of verdicts does not say: recordings, shares of more work, and runs that did not judge."""
    recordings = [step for step in steps if step.slower is None]
    found = []
    for regime in REGIMES:
        of_regime = [step.seconds for step in recordings if step.regime == regime]
        if of_regime:
            middle = statistics.median(of_regime)
            found.append(f"{regime}: {len(of_regime)} recordings of {middle:.0f} s (median)")
    for slower in sorted({step.slower for step in steps if step.slower}):
        shares = sorted(share for step in steps if step.slower == slower for share in step.more_work)
        if shares:
            found.append(
                f"+{slower} %: the UNet of slowed rungs did {100 * shares[0]:.2f} to "
                f"{100 * shares[-1]:.2f} % more, {len(shares)} processes"
            )
    return found + [f"{step.key}: {step.said.splitlines()[-1]}" for step in steps if step.said]
