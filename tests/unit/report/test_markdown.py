"""Markdown for GitHub: short, the worst first, and text from files is text whatever it holds."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt

from perfsuite.records import (
    Cause,
    CountVerdict,
    Device,
    Entry,
    PictureStatus,
    Quality,
    Result,
    Run,
    Session,
    Status,
    Verdict,
)
from perfsuite.report import markdown
from perfsuite.report.headline import headline
from perfsuite.store import BaselineFile

DETAIL = "20.0 % slower than the baseline of 5 sessions (95 % interval +15.0 to +25.0 %)"
WORSE = Verdict(
    Status.REGRESSED, ratio=1.2, interval=(1.15, 1.25), confidence=0.95, minimum_detectable_effect=0.08,
    baseline_s=0.5, baseline_sessions=5, causes=(Cause.SLOW_TAIL,), detail=DETAIL,
)  # fmt: skip
UNSURE = replace(WORSE, status=Status.INCONCLUSIVE, ratio=1.01, interval=(0.8, 1.3), causes=(), detail="so")
HOSTILE = [
    "a | b || c \\| d",
    "`code` ``two`` ``` three",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "first\nsecond\r\n\n# heading\n- item",
    "@octocat and @org/team, me@example.com",
    "#1 org/repository#2 GH-3",
    "https://example.com www.example.com [text](https://example.com) ![i](https://example.com/i.png)",
    "*bold* _under_ ~~gone~~ **x** __y__ :tada: $x^2$ &lt; &amp; &#64;",
    "</code></details></summary><!-- comment --> -->",
    "\x1b[2J\x00\x07",
    "=cmd|' /C calc'!A0",
]


@pytest.fixture
def make_run(device: Device) -> Callable[..., Run]:
    def make(*results: Result, **changes: Any) -> Run:
        return replace(Run("r", "2025-01-02T03:04:05+00:00", device, results), **changes)

    return make


def rendered(text: str) -> str:
    """HTML by a CommonMark renderer with GitHub's tables."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)


def shown(text: str) -> str:
    """What a reader sees of it: no tags, no comments, entities read."""
    without_comments = re.sub(r"<!--.*?-->", "", rendered(text), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", without_comments))


def test_worst_first_then_one_table_then_what_to_do(
    make_run: Callable[..., Run], make_result: Callable[..., Result]
) -> None:
    """The regression is in the title, in the first sentence, in the first row and among what to do."""
    run = make_run(
        make_result("fp32", 0.5, verdict=Verdict(Status.OK, ratio=1.0, baseline_s=0.5)),
        make_result("bf16", 0.6, verdict=WORSE),
    )
    text = markdown.summary([run])
    assert text.splitlines()[0] == "## perfsuite: 1 of 2 results worse"
    first = shown(text.splitlines()[2])
    assert first.strip() == "shapes bf16: REGRESSED +20.0 %"
    html_text = rendered(text)
    assert html_text.count("<table>") == 1
    rows = re.findall(r"<tr>\n(.*?)</tr>", html_text, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    assert {len(row) for row in cells} == {9}
    assert [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in cells[1]] == [
        "shapes bf16", "REGRESSED", "+20.0 %", "+15.0 % to +25.0 %", "+8.0 %", "600 ms, n=5", "0.83x", "-",
        "1400 MiB",
    ]  # fmt: skip
    assert "shapes fp32" in html.unescape(re.sub("<[^>]*>", "", cells[2][0]))
    assert shown(text).index("What to do") < shown(text).index("Details")
    assert "measure again: pytest --benchmark-only -k test_latency" in shown(text)
    assert "--perf-update=reset" in shown(text)
    folded = text[text.index("<details>") :]
    assert DETAIL not in shown(text[: text.index("<details>")])
    assert DETAIL in shown(folded)
    assert folded.rstrip().endswith("</details>")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_from_files_is_text(
    hostile: str, make_run: Callable[..., Run], make_result: Callable[..., Result], device: Device
) -> None:
    """In every place: names, details, prompts, versions, device. No tag, link or mention comes of it."""
    worse = replace(WORSE, detail=hostile)
    result = make_result("bf16", 0.6, verdict=worse, workload=hostile, evidence=(hostile,))
    assert result.session is not None
    session = replace(
        result.session, versions={hostile: hostile}, commit=hostile, date=hostile, unfit=hostile
    )
    score = replace_scores(hostile)
    run = make_run(replace(result, session=session, quality=score), device=replace(device, name=hostile))
    text = markdown.summary([run, replace(run, device=replace(device, slug=hostile))], {})
    page = rendered(text)
    allowed = {"h2", "p", "ul", "li", "strong", "code", "table", "thead", "tbody", "tr", "th", "td",
               "details", "summary", "br"}  # fmt: skip
    found = set(re.findall(r"</?([a-zA-Z][a-zA-Z0-9]*)", re.sub(r"<!-- -->", "", page)))
    assert found <= allowed, found - allowed
    assert page.count("<table>") == 1
    assert page.count("<details>") == page.count("</details>") == 1
    rows = re.findall(r"<tr>\n(.*?)</tr>", page, re.DOTALL)
    assert {len(re.findall("<t[hd]", row)) for row in rows} == {10}
    # A mention, a mail address or a link is only made where GitHub finds one outside of code.
    outside = re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)
    outside = html.unescape(re.sub(r"<[^>]*>", "", outside))
    assert not re.search(r"[@#:]\w|www\.|https?", outside), outside
    words = " ".join("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" if not c.isspace() else " "
                             for c in hostile).split())  # fmt: skip
    assert words in " ".join(shown(text).split())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_github_itself_reads_text(hostile: str) -> None:
    """Its own fork of the CommonMark renderer, with the extensions that it uses: text, and nothing else."""
    cmarkgfm = pytest.importorskip("cmarkgfm", reason="cmarkgfm, GitHub's renderer, is not installed")
    from cmarkgfm.cmark import Options

    table = f"| a | b |\n|:--|:--|\n| {markdown.code(hostile)} | x |\n"
    extensions = ["table", "autolink", "tagfilter", "strikethrough", "tasklist"]
    page = cmarkgfm.markdown_to_html_with_extensions(table, Options.CMARK_OPT_UNSAFE, extensions)
    (row,) = re.findall(r"<tbody>\s*<tr>(.*?)</tr>", page, re.DOTALL)
    assert re.findall("<([a-z]+)", re.sub(r"<!-- -->", "", row)) == ["td", "code", "td"], page


