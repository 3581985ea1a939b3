"""The table as a picture: valid, small, with nothing to fetch and nothing to run."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from perfsuite.records import Run
from perfsuite.report.exports import export

SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = 60_000


def words(text: str) -> str:
    """All text of a valid SVG."""
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    return " ".join(" ".join(e.itertext()) for e in root.iter(f"{SVG}text")).replace(
        "\N{NO-BREAK SPACE}", " "
    )


def test_it_is_valid_small_and_complete(full_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In colour whatever the terminal that the command runs in."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    text = export("svg", [full_run])
    shown = words(text)
    for figure in ("bf16-sdpa-compile", "179 ms", "REGRESSED", "+23.5 %", "12.3 s cold", "0.8765", "U 2 x"):
        assert figure in shown, figure
    assert len(text.encode()) < MOST_BYTES
    assert text.count("fill:") >= 2, "no colours"


def test_a_whole_ladder_is_small(full_run: Run) -> None:
    """Of all rungs there are."""
    results = tuple(
        replace(full_run.results[1], variant=f"bf16-sdpa-compile-qkv-int8-{i}") for i in range(20)
    )
    assert len(export("svg", [replace(full_run, results=results)]).encode()) < MOST_BYTES


def test_nothing_is_fetched_or_run(full_run: Run) -> None:
    """A README shows it as an image, which may load nothing."""
    text = export("svg", [full_run])
    assert "url(http" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    tags = {e.tag.removeprefix(SVG) for e in ElementTree.fromstring(text).iter()}
    assert tags <= {"svg", "style", "defs", "clipPath", "rect", "g", "text", "circle"}


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "a & b", "[bold]x[/bold]", "\x1b[31mred\x00", "]]>"]
)
def test_names_from_files_are_text(hostile: str, full_run: Run) -> None:
    """Neither elements, nor rich's markup, nor what a terminal would carry out."""
    result = replace(full_run.results[1], variant=hostile, workload=hostile)
    shown = words(export("svg", [replace(full_run, results=(result,))]))
    seen = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in hostile)
    assert seen in shown


def test_it_is_the_same_each_time(full_run: Run) -> None:
    """So that a diff of it says that something changed."""
    assert export("svg", [full_run]) == export("svg", [full_run])
