"""The pages of a believable history, made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from overviews import believable
from parsed_page import Page

from perfsuite.report.tracking.pages import pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.records import Overview

DATABASE = "night history.db"


@pytest.fixture(scope="session")
def history() -> Overview:
    return believable()


@pytest.fixture(scope="session")
def files(history: Overview) -> dict[str, bytes]:
    return pages(history, DATABASE)


@pytest.fixture(scope="session")
def parsed(files: dict[str, bytes]) -> dict[str, Page]:
    """Every page by its name."""
    return {name: Page(data.decode()) for name, data in files.items() if name.endswith(".html")}


@pytest.fixture(scope="session")
def page(parsed: dict[str, Page]) -> Callable[[str], Page]:
    """The page whose name begins so."""

    def find(begin: str) -> Page:
        (name,) = [name for name in parsed if name.startswith(begin)]
        return parsed[name]

    return find