def replace_scores(prompt: str) -> Quality:
    from perfsuite.records import Look, PictureScore

    score = PictureScore(prompt, PictureStatus.DEGRADED, 0.5, 20.0, 0.9, prompt)
    return Quality(PictureStatus.DEGRADED, (score,), (Look(prompt, PictureStatus.DEGRADED, detail=prompt),))


def test_a_long_text_is_cut(make_run: Callable[..., Run], make_result: Callable[..., Result]) -> None:
    """A detail of a megabyte does not fill the page."""
    run = make_run(make_result(verdict=replace(WORSE, detail="x" * 10**6)))
    text = markdown.summary([run])
    assert len(text) < 4000
    assert "x" * 499 + "…" in text


def test_inconclusive_is_said_and_is_no_success(
    make_run: Callable[..., Run], make_result: Callable[..., Result]
) -> None:
    """What would not have been seen is said with the number."""
    text = markdown.summary([make_run(make_result(verdict=UNSURE))])
    assert text.startswith("## perfsuite: no regression in 1 result\n")
    assert "1 comparison INCONCLUSIVE" in text
    assert "What to do" not in text
    few = replace(UNSURE, causes=(Cause.FEW_SESSIONS,))
    text = markdown.summary([make_run(make_result(verdict=few))])
    assert "record more: perfsuite calibrate --sessions 5" in shown(text)


def test_what_was_set_apart_is_said_and_why_a_session_has_no_weight(
    make_run: Callable[..., Run], make_session: Callable[..., Session], make_result: Callable[..., Result]
) -> None:
    disturbed = make_session(contended_s=(0.7, 0.9), unfit="7 of 7 rounds were disturbed")
    text = shown(markdown.summary([make_run(make_result(verdict=UNSURE, session=disturbed))]))
    assert "2 samples set apart: other processes took its cores" in text
    assert "no weight: 7 of 7 rounds were disturbed" in text


def test_nothing_compared_is_said(make_run: Callable[..., Run], make_result: Callable[..., Result]) -> None:
    """Only NEW: no green headline without this sentence, and the command that records."""
    run = make_run(make_result(verdict=Verdict(Status.NEW)))
    text = shown(markdown.summary([run], {"cpu-example-2t": None}))
    assert "No latency was compared" in text
    assert "There is no baseline file of cpu-example-2t." in text
    assert "record what is NEW: pytest --benchmark-only --perf-update=new" in text


