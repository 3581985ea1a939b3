"""The page of results files, parsed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from parsed_page import Page

from perfsuite.report import html

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MADE = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Page]:
    """The page of these results files."""

    def make(*results: Path) -> Page:
        return Page(html.render(html.gather(results, tmp_path / "baselines"), MADE))

    return make
