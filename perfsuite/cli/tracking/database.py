"""The option that names the history, for every command that reads or writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from perfsuite.store.history import History

DEFAULT = ".perfsuite/history.db"
Db = Annotated[
    str,
    typer.Option(
        "--db",
        envvar="PERFSUITE_HISTORY",
        help="the history: a SQLite file, or postgresql://USER@HOST/DATABASE",
    ),
]


def opened(where: str, *, create: bool = False) -> History:
    """The history that is meant. Raises `StoreError`."""
    from perfsuite.store.history import History

    return History.open(where, create=create)