def test_no_results_and_an_interrupted_run(
    make_run: Callable[..., Run], make_result: Callable[..., Result]
) -> None:
    """Both are said first; what was begun is named."""
    assert "## perfsuite: no results" in markdown.summary([make_run()])
    assert "Nothing was measured" in markdown.summary([make_run()])
    begun = make_result("bf16-sdpa", None)
    text = shown(markdown.summary([make_run(make_result("bf16"), begun)], note="The run was interrupted."))
    assert "Nothing was measured of shapes bf16-sdpa" in text
    assert text.index("The run was interrupted.") < text.index("shapes bf16")


def test_two_devices_have_a_column_and_speed_ups_of_their_own(
    make_run: Callable[..., Run], make_result: Callable[..., Result], device: Device
) -> None:
    """Float32 of the other device is no reference."""
    one = make_run(make_result("fp32", 1.0), make_result("bf16", 0.5))
    other = make_run(make_result("bf16", 0.1), device=replace(device, slug="cpu-other-8t"))
    text = shown(markdown.summary([one, other]))
    assert "2 devices: nothing is compared across them" in text
    assert "2.00x" in text
    assert "10.00x" not in text
    assert "cpu-other-8t" in text


def test_what_differs_from_the_baseline(
    make_run: Callable[..., Run],
    make_result: Callable[..., Result],
    make_session: Callable[..., Session],
    device: Device,
) -> None:
    """Versions that moved, and of when the baseline is."""
    stored = make_session(versions={"torch": "2.11", "python": "3.12"}, date="2024-12-24T00:00:00+00:00")
    file = BaselineFile(device, {"shapes/bf16": Entry("shapes", "bf16", "p", (stored, stored))})
    text = shown(markdown.summary([make_run(make_result(verdict=WORSE))], {device.slug: file}))
    assert "baseline of 2 sessions, the newest of 2024-12-24T00:00:00+00:00" in text
    assert "differs from it: torch 2.11 -> 2.12" in text


@pytest.mark.parametrize("most_bytes", [400, 3_000, 8_000, 65_536, 2**20])
@pytest.mark.parametrize("count", [1, 40, 3_000])
def test_it_fits_and_says_what_is_left_out(
    most_bytes: int, count: int, make_run: Callable[..., Run], make_result: Callable[..., Result]
) -> None:
    """However many results: within the limit, valid, the worst kept, and a statement where anything went."""
    results = [make_result(f"bf16+v{i}", verdict=UNSURE) for i in range(count - 1)]
    run = make_run(*results, make_result("worst", verdict=WORSE))
    text = markdown.summary([run], most_bytes=most_bytes)
    assert 0 < len(text.encode()) <= most_bytes
    assert text.startswith(f"## perfsuite: 1 of {count} result")
    assert text.count("<details>") == text.count("</details>")
    folded = text.partition("<details>")[2]
    whole = DETAIL in shown(folded) and all(f"v{i}<" in folded for i in range(count - 1))
    assert whole is ("Left out for want of room" not in text and "does not fit here" not in text)
    if "does not fit here" not in text:
        assert shown(text).index("worst") < 200


def test_no_room_at_all_is_nothing(make_run: Callable[..., Run], make_result: Callable[..., Result]) -> None:
    """Rather than half a line."""
    assert markdown.summary([make_run(make_result(verdict=WORSE))], most_bytes=10) == ""


def test_commands_cannot_be_smuggled_in(
    make_run: Callable[..., Run], make_result: Callable[..., Result]
) -> None:
    """A name from a file is one word for the shell that the command is copied into."""
    run = make_run(make_result("bf16; rm -rf ~", verdict=WORSE))
    assert "'--perf-variant=bf16; rm -rf ~'" in shown(markdown.summary([run]))


def test_counts_that_rose_are_worse_and_not_nothing(make_run: Callable[..., Run]) -> None:
    """A run of counts alone has neither times nor pictures."""
    rose = Result("shapes", "bf16", "shapes 128x128", counted=CountVerdict(Status.REGRESSED, detail="9 more"))
    fine = Result("shapes", "fp32", "shapes 128x128", counted=CountVerdict(Status.OK))
    text = markdown.summary([make_run(fine, rose)])
    assert text.startswith("## perfsuite: 1 of 2 results worse\n")
    assert "<code>shapes bf16</code>: counts REGRESSED**" in text
    assert "counts REGRESSED: <code>9 more</code>" in text
    assert "counts OK\n" in text
    assert "othing was measured" not in text
    assert "does more than its stored counts say" in headline([fine, rose]).verdict
    assert headline([fine, rose]).tone == "bad"
