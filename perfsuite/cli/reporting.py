"""``perfsuite report``: results files to something that people read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli.app import app, fail
from perfsuite.cli.results import Results, chosen


@app.command()
def report(
    results: Results = None,
    out: Annotated[Path, typer.Option(help="folder of the page")] = Path(".perfsuite/report"),
    baselines: Annotated[Path, typer.Option(help="folder of the baselines")] = Path("baselines"),
) -> None:
    """Write one HTML page of one or more runs, from their results files.

    Exit code 0: written, whatever the results are; 2: results cannot be read, or the page not written.
    """
    from perfsuite.report import html
    from perfsuite.store import StoreError

    try:
        page = html.write(chosen(results), out, baselines)
    except StoreError as error:
        raise fail(error) from error
    typer.echo(f"wrote {page}")
