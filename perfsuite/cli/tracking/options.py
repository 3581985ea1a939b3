"""Options that several commands of nightly tracking share, and what is made from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.environments import Index, WheelCache
    from perfsuite.records import Change
    from perfsuite.store.history import History

Wheels = Annotated[
    Path | None,
    typer.Option(
        "--wheels", help="folder of kept wheels; default: the user's cache", envvar="PERFSUITE_WHEELS"
    ),
]
WheelsLimit = Annotated[float, typer.Option("--wheels-limit", min=0.001, help="GiB of that folder, at most")]
IndexUrl = Annotated[str | None, typer.Option("--index-url", help="as of pip")]
ExtraIndexUrl = Annotated[
    list[str] | None, typer.Option("--extra-index-url", help="as of pip; may be repeated")
]
FindLinks = Annotated[list[str] | None, typer.Option("--find-links", help="as of pip; may be repeated")]
NoIndex = Annotated[bool, typer.Option("--no-index", help="only kept wheels and --find-links")]
UnderTest = Annotated[
    list[str] | None,
    typer.Option("--packages", help="under test; may be repeated; default: torch and what stands on it"),
]
DEFAULT_LIMIT_GIB = 60.0


def index_of(url: str | None, extra: list[str] | None, links: list[str] | None, alone: bool) -> Index:
    """The index that the options name."""
    from perfsuite.environments import Index

    return Index(url, tuple(extra or ()), tuple(links or ()), alone)


def wheels_of(folder: Path | None, limit_gib: float) -> WheelCache:
    """The folder of kept wheels that the options name."""
    from perfsuite.environments.wheels import WheelCache, default_folder

    return WheelCache(folder or default_folder(), int(limit_gib * 2**30))


def packages_of(named: list[str] | None) -> tuple[str, ...]:
    """Packages under test, the likeliest cause first."""
    from perfsuite.device import further
    from perfsuite.environments import UNDER_TEST, canonical

    return tuple(dict.fromkeys(canonical(name) for name in named or (*UNDER_TEST, *further())))


def device_in(history: History, place: str) -> str:
    """The name that this machine's device has in a history.

    Raises:
        NoDeviceError: it is not there.
    """
    from perfsuite.device import fingerprint

    return history.name_of(fingerprint(place).slug)


def changes_named(history: History, device: str, named: Sequence[str]) -> list[Change]:
    """Changes of a device by their ids, or the beginnings of these.

    Raises:
        ValueError: there is none, or it is of another device.
    """
    from perfsuite.tracking.decisions import known_id

    known = {each.id: each for each in history.changes()}
    found = [known[known_id(known, name)] for name in named]
    for each in found:
        if each.series.device != device:
            raise ValueError(
                f"--change {each.id}: is of {each.series.device}, and this is {device}: what is measured "
                "elsewhere says nothing of it"
            )
    return list({each.id: each for each in found}.values())
