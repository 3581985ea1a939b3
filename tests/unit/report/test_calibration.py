"""The table after calibrating: a line a variant, figures with their units, dashes where there are none."""

from perfsuite.decision.spread import Spread
from perfsuite.report.calibration import table

FULL = Spread("bf16-sdpa", 10, 0.4321, 0.1234, 0.0456, (0.4, 0.5), 0.311, 0.0987)
BARE = Spread("fp32", 1, 2.0, None, None, (), None, None)


def test_a_line_a_variant_with_all_figures() -> None:
    """Percent with one digit, times with three; two modes are named, one is said to be one."""
    title, header, full, bare, *_ = table([FULL, BARE], "Example CPU").splitlines()
    assert title == "fresh sessions on Example CPU"
    assert header.split("  ")[0] == "variant"
    assert full.split() == [
        "bf16-sdpa", "10", "432", "ms", "12.3", "%", "4.6", "%", "31.1", "%", "9.9", "%",
        "400", "ms,", "500", "ms",
    ]  # fmt: skip
    assert bare.split() == ["fp32", "1", "2", "s", "-", "-", "-", "-", "one"]


def test_columns_are_in_line() -> None:
    """Figures end below the end of their heading; names begin where the heading does."""
    _, header, full, bare, *_ = table([FULL, BARE], "Example CPU").splitlines()
    for heading, cells in {
        "sessions": ("10", "1"),
        "median": ("432 ms", "2 s"),
        "relative finds": ("9.9 %", "-"),
    }.items():
        end = header.index(heading) + len(heading)
        for line, cell in zip((full, bare), cells, strict=True):
            assert line[:end].endswith(cell)
    assert {line.index(m) for line, m in ((header, "modes"), (full, "400 ms"), (bare, "one"))} == {
        header.index("modes")
    }


def test_columns_are_explained() -> None:
    """And an empty table has its headings still."""
    for found in ([FULL], []):
        lines = table(found, "Example CPU").splitlines()
        assert len(lines) == 3 + len(found)
        assert lines[1].split("  ")[0].strip() == "variant"
        assert "with 80 % power, in seconds and relative to the reference variant" in lines[-1]
