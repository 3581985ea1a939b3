"""``perfsuite track add``, ``rename`` and ``event``: what goes into a history by hand."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli.app import fail
from perfsuite.cli.results import Results, chosen, is_fleet, joined, parts_of
from perfsuite.cli.tracking.app import track
from perfsuite.cli.tracking.database import DEFAULT, Db, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.fleet.results.reading import Reading
    from perfsuite.records import Run
    from perfsuite.store.history import Added


class Kind(StrEnum):
    """Of an event."""

    DRIVER = "driver"
    MACHINE = "machine"
    PROTOCOL = "protocol"
    OTHER = "other"


@track.command()
def add(
    results: Results = None,
    db: Db = DEFAULT,
    night: Annotated[
        str | None, typer.Option(help="date that the runs count for; default: the day in UTC of each")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="name of the machine in the history; default: by its hardware")
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="also a plan's that is not over; what comes later is not added"),
    ] = False,
) -> None:
    """Add runs to the history, from their results files; a run that is there already stays as it is.

    Of a folder of a plan (perfsuite run) it is one run for each device, and where the plan has several
    environments one for each of them: its device is then named DEVICE@ENVIRONMENT.

    Exit code 0: all are there; 2: a file cannot be read, or the history not be written.
    """
    from perfsuite.store import StoreError, read_results

    fleets = [path for path in results or [] if is_fleet(path)]
    others = [path for path in results or [] if path not in fleets]
    try:
        runs = [
            named
            for name, plan in _plans(fleets)
            for named in of_plan(name, plan, device, unfinished=unfinished)
        ]
        if others or not fleets:
            runs += [(device, read_results(path)) for path in chosen(others)]
        with opened(db, create=True) as history:
            for name, run in runs:
                typer.echo(_said(history.add(run, night, device=name)))
    except StoreError as error:
        raise fail(error) from error


def _plans(folders: list[Path]) -> Iterator[tuple[str, Reading]]:
    """What was run in these folders, with their names; parts of one plan are one. Raises `StoreError`."""
    from perfsuite.fleet.results.reading import read, read_parts

    parts = parts_of(folders)
    if len(parts) > 1:
        with tempfile.TemporaryDirectory() as kept:
            whole = read_parts(joined(parts, Path(kept)))
        yield ", ".join(map(str, parts)), whole
    for path in folders:
        if len(parts) < 2 or path not in parts:
            yield str(path), read(path)


def of_plan(
    name: str, found: Reading, device: str | None, *, unfinished: bool
) -> list[tuple[str | None, Run]]:
    """The merged runs of a plan that was run, each with its device's name in a history.

    Raises:
        StoreError: the plan is not over and need be, or two of its runs would have one name.
    """
    from perfsuite.fleet.planning.joining import named
    from perfsuite.fleet.results.merging import names
    from perfsuite.store import StoreError

    if found.absent and not unfinished:
        raise StoreError(
            f"{name}: {named(found.absent)} of the plan absent, and what comes later would not be "
            "added: name that too, or add what there is with --unfinished"
        )
    if found.unfinished and not unfinished:
        raise StoreError(
            f"{name}: {found.unfinished} of {len(found.plan.blocks)} blocks have not ended, and what comes "
            "later would not be added: go on with perfsuite run, or add what there is with --unfinished"
        )
    try:
        return list(names(found.plan, [merged for _, merged in found.runs], device))
    except ValueError as error:
        raise StoreError(
            f"{name}: {error}; add their files below results one by one, with --device"
        ) from error


def _said(added: Added) -> str:
    """One run, and below it what is worth a look."""
    where = f"run {added.run[:8]}, night {added.night} on {added.device}"
    if not added.new:
        return f"{where}: is there already"
    excluded = f" ({added.excluded} without weight)" if added.excluded else ""
    lines = [f"{where}: added {added.figures} figures{excluded} and {added.counts} counts"]
    lines += [f"  event of {event.night}: {event.kind}: {event.text}" for event in added.events]
    if added.missing:
        lines.append(f"  not measured: {', '.join(added.missing)}")
    return "\n".join(lines)


@track.command()
def rename(
    devices: Annotated[
        tuple[str, str] | None,
        typer.Option("--device", metavar="OLD NEW", help="names of a device in the history"),
    ] = None,
    variants: Annotated[
        tuple[str, str] | None,
        typer.Option("--variant", metavar="OLD NEW", help="names of a variant, on all devices"),
    ] = None,
    db: Db = DEFAULT,
) -> None:
    """Give a device or a variant another name in the history; its points and changes follow.

    A name that is there already takes them in, unless both were measured in the same nights.

    Exit code 0: renamed; 2: it cannot be.
    """
    from perfsuite.store import StoreError

    if devices is None and variants is None:
        raise typer.BadParameter("give --device OLD NEW, or --variant OLD NEW")
    try:
        with opened(db) as history:
            if devices is not None:
                history.rename_device(*devices)
                typer.echo(f"device {devices[0]} is now {devices[1]}")
            if variants is not None:
                history.rename_variant(*variants)
                typer.echo(f"variant {variants[0]} is now {variants[1]}")
    except StoreError as error:
        raise fail(error) from error


@track.command()
def event(
    text: Annotated[str, typer.Argument(help="what happened, for people")],
    device: Annotated[str, typer.Option(help="name of the device in the history")],
    night: Annotated[str, typer.Option(help="date of the first night after it")],
    of: Annotated[Kind, typer.Option("--kind", help="what it is of")] = Kind.OTHER,
    workload: Annotated[str | None, typer.Option(help="default: all of the device's")] = None,
    db: Db = DEFAULT,
) -> None:
    """Note an event that moves figures and is no change of the code: levels start anew on that night.

    Another driver, machine or protocol is noted by itself when a run is added.

    Exit code 0: it is noted; 2: it cannot be.
    """
    from perfsuite.records import HistoryEvent
    from perfsuite.store import StoreError

    try:
        with opened(db) as history:
            new = history.add_event(HistoryEvent(device, night, of.value, text, workload))
    except StoreError as error:
        raise fail(error) from error
    typer.echo("noted" if new else "was noted already")
