"""Figures of an evaluation land in the right row and column, whatever they are shown as."""

import io
import json

import pytest
from PIL import Image

from perfsuite.decision.evaluation import Evaluation
from perfsuite.decision.replaying import Cell, Share
from perfsuite.decision.suites import SuiteCell
from perfsuite.report.evaluation import as_json, markdown, percent, plot, tables, text


def cell(rule: str, effect: float, regressed: float, wrong: float = 0.0, shape: str = "constant") -> Cell:
    def around(value: float) -> Share:
        return Share(value, max(value - 0.02, 0.0), min(value + 0.02, 1.0))

    return Cell(rule, "5x4", shape, effect, 7, 14, around(regressed), around(0.25), around(wrong), 9.5)


CELLS = [
    cell("perfsuite", 0.0, 0.003), cell("perfsuite", 0.05, 0.55), cell("perfsuite", -0.1, 0.11, wrong=0.11),
    cell("perfsuite", 0.05, 0.33, shape="tail"),
    cell("asv", 0.0, 0.0), cell("asv", 0.05, 0.04, wrong=0.07), cell("asv", 0.05, 0.01, shape="tail"),
]  # fmt: skip
SUITES = [
    SuiteCell("perfsuite", "suite", 50, effect, 7, Share(value, 0.0, 1.0), 1.3)
    for effect, value in ((0.0, 0.02), (0.05, 0.6))
]
FOUND = Evaluation("t.npz", "report", 1, 2, CELLS, SUITES, {"pyperf": "gone"})


def test_a_share_with_its_interval() -> None:
    assert percent(Share(0.1264, 0.1, 0.5)) == "12.6 [10.0-50.0]"


def test_rows_and_columns() -> None:
    """A table a shape, the unchanged in each; the wrong way is the worst of all effects."""
    (constant, head), (tail, tail_rows), (suite, suite_rows) = [(t, rows) for t, rows in tables(FOUND)]
    assert constant.startswith("5x4, every sample slower by x:")
    assert constant.endswith("n = 14 decisions on 7 benchmarks")
    assert head == [
        ["rule", "unchanged", "+5 %", "INCONCLUSIVE", "wrong way", "sessions"],
        ["perfsuite", "0.3 [0.0-2.3]", "55.0 [53.0-57.0]", "25.0 [23.0-27.0]", "11.0 [9.0-13.0]", "9.5"],
        ["asv", "0.0 [0.0-2.0]", "4.0 [2.0-6.0]", "25.0 [23.0-27.0]", "7.0 [5.0-9.0]", "9.5"],
    ]
    assert "slowest quarter" in tail
    assert [row[:3] for row in tail_rows[1:]] == [
        ["perfsuite", "0.3 [0.0-2.3]", "33.0 [31.0-35.0]"], ["asv", "0.0 [0.0-2.0]", "1.0 [0.0-3.0]"],
    ]  # fmt: skip
    assert suite.startswith("suites of 50 benchmarks:")
    assert suite_rows[1] == ["perfsuite", "2.0 [0.0-100.0]", "60.0 [0.0-100.0]", "1.3"]


def test_text() -> None:
    """Aligned, with what was replayed and what was left out."""
    lines = text(FOUND).splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("  rule"))
    assert len({len(line) for line in lines[head : head + 3]}) == 1
    assert "traces t.npz, part report, 2 draws a benchmark, seed 1" in lines
    assert lines[-1] == "left out: pyperf: gone"


def test_markdown() -> None:
    """Tables with as many cells in each row."""
    blocks = [b.splitlines() for b in markdown(FOUND).split("\n\n") if b.startswith("|")]
    assert [len(block) for block in blocks] == [4, 4, 3]
    assert all(len({line.count("|") for line in block}) == 1 for block in blocks)
    assert blocks[0][2].startswith("| perfsuite | 0.3 [0.0-2.3] | 55.0 ")
    assert markdown(FOUND).endswith("- left out: pyperf: gone\n")


def test_json() -> None:
    """Every figure, as a fraction."""
    document = json.loads(as_json(FOUND), parse_constant=pytest.fail)
    assert document["left_out"] == {"pyperf": "gone"}
    assert len(document["cells"]) == len(CELLS)
    assert document["cells"][1]["regressed"] == pytest.approx([0.55, 0.53, 0.57])
    assert document["suites"][1]["alarms"][0] == 0.6


def test_picture() -> None:
    """A PNG that is not blank; power changes it."""
    picture = plot(FOUND)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        assert image.width > 1000
        colors = image.convert("RGB").getcolors(1 << 24)
    assert colors is not None
    assert len(colors) > 50
    other = Evaluation("t.npz", "report", 1, 2, [*CELLS[:1], cell("perfsuite", 0.05, 0.9)], (), {})
    assert plot(other) != picture


def test_no_picture_of_suites_only() -> None:
    with pytest.raises(ValueError, match="only suites were replayed; add --design 5x4"):
        plot(Evaluation("t.npz", "all", 1, 2, (), SUITES, {}))
