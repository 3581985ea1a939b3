"""A real browser for the page: Chromium, headless, from the system; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sample_runs import LADDER, mixed, write_baselines, write_run

from perfsuite.report import html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


def missing() -> str | None:
    """Why there is no browser to test with, None if there is one."""
    if not any(map(shutil.which, NAMES)):
        return "no Chromium on the path: apt-get install chromium"
    for module in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed: pip install playwright axe-playwright-python"
    return None


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium with a profile of its own. Skips without one, but fails on CI: green must mean tested."""
    reason = missing()
    if reason is not None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"CI must test the page in a browser: {reason}")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        path = next(found for name in NAMES if (found := shutil.which(name)))
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS, headless=True)
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """A page in the browser, and what it did besides."""

    page: Any
    url: str
    said: list[str] = field(default_factory=list)
    """Messages on the console and uncaught errors."""
    asked: list[str] = field(default_factory=list)
    """Addresses that were requested, but those inside the page."""

    def settle(self) -> None:
        """Wait until all that was asked for is drawn."""
        self.page.wait_for_load_state("networkidle")

    def grave(self) -> list[str]:
        """What axe-core finds that keeps people out."""
        from axe_playwright_python.sync_playwright import Axe

        return [
            f"{v['id']} ({v['impact']}): {[n['target'] for n in v['nodes']][:3]}"
            for v in Axe().run(self.page).response["violations"]
            if v["impact"] in ("serious", "critical")
        ]

    def over(self, width: int) -> list[str]:
        """What reaches over the edge, and has no box of its own to move in."""
        found: list[str] = self.page.evaluate(
            """width => [...document.querySelectorAll("main *, header *")]
              .filter((e) => !e.closest(".offscreen, svg, .rungs.many, code, .tablebox, .gridbox"))
              .filter((e) => e.getBoundingClientRect().right > width + 1)
              .map((e) => e.tagName + "." + e.className).slice(0, 5)""",
            width,
        )
        return found

    def rows(self) -> list[str]:
        """Names of the variants in the table, as they are shown."""
        return self.page.locator("table.results tbody tr:visible th a").all_inner_texts()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Open a file in a fresh window: light or dark, of any width."""
    contexts = []

    def open_(
        file: Path, *, dark: bool = False, width: int = 1280, fragment: str = "", **options: Any
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            offline=True,
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        found = Visit(page, file.as_uri())
        page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
        page.on("request", lambda r: r.url.startswith("data:") or found.asked.append(r.url))
        page.goto(found.url + fragment, wait_until="load")
        return found

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def mixed_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with one of each verdict, pictures and baselines."""
    folder = tmp_path_factory.mktemp("mixed")
    path = folder / "run.jsonl"
    results = mixed(path)
    write_baselines(folder / "baselines", results)
    write_run(path, results, chosen=tuple(f"shapes/{name}" for name in LADDER))
    return write_page(folder, path)


def write_page(folder: Path, *results: Path) -> Path:
    """The page of these results files."""
    text = html.render(html.gather(results, folder / "baselines"), datetime(2026, 3, 4, 6, tzinfo=UTC))
    page = folder / "index.html"
    page.write_text(text, encoding="utf-8")
    return page
