"""``perfsuite explain``: why one run is slower than another."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli.app import app, fail
from perfsuite.cli.results import one as one_of


@app.command()
def explain(
    before: Annotated[
        Path,
        typer.Argument(
            help="a run's results, a folder of runs (its last ladder), last, or a baseline file",
            metavar="RESULT_A",
        ),
    ],
    after: Annotated[Path, typer.Argument(help="likewise, of the run to be explained", metavar="RESULT_B")],
    workload: Annotated[str | None, typer.Option(help="default: all that both files hold")] = None,
    variant: Annotated[str | None, typer.Option(help="default: all that both files hold")] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="workload/variant that A alone holds, or that is not comparable, on purpose; all for every "
            "one; may be repeated"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Why did B get slower than A: versions and settings, counts, stages, kernels that differ.

    Exit code 0: all that was asked for was compared, whatever was found;
    1: less than A holds (LESS_JUDGED); 2: there is nothing to compare.
    """
    from perfsuite.bench.explanation import Explanation, NothingToExplainError, choose, uncompared
    from perfsuite.bench.explanation import explain as find
    from perfsuite.pipelines import variants, workloads
    from perfsuite.records import Status
    from perfsuite.report.explain import conclusion, text
    from perfsuite.store import StoreError, read_side

    found: list[Explanation] = []
    refused: dict[str, NothingToExplainError] = {}
    try:
        one, two = read_side(one_of(before)), read_side(one_of(after))
        asked = (
            workloads.get(workload).name if workload is not None else None,
            variants.get(variant).name if variant is not None else None,
        )
        for key in choose(one, two, *asked):
            try:
                found.append(find(one, two, key))
            except NothingToExplainError as error:
                refused[key] = error
        if not found:
            raise next(iter(refused.values()))
        missed = uncompared(one, two, refused, asked, accept or ())
    except (StoreError, ValueError) as error:  # unknown names and contradictions are ValueErrors
        raise fail(error) from error
    if as_json:
        typer.echo(json.dumps([asdict(f) | {"conclusion": conclusion(f)} for f in found], indent=1))
    else:
        typer.echo("\n\n".join(text(f) for f in found))
    for refusal in refused.values():
        typer.echo(f"perfsuite: {refusal}", err=True)
    more = [key for key in two.evidence if key not in one.evidence]
    if asked == (None, None) and more:
        typer.echo(f"perfsuite: only in {two.path}: {', '.join(more)}", err=True)
    if missed:
        typer.echo(
            f"perfsuite: {Status.LESS_JUDGED}: {two.path} has nothing to compare with {', '.join(missed)} of "
            f"{one.path}; if that is meant: {' '.join(f'--accept {key}' for key in missed)}",
            err=True,
        )
        raise typer.Exit(1)
