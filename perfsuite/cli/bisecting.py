"""``perfsuite bisect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, to_stderr
from perfsuite.cli.tracking import options

if TYPE_CHECKING:
    from perfsuite.tracking.bisection.assignment import Assignment
    from perfsuite.tracking.bisection.running import Outcome

LOGS = Path(".perfsuite/bisect")


@app.command()
def bisect(
    variant: Annotated[str | None, typer.Option(autocompletion=completing.variants)] = None,
    good: Annotated[str | None, typer.Option(help="the last good night, or version of --package")] = None,
    bad: Annotated[str | None, typer.Option(help="the first bad one")] = None,
    package: Annotated[
        str | None, typer.Option(help="that alone is exchanged; default: the one that carries it is found out")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option(help="id of a change, in place of --variant, --good and --bad")
    ] = None,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="all confirmed changes of this device")] = False,
    db: Annotated[
        str | None,
        typer.Option("--db", help="history: a file, or postgresql://…", envvar="PERFSUITE_DB"),
    ] = None,
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    metric: Annotated[
        str, typer.Option(help="as perfsuite track list names it; a count needs one run a step")
    ] = "latency",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    time_s: Annotated[float, typer.Option("--time", min=1, help="seconds of one A/B, the first time")] = 60.0,
    limit: Annotated[float | None, typer.Option(min=0, help="minutes after which no step is begun")] = None,
    log: Annotated[Path | None, typer.Option(help=f"file of the steps; default: one below {LOGS}")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the steps of the log")] = False,
    explain: Annotated[bool, typer.Option(help="measure both sides of what was found, and compare")] = True,
    under_test: Annotated[
        list[str] | None,
        typer.Option("--packages", help="under test; may be repeated; default: torch and what stands on it"),
    ] = None,
    wheels: options.Wheels = None,
    wheels_limit: options.WheelsLimit = options.DEFAULT_LIMIT_GIB,
    index_url: options.IndexUrl = None,
    extra_index_url: options.ExtraIndexUrl = None,
    find_links: options.FindLinks = None,
    no_index: options.NoIndex = False,
) -> None:
    """Name the package, and the two nights or versions, between which something got slower.

    Each middle is compared with both ends, by an A/B in lock step or, of what is counted, by one run.

    Exit code 0: named; 1: good and bad do not differ; 2: not settled, or the time ran out;
    3: wrong options, or it could not be compared.
    """
    import tempfile
    import time

    from perfsuite.device import NoDeviceError
    from perfsuite.store import StoreError
    from perfsuite.tracking.bisection.assignment import Asked, assignments
    from perfsuite.tracking.bisection.search import BrokenError
    from perfsuite.tracking.environments import Builder, EnvironmentsError
    from perfsuite.tracking.oracles import OracleError
    from perfsuite.workers.ab import Plan

    asked = Asked(
        variant, good, bad, package, tuple(change or ()), confirmed, workload, metric,
        options.packages_of(under_test or ([package] if package and db is None else None)),
    )  # fmt: skip
    cache = options.wheels_of(wheels, wheels_limit)
    index = options.index_of(index_url, extra_index_url, find_links, no_index)
    until = None if limit is None else time.monotonic() + 60 * limit
    plan = Plan(device=device, weights=weights, time_s=time_s)
    codes = []
    try:
        with tempfile.TemporaryDirectory(prefix="perfsuite-bisect-") as name:
            builder = Builder(Path(name), cache, index, to_stderr)
            for each in assignments(asked, db, device, cache, index, plan):
                found = _run(each, builder, log, resume or each.change is not None, until)
                codes.append(_code(found))
                if found.found and explain and codes[-1] == 0:
                    _explain(each, found, builder)
    except (
        StoreError, EnvironmentsError, NoDeviceError, BrokenError, OracleError, ValueError, OSError
    ) as error:  # fmt: skip
        typer.echo(f"perfsuite: {error}", err=True)
        raise typer.Exit(3) from error
    if not codes:
        typer.echo("no confirmed change of this device wants a bisection")
    raise typer.Exit(max(codes, default=0))


def _code(found: Outcome) -> int:
    from perfsuite.tracking.bisection.search import Answer

    if found.found and not found.out_of_time:
        return 0
    differs = found.whole is None or found.whole.answer is not Answer.OK
    return 2 if differs else 1


def _run(
    each: Assignment, builder: object, log: Path | None, resume: bool, until: float | None
) -> Outcome:
    raise NotImplementedError


def _explain(each: Assignment, found: Outcome, builder: object) -> None:
    raise NotImplementedError
