"""``perfsuite report``: results files to something that people read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli.app import app, fail
from perfsuite.cli.results import Results, chosen, is_fleet, joined, parts_of


@app.command()
def report(
    results: Results = None,
    out: Annotated[Path, typer.Option(help="folder of the page")] = Path(".perfsuite/report"),
    baselines: Annotated[Path, typer.Option(help="folder of the baselines")] = Path("baselines"),
) -> None:
    """Write one HTML page of one or more runs, from their results files.

    Of a folder of a plan (perfsuite run) it is the page of its matrix, beside one of all its runs. So it
    is of several folders of its parts (perfsuite plan --shard), with merged results beside the page.

    Exit code 0: written, whatever the results are; 2: results cannot be read, or the page not written.
    """
    from perfsuite.report import html
    from perfsuite.report.fleet import site
    from perfsuite.store import StoreError

    try:
        if results and len(results) == 1 and is_fleet(results[0]):
            page = site.write(results[0], out, baselines)
        elif results and parts_of(results) == results:
            page = site.write_parts(joined(results, out, baselines), out, baselines)
        else:
            page = html.write(chosen(results), out, baselines)
    except StoreError as error:
        raise fail(error) from error
    typer.echo(f"wrote {page}")
