"""Columns in line, nothing cut."""

from perfsuite.report.columns import described, fitted, table, wrapped


def test_columns_are_in_line() -> None:
    lines = table([("name", "n", "say"), ("a", "10", "x"), ("longer", "9", "")], right=[1], indent="  ")
    assert lines == ["  name     n  say", "  a       10  x", "  longer   9"]


def test_a_table_that_does_not_fit() -> None:
    """It loses nothing: names stand above their figures, which stay in line."""
    rows = [("name", "n"), ("longer", "10")]
    assert fitted(rows, 10, [1]) == ["name     n", "longer  10"]
    assert fitted(rows, 9, [1]) == ["name", "     n", "longer", "    10"]
    assert fitted([], 10) == []


def test_text_goes_on_below_itself() -> None:
    lines = described([("short", "one two three four"), ("a-very-long-name", "x")], 22, column=10)
    assert lines == ["  short   one two", "          three four", "  a-very-long-name", "          x"]


def test_a_name_without_text() -> None:
    assert described([("name", "")], 40) == ["  name"]


def test_words_stay_whole() -> None:
    assert wrapped("a /long/path-with-hyphens/that-does-not-fit b", 12, "", " ") == [
        "a", " /long/path-with-hyphens/that-does-not-fit", " b",
    ]  # fmt: skip
