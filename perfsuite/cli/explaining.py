"""``perfsuite explain``: why one run is slower than another."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli.app import app, fail


@app.command()
def explain(
    before: Annotated[
        Path, typer.Argument(help="results of --perf-results, or a baseline file", metavar="RESULT_A")
    ],
    after: Annotated[Path, typer.Argument(help="likewise, of the run to be explained", metavar="RESULT_B")],
    workload: Annotated[str | None, typer.Option(help="default: all that both files hold")] = None,
    variant: Annotated[str | None, typer.Option(help="default: all that both files hold")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Why did B get slower than A: versions and settings, counts, stages, kernels that differ.

    Exit code 0: compared, whatever was found; 2: there is nothing to compare.
    """
    from perfsuite.bench.explanation import NothingToExplainError, choose
    from perfsuite.bench.explanation import explain as find
    from perfsuite.pipelines import variants, workloads
    from perfsuite.report.explain import conclusion, text
    from perfsuite.store import StoreError, read_side

    found, refused = [], []
    try:
        one, two = read_side(before), read_side(after)
        asked = (
            workloads.get(workload).name if workload is not None else None,
            variants.get(variant).name if variant is not None else None,
        )
        for key in choose(one, two, *asked):
            try:
                found.append(find(one, two, key))
            except NothingToExplainError as error:
                refused.append(error)
        if not found:
            raise refused[0]
    except (StoreError, ValueError) as error:  # unknown names and contradictions are ValueErrors
        raise fail(error) from error
    if as_json:
        typer.echo(json.dumps([asdict(f) | {"conclusion": conclusion(f)} for f in found], indent=1))
    else:
        typer.echo("\n\n".join(text(f) for f in found))
    for refusal in refused:
        typer.echo(f"perfsuite: {refusal}", err=True)
    for side, other in ((one, two), (two, one)):
        lacking = [key for key in side.evidence if key not in other.evidence]
        if asked == (None, None) and lacking:
            typer.echo(f"perfsuite: only in {side.path}: {', '.join(lacking)}", err=True)
