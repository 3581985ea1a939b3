"""``perfsuite field-trial``: do verdicts hold beside other work?"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, fail, to_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.fieldtrial.journal import Plan
    from perfsuite.fieldtrial.outcomes import Judged
    from perfsuite.fieldtrial.replay import Replay
    from perfsuite.fieldtrial.trial import Extent


@app.command("field-trial")
def field_trial(
    out: Annotated[Path, typer.Option(help="folder of the trial, which keeps every session")] = Path(
        ".perfsuite/field"
    ),
    runs: Annotated[int, typer.Option(min=1, help="recordings a regime; 40 of three rungs take a day")] = 40,
    checks: Annotated[int, typer.Option(min=1, help="checks of each amount of work, a recording")] = 1,
    regimes: Annotated[
        str,
        typer.Option(help="some of quiet, burst-record, burst-check, busy-record, busy-check; default: all"),
    ] = "",
    slower: Annotated[str, typer.Option(help="percent of more work in bfloat16 rungs")] = "0,10,30,100",
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    variants: Annotated[str, typer.Option(help="rungs")] = "fp32-sdpa,bf16,bf16-sdpa",
    seed: Annotated[int, typer.Option(min=0, help="of all that is random")] = 1,
    time_budget: Annotated[
        float | None, typer.Option(min=0.1, help="seconds of timed calls a benchmark; default: the suite's")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(min=0, help="minutes after which no recording is begun")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the trial in the folder")] = False,
    replay: Annotated[
        Path | None, typer.Option(help="judge the sessions kept in this folder again; measure nothing")
    ] = None,
    gate: Annotated[str, typer.Option(help="replay: what is judged; latency, memory or start")] = "latency",
    draws: Annotated[int, typer.Option(min=1, help="replay: runs a regime and amount of work")] = 100,
    sessions: Annotated[int, typer.Option(min=1, help="replay: stored sessions of a baseline")] = 3,
    confirm: Annotated[int, typer.Option(min=0, help="replay: fresh sessions a suspect")] = 4,
    figures: Annotated[Path | None, typer.Option("--json", help="write all figures to this file")] = None,
) -> None:
    """Run the real commands beside other work, on unchanged and on slowed code, and count the verdicts.
    Exit code 0: no target was missed; 1: one was; 2: it could not be run or replayed."""
    from perfsuite.fieldtrial.journal import Plan
    from perfsuite.fieldtrial.regimes import choose_regimes, choose_slower, split
    from perfsuite.fieldtrial.replay import Replay
    from perfsuite.fieldtrial.rule import RULES
    from perfsuite.fieldtrial.trial import Extent
    from perfsuite.pipelines import variants as known
    from perfsuite.pipelines import workloads
    from perfsuite.store import StoreError

    try:
        names = tuple(known.get(name).name for name in split(variants))
        chosen, percents = choose_regimes(regimes), choose_slower(slower)
        if gate not in RULES:
            raise ValueError(f"--gate {gate!r}: give one of {', '.join(RULES)}")
        if replay is not None:
            drawn = Replay(chosen, percents, names, sessions, confirm, draws, seed)
            met = _replay(replay, drawn, gate, figures)
        elif gate != "latency":
            raise ValueError(f"--gate {gate} goes with --replay: every trial keeps sessions for all gates")
        else:
            plan = Plan(
                workload=workloads.get(workload).name, variants=names, checks=checks, seed=seed,
                time_budget_s=time_budget,
            )  # fmt: skip

            met = _trial(out, plan, Extent(chosen, percents, runs), figures, resume=resume, limit=limit)
    except (ValueError, OSError, StoreError) as error:
        raise fail(error) from error
    if not met:
        raise typer.Exit(1)


def _trial(
    folder: Path, plan: Plan, extent: Extent, figures: Path | None, *, resume: bool, limit: float | None
) -> bool:
    from perfsuite.fieldtrial import environment, trial
    from perfsuite.fieldtrial.running import Runner
    from perfsuite.fieldtrial.sessions import write_traces

    folder = folder.resolve()
    trial.check_plan(plan, extent)
    until = None if limit is None else time.monotonic() + 60 * limit
    steps = trial.run_trial(
        folder, plan, extent, Runner(environment.build(folder / "environment")), resume=resume,
        enough=lambda: until is not None and time.monotonic() > until, progress=to_stderr,
    )  # fmt: skip
    notes = [
        f"{folder}: seed {plan.seed}, {plan.checks} checks of each amount of work share a recording",
        *trial.notes(steps),
        *(f"wrote {path}" for path in write_traces(folder)),
    ]
    about = {"trial": str(folder), "plan": asdict(plan), "notes": notes}
    return _show(trial.judged(steps, plan, extent), notes, about, figures)


def _replay(folder: Path, plan: Replay, gate: str, figures: Path | None) -> bool:
    from perfsuite.fieldtrial.replay import replay
    from perfsuite.fieldtrial.rule import RULES
    from perfsuite.fieldtrial.sessions import read_pool

    found = replay(read_pool(folder), plan, RULES[gate], progress=to_stderr)
    notes = [
        f"judged: {gate}",
        f"{folder}: {plan.draws} draws a row, {plan.stored} stored sessions, seed {plan.seed}",
        "draws share sessions: the intervals hold for these sessions, not for others",
        *(f"lengthened, not measured: {each}" for each in found.planted),
        *(f"left out: {name}: {reason}" for name, reason in found.left_out.items()),
    ]
    return _show(
        found.judged,
        notes,
        {"replay": str(folder), "gate": gate, "plan": asdict(plan), "notes": notes},
        figures,
    )


def _show(
    judged: Sequence[Judged], notes: Sequence[str], about: Mapping[str, object], figures: Path | None
) -> bool:
    """Print the table and write the figures; whether no target is missed."""
    from perfsuite.fieldtrial.outcomes import cells
    from perfsuite.report import fieldtrial as show
    from perfsuite.store.files import write_atomic

    found = cells(judged)
    if not found:
        raise ValueError("nothing was judged: no verdict of any regime")
    if figures is not None:
        write_atomic(figures, show.as_json(found, about).encode())
    typer.echo(show.table(found, notes))
    return all(cell.met is not False for cell in found)
