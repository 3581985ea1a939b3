"""The page of a plan in a real browser: alone, with keys, on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fleet_folders import everything

from perfsuite.report.fleet import site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    return site.write(everything(folder / "f"), folder / "page", folder / "none")


@pytest.mark.parametrize(("dark", "width"), [(False, 390), (True, 390), (True, 1000)])
def test_nobody_is_kept_out_and_nothing_reaches_over_the_edge(visit, first, dark, width):
    """With all that can be opened open; nothing is loaded, and nothing said."""
    found = visit(first, dark=dark, width=width)
    found.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert found.grave() == []
    assert found.over(width) == []
    assert found.said == []
    assert found.asked == [found.url]


def test_a_square_leads_to_its_variant(visit, first):
    """Which is open then, in the run of its environment and device."""
    found = visit(first)
    found.page.locator(".matrix tbody tr:has-text('bf16-sdpa') td a").nth(1).click()
    found.page.wait_for_url("**/runs.html#*")
    opened = found.page.locator("details.variant[open]:target")
    assert opened.count() == 1
    assert "bf16-sdpa" in opened.locator("summary").inner_text()
