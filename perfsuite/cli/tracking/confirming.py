"""``perfsuite track keep`` and ``perfsuite track confirm``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from perfsuite.cli.app import Comparison, fail, to_stderr
from perfsuite.cli.tracking import options
from perfsuite.cli.tracking.app import track
from perfsuite.cli.tracking.database import DEFAULT, Db, opened


@track.command()
def keep(
    db: Db = DEFAULT,
    device: Annotated[str | None, typer.Option(help="of the history; default: all")] = None,
    under_test: options.UnderTest = None,
    wheels: options.Wheels = None,
    wheels_limit: options.WheelsLimit = options.DEFAULT_LIMIT_GIB,
    index_url: options.IndexUrl = None,
    extra_index_url: options.ExtraIndexUrl = None,
    find_links: options.FindLinks = None,
    no_index: options.NoIndex = False,
) -> None:
    """Keep the wheels of the latest night; an index of nightlies drops them.

    The folder is bounded: what was used longest ago goes first, but what an
    open change needs stays.

    Exit code 0: all are kept; 1: some could not be had;
    2: wrong options, or nothing can be kept here.
    """
    from perfsuite.environments import UnavailableError
    from perfsuite.store import StoreError
    from perfsuite.tracking.keeping import keep_latest, pinned

    index = options.index_of(index_url, extra_index_url, find_links, no_index)
    cache, packages = options.wheels_of(wheels, wheels_limit), options.packages_of(under_test)
    try:
        with opened(db) as history:
            runs, changes = history.runs(device), history.changes()
        if not runs:
            raise ValueError(f"{history}: the history has no run{f' of {device}' if device else ''}")
        missing = keep_latest(cache, index, runs, packages, to_stderr)
        removed, over = cache.prune(pinned(changes, runs, packages))
    except (StoreError, UnavailableError, ValueError) as error:
        raise fail(error) from error
    for wheel in removed:
        to_stderr(f"removed {wheel.name}, last used {wheel.used[:10]}")
    if over:
        to_stderr(
            f"perfsuite: {cache.folder}: what open changes need exceeds the limit by {over / 2**30:.1f} GiB; "
            "decide them, or raise --wheels-limit"
        )
    for said in missing:
        to_stderr(f"perfsuite: {said}")
    if missing:
        raise typer.Exit(1)


@track.command(cls=Comparison)
def confirm(
    db: Db = DEFAULT,
    change: Annotated[list[str] | None, typer.Option(help="id; default: all that want an A/B")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    time_s: Annotated[float, typer.Option("--time", min=1, help="seconds of one A/B, the first time")] = 60.0,
    limit: Annotated[float | None, typer.Option(min=0, help="minutes after which no A/B is begun")] = None,
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    under_test: options.UnderTest = None,
    wheels: options.Wheels = None,
    wheels_limit: options.WheelsLimit = options.DEFAULT_LIMIT_GIB,
    index_url: options.IndexUrl = None,
    extra_index_url: options.ExtraIndexUrl = None,
    find_links: options.FindLinks = None,
    no_index: options.NoIndex = False,
) -> None:
    """Decide by an A/B what history nominated: last good night, first bad one.

    Slower: confirmed. Not slower: the machine drifted, and nobody is told.
    Neither: more time, then unconfirmed, and tried again on a later night.

    Exit code 0: nothing was confirmed; 1: something was; 2: something is left
    unconfirmed; 3: wrong options, or nothing could be compared.
    """
    import tempfile
    from pathlib import Path

    from perfsuite.device import NoDeviceError
    from perfsuite.environments import Builder, EnvironmentsError
    from perfsuite.records import State
    from perfsuite.store import StoreError
    from perfsuite.tracking.trials.confirming import Means, waiting
    from perfsuite.tracking.trials.confirming import confirm as decide
    from perfsuite.workers.ab import Plan

    cache = options.wheels_of(wheels, wheels_limit)
    index = options.index_of(index_url, extra_index_url, find_links, no_index)
    until = None if limit is None else time.monotonic() + 60 * limit
    try:
        with opened(db) as history, tempfile.TemporaryDirectory(prefix="perfsuite-confirm-") as name:
            here = options.device_in(history, device)
            runs = history.runs(here)
            named = options.changes_named(history, here, change or ())
            wanted = named or waiting(history.changes(), runs, here)
            builder = Builder(Path(name), cache, index, to_stderr)
            plan = Plan(device=device, weights=weights, time_s=time_s)
            means = Means(builder, plan, options.packages_of(under_test), until, to_stderr, cache.git)
            found = decide(history, wanted, runs, means)
    # Sides out of step are a RuntimeError; a traceback would exit with 1: confirmed.
    except (StoreError, EnvironmentsError, NoDeviceError, ValueError, RuntimeError, OSError) as error:
        typer.echo(f"perfsuite: {error}", err=True)
        raise typer.Exit(3) from error
    for each in found:
        typer.echo(f"{each.change.id}  {each.change.state}  {each.change.series.name}: {each.trial.detail}")
    if not found:
        typer.echo("nothing wants an A/B here")
    states = {each.change.state for each in found}
    if State.CONFIRMED in states:
        raise typer.Exit(1)
    if State.UNCONFIRMED in states or len(found) < len(wanted):
        raise typer.Exit(2)
