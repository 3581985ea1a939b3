"""The pages of a history in a real browser: alone, with keys, on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from overviews import believable

from perfsuite.report.tracking import site

if TYPE_CHECKING:
    from pathlib import Path

STEP, WITHOUT_WEIGHT = (
    "series-latency-bf16-sdpa-compile-sdxl-base-h100*",
    "series-latency-bf16-sdxl-base-h100*",
)
GROUP = "group-10a7b3c9d2c"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site.write(believable(), tmp_path_factory.mktemp("nights"), "history.db").parent


def of(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"{name}.html")
    return found


@pytest.mark.parametrize(
    ("name", "dark", "width"), [("index", False, 390), (GROUP, True, 390), (STEP, True, 1280)],
    ids=["index", "group", "series"],
)  # fmt: skip
def test_nobody_is_kept_out_and_nothing_reaches_over_the_edge(visit, folder, name, dark, width):
    """With all that can be opened open; nothing is loaded, and nothing said."""
    found = visit(of(folder, name), dark=dark, width=width)
    found.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert found.grave() == []
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.over(width) == []
    assert found.said == []
    assert found.asked == [found.url]


def test_a_series_is_walked_with_keys(visit, folder):
    """One stop for Tab; arrows go from night to night, and Enter to the row of the table."""
    found = visit(of(folder, WITHOUT_WEIGHT))
    page = found.page
    chart = page.get_by_role("slider")
    for _ in range(8):
        page.keyboard.press("Tab")
        if chart.evaluate("c => c === document.activeElement"):
            break
    assert "2026-11-18 1.900 s" in chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    assert "2026-11-17" in page.locator("#readout").inner_text()
    assert "torch 2.14.0.dev20261117" in page.locator("#readout b").inner_text()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert "2026-09-20" in page.locator("#readout").inner_text()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "without weight: throttled: clocks fell by 22 %" in chart.get_attribute("aria-valuetext")
    assert page.locator("circle.on").count() == 1
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector(':target').innerText").startswith("2026-10-02")


def test_a_series_is_pointed_at(visit, folder):
    """With a mouse or a finger: the nearest night is shown."""
    found = visit(of(folder, STEP), width=390, has_touch=True)
    assert found.over(390) == []
    box = found.page.locator("#chart").bounding_box()
    found.page.mouse.move(box["x"] + 5, box["y"] + 100)
    assert "2026-09-20" in found.page.locator("#readout").inner_text()
    found.page.touchscreen.tap(box["x"] + box["width"] - 5, box["y"] + 100)
    assert "2026-11-18" in found.page.locator("#readout").inner_text()


def test_the_way_from_the_first_page_to_a_change_and_back(visit, folder):
    found = visit(of(folder, "index"))
    page = found.page
    page.get_by_role("link", name="counts first: everything compiled").click()
    page.get_by_role("link", name="bf16-sdpa-compile latency").click()
    page.get_by_role("link", name="change A").click()
    assert page.evaluate("document.querySelector(':target').innerText").startswith(
        "bf16-sdpa-compile latency"
    )
    page.get_by_role("link", name="perfsuite, night by night").click()
    assert page.url == found.url
    assert found.said == []


def test_it_is_read_without_scripts(visit, folder):
    found = visit(of(folder, STEP), java_script_enabled=False)
    assert found.page.get_by_role("slider").count() == 0
    assert not found.page.locator("#readout").is_visible()
    assert found.page.locator("tbody tr").count() == 58
    assert found.page.locator("svg.points circle").first.is_visible()
