"""``perfsuite track nominate``, ``list``, ``show``, ``decide`` and ``summary``: what became of changes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli.app import fail, terminal
from perfsuite.cli.tracking.app import track
from perfsuite.cli.tracking.database import DEFAULT, Db, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Change, ChangeGroup, NightRun, Overview, Tracked
    from perfsuite.store.history import History

Night = Annotated[
    str | None,
    typer.Option(help="date of the evaluation; default: the latest night, and yesterday at the earliest"),
]
Patience = Annotated[
    int, typer.Option("--nights", min=1, help="nights without a run or a series after which it is said")
]


@track.command()
def nominate(
    db: Db = DEFAULT,
    night: Night = None,
    decisions: Annotated[
        Path | None, typer.Option(help="TOML file of decisions, reviewed in the repository")
    ] = None,
    nights: Patience = 2,
) -> None:
    """Evaluate a night: find what changed, and save what became of it. A second time changes nothing.

    Exit code 0: nothing is open; 1: something confirmed is open;
    2: it could not be evaluated; 3: something is undecided, or missing.
    """
    from perfsuite.report.tracking import text, words
    from perfsuite.store import StoreError
    from perfsuite.tracking.nightly import nominate as evaluate

    try:
        with opened(db) as history:
            on = wanted_night(history.runs(), night)
            before, after = evaluate(history, on, decisions, _now())
            found = _overview(history, history.runs(), on, nights, after)
    except (StoreError, ValueError) as error:
        raise fail(error) from error
    for line in text.moved(before, found.groups):
        typer.echo(line)
    typer.echo(words.verdict(found))
    _exit(found)


@track.command("list")
def list_(
    db: Db = DEFAULT,
    night: Night = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also what is closed, and changes for the better")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="groups and absences as JSON")] = False,
    nights: Patience = 2,
) -> None:
    """What is open, undecided or missing, as the last evaluation left it.

    Exit code 0: nothing is open; 1: something confirmed is open;
    2: the history cannot be read; 3: something is undecided, or missing.
    """
    from perfsuite.report.tracking import text
    from perfsuite.store import StoreError

    try:
        with opened(db) as history:
            runs = history.runs()
            found = _overview(history, runs, wanted_night(runs, night), nights, history.changes())
    except (StoreError, ValueError) as error:
        raise fail(error) from error
    if as_json:
        typer.echo(text.as_json(found))
    else:
        shown = terminal()
        typer.echo(text.listed(found, everything=everything, colour=shown.colour, width=shown.width))
    _exit(found)


@track.command()
def show(
    what: Annotated[
        str,
        typer.Argument(help="id of a change or group, or its beginning; or name of a series, or part of it"),
    ],
    db: Db = DEFAULT,
) -> None:
    """One group of changes, or one series, with all that is known of it and what can be done.

    Exit code 0: shown; 2: there is none, or several, or the history cannot be read.
    """
    from perfsuite.report.tracking import text
    from perfsuite.store import StoreError

    width = terminal().width
    try:
        with opened(db) as history:
            group = _group(history, what)
            if group is not None:
                typer.echo(text.group(group, str(history), width))
            else:
                typer.echo(text.series(_series(history, what), width))
    except (StoreError, ValueError) as error:
        raise fail(error) from error


@track.command()
def decide(
    change: Annotated[str, typer.Argument(help="id of a change or group, or its beginning")],
    state: Annotated[
        str, typer.Argument(help="acknowledged, accepted, ignored, fixed, or confirmed to open it again")
    ],
    reason: Annotated[str, typer.Option(help="why; others will read it")],
    db: Db = DEFAULT,
    until: Annotated[
        str | None, typer.Option(help="with ignored: a date, or a version such as 'torch>=2.14'")
    ] = None,
    who: Annotated[str | None, typer.Option(help="default: the user of this machine")] = None,
    group: Annotated[bool, typer.Option("--group", help="all changes of its group")] = False,
) -> None:
    """Say what becomes of a change; what is said later holds, nothing is taken back.

    Exit code 0: noted; 2: there is no such change, or it cannot be said of it.
    """
    from perfsuite.report.format import plain
    from perfsuite.store import StoreError
    from perfsuite.tracking import nightly

    try:
        with opened(db) as history:
            found = _group(history, change) if group else None
            ids = [c.id for c in found.changes if c.worse] if found is not None else [change]
            done = nightly.decide(history, ids or [change], state, who or _user(), _now(), reason, until)
    except (StoreError, ValueError) as error:
        raise fail(error) from error
    for each in done:
        typer.echo(plain(f"{each.id}  {each.state}  {each.series.name}"))


@track.command()
def summary(
    db: Db = DEFAULT,
    group: Annotated[str | None, typer.Option(help="id of a group; default: all that is open")] = None,
    night: Night = None,
    nights: Patience = 2,
) -> None:
    """Markdown for an issue; its first line is the title.

    Exit code 0: written; 2: there is no such group, or the history cannot be read.
    """
    from perfsuite.report.tracking import markdown
    from perfsuite.store import StoreError

    try:
        with opened(db) as history:
            if group is None:
                runs = history.runs()
                found = _overview(history, runs, wanted_night(runs, night), nights, history.changes())
                typer.echo(markdown.summary(found, str(history)), nl=False)
            else:
                one = _group(history, group)
                if one is None:
                    raise ValueError(f"--group {group}: there is none; see perfsuite track list --all")
                typer.echo(markdown.of_group(one, str(history)), nl=False)
    except (StoreError, ValueError) as error:
        raise fail(error) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def wanted_night(runs: Sequence[NightRun], wanted: str | None) -> str:
    """The night that is named, or meant. Raises `ValueError`."""
    from perfsuite.tracking.overview import night_of

    if wanted is None:
        return night_of(runs, _now()[:10])
    try:
        return date.fromisoformat(wanted).isoformat()
    except ValueError:
        raise ValueError(f"--night {wanted}: this is no date; write it as 2026-11-20") from None


def _overview(
    history: History, runs: Sequence[NightRun], night: str, nights: int, changes: Sequence[Change]
) -> Overview:
    from perfsuite.tracking.overview import overview

    return overview(night, runs, history.last_nights(night), changes, least=nights)


def _exit(found: Overview) -> None:
    """The exit code that a cron job goes by."""
    from perfsuite.tracking.overview import exit_code

    code = exit_code(found)
    if code:
        raise typer.Exit(code)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise ValueError("--who: this machine does not tell its user's name; give it") from None


def _group(history: History, id: str) -> ChangeGroup | None:
    """The group of a change or of its own id; None where there is none. Raises `ValueError`: several."""
    from perfsuite.tracking.decisions import known_id
    from perfsuite.tracking.grouping import groups

    changes = {change.id: change for change in history.changes()}
    if not any(each.startswith(id) for each in changes):
        return None
    wanted = known_id(changes, id)
    every = groups(list(changes.values()), history.series())
    return next(group for group in every if wanted in {change.id for change in group.changes})


def _series(history: History, name: str) -> Tracked:
    """The one series of this name, or with it as a part. Raises `ValueError`: none, or several."""
    from perfsuite.tracking.nightly import one_tracked

    every = history.series()
    named = [s for s in every if s.name == name] or [s for s in every if name in s.name]
    if len(named) != 1:
        some = "; ".join(s.name for s in named[:5])
        raise ValueError(
            f"{name!r} is in the names of {len(named)} series: {some}; give more of it"
            if named
            else f"there is no change and no series {name!r}; see perfsuite track list --all"
        )
    return one_tracked(history, named[0])
