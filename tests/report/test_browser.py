"""The page in a real browser: it opens, stays by itself, and can be used with keys and on a phone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample_runs import DEVICE, LADDER, exhibits, quality, result, verdict, write_run

from perfsuite.records import PictureStatus, Status
from perfsuite.report import html

REGRESSED, DEGRADED = "run-0-variant-2", "run-0-variant-4"
FIRST = "run-0-variant-0"


def of(visit, id_):
    return visit.page.locator(f"details#{id_}")


def is_open(visit, id_):
    return of(visit, id_).evaluate("d => d.open")


def test_it_opens_without_a_word_on_the_console(visit, mixed_page):
    """Nor is anything loaded but the file, also with every variant open."""
    found = visit(mixed_page)
    found.page.get_by_role("button", name="Open all").click()
    found.settle()
    assert found.said == []
    assert found.asked == [found.url]
    assert "slower than its baseline" in found.page.title()


def test_the_policy_stops_what_does_not_belong(visit, mixed_page):
    """A script, a style, a picture or a request that got into the page would do nothing."""
    found = visit(mixed_page)
    done = found.page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          const box = document.createElement("div");
          box.innerHTML = '<img src="data:," onerror="window.ran = true"><p style="width:7px">';
          document.body.append(box);
          let asked = "sent";
          try { await fetch("https://example.org/"); } catch { asked = "stopped"; }
          await new Promise((r) => setTimeout(r, 200));
          return [window.ran ?? "no", asked, getComputedStyle(box.querySelector("p")).width !== "7px"];
        }"""
    )
    assert done == ["no", "stopped", True]
    assert [line for line in found.said if "Content Security Policy" in line]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nobody_is_kept_out(visit, mixed_page, dark, width):
    """axe-core finds nothing serious or critical, with every variant open."""
    found = visit(mixed_page, dark=dark, width=width)
    found.page.get_by_role("button", name="Open all").click()
    found.settle()
    assert found.grave() == []


def test_axe_finds_what_is_wrong(visit, mixed_page):
    """A page with pale text and a button without a name is not passed."""
    from axe_playwright_python.sync_playwright import Axe

    found = visit(mixed_page)
    found.page.evaluate(
        """() => {
          document.querySelector(".verdict").style.color = "#ccc";
          document.querySelector("button.chip").replaceChildren();
        }"""
    )
    ids = {v["id"] for v in Axe().run(found.page).response["violations"]}
    assert {"color-contrast", "button-name"} <= ids


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_reaches_over_the_edge(visit, mixed_page, width):
    """At any width, with all that can be opened open."""
    found = visit(mixed_page, width=width)
    found.page.get_by_role("button", name="Open all").click()
    found.settle()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert found.over(width) == []
    if width >= 390:  # below, the table moves in its own box
        assert found.page.evaluate(
            "[...document.querySelectorAll('.tablebox')].every((b) => b.scrollWidth <= b.clientWidth)"
        )


def test_headings_sort_and_say_so(visit, mixed_page):
    """By number, both ways; empty cells stay last; one heading at a time."""
    found = visit(mixed_page)
    heading = found.page.get_by_role("columnheader", name="Median")
    assert found.rows() == list(LADDER)
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert found.rows()[0] == "bf16-sdpa-compile"
    assert found.rows()[-1] == "fp32"
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert found.rows()[0] == "fp32"
    found.page.get_by_role("columnheader", name="Compile").get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "none"
    assert set(found.rows()[:2]) == {"bf16-sdpa-compile", "bf16-sdpa-compile-qkv"}


def test_the_verdict_sorts_by_gravity(visit, mixed_page):
    found = visit(mixed_page)
    found.page.get_by_role("columnheader", name="Verdict").get_by_role("button").click()
    assert found.rows()[:2] == ["bf16-sdpa-compile-qkv", "bf16-sdpa"]


def test_filters_narrow_everything(visit, mixed_page):
    """The table, the chart and the details, by words and by status; the count is said."""
    found = visit(mixed_page)
    page = found.page
    page.get_by_role("searchbox").fill("COMPILE")
    assert found.rows() == ["bf16-sdpa-compile", "bf16-sdpa-compile-qkv"]
    assert page.locator("details.variant:visible").count() == 2
    assert page.locator("li.rung[data-for]:visible").count() == 2
    assert page.get_by_role("status").inner_text() == "2 of 5 variants"
    page.get_by_role("button", name="DEGRADED").click()
    assert found.rows() == ["bf16-sdpa-compile-qkv"]
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="REGRESSED").click()
    assert found.rows() == ["bf16-sdpa", "bf16-sdpa-compile-qkv"]
    page.get_by_role("searchbox").fill("nothing like it")
    assert found.rows() == []
    assert page.get_by_role("status").inner_text() == "0 of 5 variants"


