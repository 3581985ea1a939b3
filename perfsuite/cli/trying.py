"""``perfsuite field-trial``: do verdicts hold beside other work?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli.app import app, fail, to_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.fieldtrial.outcomes import Judged


@app.command("field-trial")
def field_trial(
    replay: Annotated[
        Path | None, typer.Option(help="judge the sessions kept in this folder again; measure nothing")
    ] = None,
    regimes: Annotated[str, typer.Option(help="some of quiet, burst-record, burst-check, busy-record, "
                                              "busy-check; default: all")] = "",
    slower: Annotated[str, typer.Option(help="percent of more work in bfloat16 rungs")] = "0,10,30,100",
    variants: Annotated[str, typer.Option(help="rungs")] = "fp32-sdpa,bf16,bf16-sdpa",
    draws: Annotated[int, typer.Option(min=1, help="replay: runs a regime and amount of work")] = 100,
    sessions: Annotated[int, typer.Option(min=1, help="replay: stored sessions of a baseline")] = 3,
    confirm: Annotated[int, typer.Option(min=0, help="replay: fresh sessions a suspect")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="of all that is random")] = 1,
    out: Annotated[Path | None, typer.Option("--json", help="write all figures to this file")] = None,
) -> None:  # fmt: skip
    """Run the real commands beside other work, on unchanged and on slowed code, and count the verdicts.
    Exit code 0: all targets met; 1: one was missed; 2: nothing could be run or replayed."""
    from perfsuite.fieldtrial.regimes import choose_regimes, choose_slower, split
    from perfsuite.fieldtrial.replay import Replay
    from perfsuite.fieldtrial.replay import replay as judge_again
    from perfsuite.fieldtrial.sessions import read_pool
    from perfsuite.pipelines import variants as known
    from perfsuite.store import StoreError

    try:
        names = [known.get(name).name for name in split(variants)]
        assert replay is not None
        plan = Replay(choose_regimes(regimes), choose_slower(slower), names, sessions, confirm, draws, seed)
        found = judge_again(read_pool(replay), plan, progress=to_stderr)
        notes = [f"{replay}: {draws} draws a row, {sessions} stored sessions, seed {seed}",
                 "draws share sessions: the intervals hold for these sessions, not for others"]  # fmt: skip
        notes += [f"lengthened, not measured: {each}" for each in found.planted]
        notes += [f"left out: {name}: {reason}" for name, reason in found.left_out.items()]
        met = _show(found.judged, notes, {"replay": str(replay), "plan": asdict(plan)}, out)
    except (ValueError, OSError, StoreError) as error:
        raise fail(error) from error
    if not met:
        raise typer.Exit(1)


def _show(judged: Sequence[Judged], notes: Sequence[str], about: dict[str, object], out: Path | None) -> bool:
    """Print the table and write the figures; whether no target is missed."""
    from perfsuite.fieldtrial.outcomes import cells
    from perfsuite.report import fieldtrial as show
    from perfsuite.store.files import write_atomic

    found = cells(judged)
    if out is not None:
        write_atomic(out, show.as_json(found, about).encode())
    typer.echo(show.table(found, notes))
    return all(cell.met is not False for cell in found)
