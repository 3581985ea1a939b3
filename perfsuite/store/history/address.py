"""Where a history is: a file, or a PostgreSQL server. Its password is in no message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from perfsuite.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "***"
_FORMS = "a file's path, sqlite:///PATH or postgresql://USER@HOST/DATABASE"
_SERVERS = ("postgresql", "postgres", "postgresql+psycopg")


class Address:
    """A database's place."""

    def __init__(self, where: str | Path) -> None:
        """Understand a path or a URL.

        Raises:
            StoreError: it is neither.
        """
        self.url = _url(where)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None of a server."""
        return Path(self.url.database or "") if self.url.drivername == "sqlite" else None

    def __str__(self) -> str:
        """As it may be shown to everybody."""
        if self.file is not None:
            return str(self.file)
        plain = self.url.set(drivername="postgresql")
        secrets = dict.fromkeys(_secret(plain), HIDDEN)
        said = plain.update_query_dict(secrets).render_as_string(hide_password=True)
        return said.replace(quote_plus(HIDDEN), HIDDEN)

    __repr__ = __str__

    def hide(self, text: str) -> str:
        """The text without the password, however it is spelled."""
        secrets = [self.url.password, *(self.url.query[name] for name in _secret(self.url))]
        for secret in filter(None, secrets):
            plain = str(secret)
            for spelled in {plain, quote(plain, safe=""), quote_plus(plain)}:
                text = text.replace(spelled, HIDDEN)
        return text


def _secret(url: URL) -> Iterator[str]:
    """Names of the URL's query that hold one."""
    return (name for name in url.query if "password" in name.lower())


def _url(where: str | Path) -> URL:
    text = str(where)
    scheme, separator, _ = text.partition("://")
    if not separator:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Its message, and what it was raised from, may repeat the password.
        raise StoreError(f"{scheme}://{HIDDEN}: this is no URL of a database; give {_FORMS}") from None
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url.drivername in _SERVERS and url.database:
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(f"{scheme}://: no database that a history can be kept in; give {_FORMS}")


def shown(where: str | Path) -> str:
    """An address as it may be shown to everybody."""
    return str(Address(where))