def test_it_works_with_keys_alone(visit, mixed_page):
    """Skip link, filter, sorting, opening and the slider, in the order of the page."""
    found = visit(mixed_page)
    page = found.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.type("bf16-sdpa-compile")
    assert len(found.rows()) == 2
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('th[aria-sort]')?.innerText.startsWith('Median')"):
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert page.get_by_role("columnheader", name="Median").get_attribute("aria-sort") == "descending"
    page.locator(f"details#{DEGRADED} summary").focus()
    assert is_open(found, DEGRADED)
    page.keyboard.press("Enter")
    assert not is_open(found, DEGRADED)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "range"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "51"
    assert page.evaluate(
        "document.activeElement.closest('figure').querySelector('.stage').style.cssText"
    ) == ("--at: 51%;")


def test_the_slider_uncovers_the_picture(visit, mixed_page):
    """Left of the line is float32, right of it the variant."""
    found = visit(mixed_page)
    slider = of(found, DEGRADED).get_by_role("slider").first
    over = of(found, DEGRADED).locator(".stage .over").first
    for value in ("0", "30", "100"):
        slider.fill(value)
        clip = over.evaluate("e => getComputedStyle(e).clipPath")
        assert clip in (f"inset(0px 0px 0px {value}%)", "inset(0px)" if value == "0" else "")
    assert slider.get_attribute("aria-valuetext") == "100 % float32"


def test_pictures_come_when_a_variant_is_opened(visit, mixed_page):
    """Not before, so that a page of hundreds opens at once; all of them, and of the right size."""
    found = visit(mixed_page)
    images = of(found, FIRST).locator("img")
    assert images.count() == 4 * 6
    assert not images.first.get_attribute("src")
    of(found, FIRST).locator("summary").click()
    for image in images.all():
        image.scroll_into_view_if_needed()
        image.evaluate("i => i.decode()")
        assert image.evaluate("i => [i.naturalWidth, i.naturalHeight]") == [128, 128]
    assert found.said == []


def test_links_open_what_they_lead_to(visit, mixed_page):
    """From the table, from the chart, and from another page."""
    found = visit(mixed_page)
    assert not is_open(found, FIRST)
    found.page.locator(f"table.results a[href='#{FIRST}']").click()
    found.page.wait_for_function(f"document.getElementById('{FIRST}').open")
    of(found, FIRST).locator("summary").click()
    assert not is_open(found, FIRST)
    found.page.locator(f"table.results a[href='#{FIRST}']").click()
    found.page.wait_for_function(f"document.getElementById('{FIRST}').open")
    assert is_open(visit(mixed_page, fragment=f"#{FIRST}"), FIRST)
    assert visit(mixed_page, fragment="#%E0%A4%A").said == []


def test_failing_variants_are_open_from_the_start(visit, mixed_page):
    found = visit(mixed_page)
    assert [is_open(found, f"run-0-variant-{i}") for i in range(5)] == [False, False, True, False, True]


def test_it_can_be_read_without_scripts(visit, mixed_page):
    """All figures and charts are there; that pictures need scripts is said."""
    found = visit(mixed_page, java_script_enabled=False)
    assert found.rows() == list(LADDER)
    of(found, FIRST).locator("summary").click()
    assert of(found, FIRST).locator("svg.strip").first.is_visible()
    assert "a browser with scripts shows them" in of(found, FIRST).inner_text()


def test_on_paper_everything_is_open(visit, mixed_page):
    """And closed again afterwards; what is only for screens is left out."""
    found = visit(mixed_page)
    found.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert is_open(found, FIRST)
    found.page.emulate_media(media="print")
    assert not found.page.get_by_role("searchbox").is_visible()
    assert found.page.locator("input[type=range]:visible").count() == 0
    found.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not is_open(found, FIRST)


def test_dark_is_dark(visit, mixed_page):
    """The browser's wish is followed."""

    def shade(dark):
        colour = visit(mixed_page, dark=dark).page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(c) for c in colour.strip("rgb()").split(",")) / 3

    assert shade(True) < 60
    assert shade(False) > 200


def test_scripts_in_records_do_not_run(visit, tmp_path):
    """Names, prompts, paths and details of a file from elsewhere are shown as they are."""
    text = "\"'></script><img src=x onerror='window.ran=1'><script>window.ran=1</script>"
    path = tmp_path / "run.jsonl"
    one = result(
        "x", verdict=verdict(Status.REGRESSED, detail=text), quality=quality(PictureStatus.DEGRADED, (text,)),
        evidence=(text,), exhibits=exhibits(path, "x", (text,), side=32),
    )  # fmt: skip
    write_run(path, [replace(one, variant=text, workload=text)], device=replace(DEVICE, name=text))
    page = tmp_path / "index.html"
    page.write_text(
        html.render(html.gather([path], tmp_path), __import__("datetime").datetime.now().astimezone())
    )
    found = visit(page)
    found.settle()
    assert found.page.evaluate("window.ran ?? 'no'") == "no"
    assert found.said == []
    assert found.asked == [found.url]
    assert text in found.page.locator("details.variant h6").first.inner_text()
    assert found.page.locator("details.variant img").first.evaluate("i => i.naturalWidth") == 32
