"""``perfsuite track report``: a history as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli.app import fail
from perfsuite.cli.tracking.app import track
from perfsuite.cli.tracking.database import DEFAULT, Db, opened
from perfsuite.cli.tracking.looking import Night, wanted_night


@track.command()
def report(
    db: Db = DEFAULT,
    out: Annotated[
        Path, typer.Option(help="folder of the pages: a new one, an empty one, or that of an earlier report")
    ] = Path(".perfsuite/nights"),
    night: Night = None,
) -> None:
    """Write a folder of pages: what is open, every series and every change, and all of it as JSON.

    Exit code 0: written, whatever is open; 2: the history cannot be read, or the pages not be written.
    """
    from perfsuite.report.tracking import site
    from perfsuite.store import StoreError
    from perfsuite.tracking.nightly import full_overview

    try:
        with opened(db) as history:
            found = full_overview(history, wanted_night(history.runs(), night))
            page = site.write(found, out, str(history))
    except (StoreError, ValueError) as error:
        raise fail(error) from error
    typer.echo(f"wrote {page}")
