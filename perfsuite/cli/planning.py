"""``perfsuite plan``: from a matrix to the blocks that machines run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli.app import app, fail, terminal, to_stderr

if TYPE_CHECKING:
    from perfsuite.fleet.planning.matrix import Matrix
    from perfsuite.records import Plan

MOST_CELLS = 2000
"""More are a mistake unless somebody says otherwise."""
FORMATS = ("text", "json", "github")


@app.command()
def plan(
    matrix: Annotated[Path, typer.Argument(help="what to find out, see: perfsuite guide fleet")],
    out: Annotated[Path | None, typer.Option(help="write the plan to this file, for perfsuite run")] = None,
    shard: Annotated[
        str | None, typer.Option(help="one part of the plan, such as 2/4: the second of four")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the order of its blocks")] = 1,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="text, json (the plan), or github (jobs of a matrix, as a line for $GITHUB_OUTPUT)",
        ),
    ] = "text",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="parts to make jobs of, with --format github; default: all")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=f"more than {MOST_CELLS} cells are meant")] = False,
) -> None:
    """Make a plan of a matrix: variants, workloads, environments, devices and repeats, as blocks that
    machines run one by one.

    Nothing is measured. Exit code 0: planned; 2: the matrix or an option
    means nothing, the plan cannot be written, or it is large and --yes
    was not said.
    """
    from perfsuite.environments import EnvironmentsError
    from perfsuite.fleet.planning import files, planner, sharding
    from perfsuite.fleet.planning.locks import locked
    from perfsuite.fleet.planning.matrix import read_matrix
    from perfsuite.pipelines.variants import UnknownNameError
    from perfsuite.store import StoreError

    try:
        if form not in FORMATS:
            raise UnknownNameError("format", form, list(FORMATS))
        if jobs is not None and (form != "github" or shard is not None):
            raise ValueError("--jobs is for --format github of a whole plan")
        part = None if shard is None else sharding.parse_shard(shard)
        found = read_matrix(matrix)
        _check_size(found, matrix, yes=yes)
        made = planner.make_plan(locked(found, to_stderr), seed)
        if part is not None:
            made = sharding.shard(made, *part)
        said = _shown(made, form, jobs)
        if out is not None:
            files.write_plan(out, made)
    except (ValueError, StoreError, EnvironmentsError) as error:
        raise fail(error) from error
    typer.echo(said)
    if out is None and form == "text":
        to_stderr("nothing was written; perfsuite run takes the file that --out names")


def _check_size(matrix: Matrix, path: Path, *, yes: bool) -> None:
    from perfsuite.fleet.planning.planner import count_cells

    cells = count_cells(matrix)
    if cells > MOST_CELLS and not yes:
        raise ValueError(
            f"{path} plans {cells} cells: {len(matrix.variants)} variants, {len(matrix.workloads)} "
            f"workloads, {len(matrix.environments)} environments, {len(matrix.devices)} devices, "
            f"{matrix.repeats} repeats; more than {MOST_CELLS} are planned with --yes only"
        )


def _shown(plan: Plan, form: str, jobs: int | None) -> str:
    from perfsuite.fleet.planning import files, sharding
    from perfsuite.report import planning as show

    if form == "json":
        return files.encode_plan(plan).decode().rstrip("\n")
    if form == "github":
        return show.github(sharding.jobs(plan, jobs))
    return show.text(plan, terminal().width)
