"""``perfsuite join``: parts of a plan that were run apart, as the one plan that they are."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli.app import Comparison, app, terminal
from perfsuite.cli.results import is_fleet, joined


@app.command(cls=Comparison)
def join(
    parts: Annotated[
        list[Path], typer.Argument(help="folders of parts of one plan (perfsuite plan --shard)")
    ],
    out: Annotated[Path, typer.Option(help="folder of the whole plan, for all that reads such a folder")],
    baselines: Annotated[
        Path, typer.Option(help="what repeats are judged by, where the plan's own are not on this machine")
    ] = Path("baselines"),
) -> None:
    """Join parts of a plan that a CI has run as jobs of their own: one folder, one matrix, one exit code.

    Parts that are absent or have no results are named. A part may be
    joined later, into the same folder.

    Exit code 0: all cells of the whole plan are known, and none is bad; 1: some are bad; 2: some are not
    known; 3: wrong options, or folders that do not belong together.
    """
    from perfsuite.fleet.ledger.file import LedgerError
    from perfsuite.fleet.results.parts import keep
    from perfsuite.fleet.results.reading import read
    from perfsuite.report import running as show
    from perfsuite.report.fleet import page, text
    from perfsuite.store import StoreError

    try:
        for path in parts:
            if not is_fleet(path):
                raise StoreError(
                    f"{path}: no plan was run in this folder; name folders of perfsuite run --out"
                )
        keep(joined(parts, out, baselines))
        whole = read(out)
    except (StoreError, LedgerError, OSError) as error:
        typer.echo(f"perfsuite: {error}", err=True)
        raise typer.Exit(3) from error
    shown = page.view(whole, {})
    typer.echo(show.status(whole.status, whole.plan, terminal().width, shown.unsaid))
    typer.echo(f"\n{text.matrix(shown, terminal().width)}\n")
    for path, _ in whole.runs:
        typer.echo(f"wrote {path}")
    typer.echo(f"all of it on a page: perfsuite report {shlex.quote(str(out))}")
    raise typer.Exit(page.exit_code(whole, shown))
