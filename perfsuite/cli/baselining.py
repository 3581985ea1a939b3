"""``perfsuite baselines``: what is stored, what differs, what nothing uses any more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import Commands, app, fail, terminal

if TYPE_CHECKING:
    from perfsuite.store import Baselines
    from perfsuite.store.inventory import Pruned

baselines_app = Commands(
    help="Show, compare and prune stored baselines. Without a command: this help, exit code 2."
)
app.add_typer(baselines_app, name="baselines")

Folder = Annotated[Path, typer.Option("--baselines", help="folder of the baselines")]
Json = Annotated[bool, typer.Option("--json", help="as JSON")]
DEFAULT = Path("baselines")


def _slugs(store: Baselines, device: str | None) -> list[str]:
    """The device that was named, else all.

    Raises:
        ValueError: there is none at all.
    """
    known = store.slugs()
    if not known:
        raise ValueError(
            f"no baselines in {store.directory}; record some: pytest --benchmark-only --perf-update=new, "
            "or perfsuite calibrate --sessions 5"
        )
    return [device] if device else known


@baselines_app.command()
def show(
    device: Annotated[
        str | None, typer.Argument(help="slug of a device; default: all", autocompletion=completing.slugs)
    ] = None,
    workload: Annotated[
        list[str] | None, typer.Option(help="default: all", autocompletion=completing.workloads)
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="default: all", autocompletion=completing.variants)
    ] = None,
    baselines: Folder = DEFAULT,
    as_json: Json = False,
) -> None:
    """Sessions, spread, age and versions of each entry, and the slowdown that a gate of one session finds.

    Exit code 0: shown; 2: an unknown name, no baselines, or a damaged file.
    """
    from datetime import UTC, datetime

    from perfsuite.pipelines import variants, workloads
    from perfsuite.report import baselines as report
    from perfsuite.store import Baselines, StoreError
    from perfsuite.store.inventory import load_all

    store = Baselines(baselines)
    try:
        names = [workloads.get(name).name for name in workload or ()]
        chosen = [variants.get(name).name for name in variant or ()]
        found = load_all(store, datetime.now(UTC), _slugs(store, device), names, chosen)
    except (ValueError, StoreError) as error:
        raise fail(error) from error
    typer.echo(report.shown_as_json(found) if as_json else report.shown(found, terminal().width))


@baselines_app.command()
def diff(
    before: Annotated[
        str, typer.Argument(help="file or slug before; with --ref the file", autocompletion=completing.slugs)
    ],
    after: Annotated[
        str | None, typer.Argument(help="file or slug after", autocompletion=completing.slugs)
    ] = None,
    ref: Annotated[
        list[str] | None,
        typer.Option(
            help="git ref of the one file: once, against the file as it is; twice, before and after"
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="entry (workload/variant) that is gone, or not comparable any more, on purpose; all for "
            "every one; may be repeated"
        ),
    ] = None,
    baselines: Folder = DEFAULT,
    as_json: Json = False,
) -> None:
    """Compare two baseline files, or two versions of one, entry by entry.

    Exit code 0: every entry of the file before was compared, and none
    REGRESSED; 1: one did, or entries are gone or not comparable
    (LESS_JUDGED), or nothing was compared (NOT_JUDGED); 2: a file cannot be read.
    """
    from perfsuite.report import baselines as report
    from perfsuite.store import Baselines, StoreError
    from perfsuite.store.inventory import NothingToCompareError, differences, outcome, read_side

    refs: list[str | None] = list(ref or ())
    try:
        if ref and after is not None:
            raise NothingToCompareError("--ref compares versions of one file: name that file alone")
        if not ref and after is None:
            raise NothingToCompareError("name a second file, or a git ref of this one: --ref main")
        if len(refs) > 2:
            raise NothingToCompareError(f"--ref was given {len(refs)} times: once or twice")
        store = Baselines(baselines)
        paths = [_file(store, before), _file(store, after or before)]
        refs = [*refs, None, None][:2]
        sides = [read_side(path, at) for path, at in zip(paths, refs, strict=True)]
        found = differences(*sides)
        came_to = outcome(found, accept or ())
    except (ValueError, StoreError) as error:
        raise fail(error) from error
    names = [f"{at}:{path}" if at else str(path) for path, at in zip(paths, refs, strict=True)]
    if as_json:
        typer.echo(report.compared_as_json(names[0], names[1], found, came_to))
    else:
        typer.echo(report.compared(names[0], names[1], found, came_to, terminal().width))
    if came_to.fails:
        raise typer.Exit(1)


@baselines_app.command()
def check(
    device: Annotated[
        str | None, typer.Argument(help="slug of a device; default: all", autocompletion=completing.slugs)
    ] = None,
    baselines: Folder = DEFAULT,
    as_json: Json = False,
) -> None:
    """Find what no run should be held to: disturbed or odd sessions, two modes, figures that contradict each
    other. Exit code 0: nothing; 1: something is odd; 2: the files cannot be read."""
    from datetime import UTC, datetime

    from perfsuite.report import baselines as report
    from perfsuite.store import Baselines, StoreError
    from perfsuite.store.inventory import check as examine
    from perfsuite.store.inventory import find

    store = Baselines(baselines)
    try:
        found = {slug: examine(find(store, slug), datetime.now(UTC)) for slug in _slugs(store, device)}
    except (ValueError, StoreError) as error:
        raise fail(error) from error
    typer.echo(report.checked_as_json(found) if as_json else report.checked(found, terminal().width))
    if any(found.values()):
        raise typer.Exit(1)


def _file(store: Baselines, name: str) -> Path:
    """A file by its path, or by the slug of its device.

    Raises:
        UnknownNameError: it looks like a slug, and there is no such device.
    """
    from perfsuite.pipelines.variants import UnknownNameError

    # A path may be one that is only in a git ref.
    if "/" in name or name.endswith(".json") or Path(name).exists():
        return Path(name)
    if name not in store.slugs():
        raise UnknownNameError("device", name, store.slugs() or [f"none in {store.directory}"])
    return store.path(name)


@baselines_app.command()
def prune(
    device: Annotated[
        str | None, typer.Argument(help="slug of a device; default: all", autocompletion=completing.slugs)
    ] = None,
    keep: Annotated[int | None, typer.Option(help="newest sessions of each entry that stay")] = None,
    older_than: Annotated[float | None, typer.Option(help="days; older sessions go")] = None,
    not_torch: Annotated[str | None, typer.Option(help="sessions of another torch go")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="write; without it nothing changes")] = False,
    baselines: Folder = DEFAULT,
    as_json: Json = False,
) -> None:
    """Remove entries of names that no longer exist, and the sessions that the options name. Nothing is
    written without --yes; a damaged file is never touched.

    Exit code 0: done, or said what would be; 2: wrong options, no baselines, or a damaged file.
    """
    from datetime import UTC, datetime

    from perfsuite.report import baselines as report
    from perfsuite.store import Baselines, StoreError
    from perfsuite.store.inventory import Rule, find
    from perfsuite.store.inventory import prune as take_out

    store = Baselines(baselines)
    try:
        rule = Rule(keep, older_than, not_torch)
        slugs = _slugs(store, device)
        for slug in slugs:  # all are read before the first is written
            find(store, slug)
        now = datetime.now(UTC)
        found: dict[str, list[Pruned]] = {slug: take_out(store, slug, rule, now, write=yes) for slug in slugs}
    except (ValueError, StoreError) as error:
        raise fail(error) from error
    if as_json:
        typer.echo(report.pruned_as_json(found, written=yes))
    else:
        typer.echo(report.pruned(found, written=yes, width=terminal().width))
