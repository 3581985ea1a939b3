"""Workflow commands are read back as they were meant, whatever the text, and no more than GitHub shows."""

import pytest

from perfsuite.report.github import MOST_ANNOTATIONS, Annotation, commands


def parse(line: str) -> tuple[str, dict[str, str], str]:
    """As GitHub's runner reads a command: level, properties, message."""
    assert line.startswith("::")
    head, message = line[2:].split("::", 1)
    level, _, given = head.partition(" ")
    properties = dict(part.split("=", 1) for part in given.split(",") if part)

    def decoded(text: str, *, of_property: bool) -> str:
        if of_property:
            text = text.replace("%3A", ":").replace("%2C", ",")
        return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")

    return (
        level,
        {name: decoded(value, of_property=True) for name, value in properties.items()},
        decoded(message, of_property=False),
    )


@pytest.mark.parametrize(
    "text", ["plain", "6.8 % slower", "a, b: c", "one\ntwo\r\nthree", "::error::x", "%0A%3A%25", "é ✓ 図"]
)
def test_read_back(text: str) -> None:
    """One line each; per cent signs, line breaks, colons and commas survive."""
    line = Annotation("error", text, text, text, 7).command()
    assert "\n" not in line
    assert "\r" not in line
    assert parse(line) == ("error", {"file": text, "line": "7", "title": text}, text)


def test_exactly_as_documented() -> None:
    """The escapes of the reference code, upper case, per cent first."""
    annotation = Annotation("warning", "a:b,c", "50 %\nnext: 1, 2", "tests/a.py", 3)
    assert annotation.command() == "::warning file=tests/a.py,line=3,title=a%3Ab%2Cc::50 %25%0Anext: 1, 2"


def test_without_a_place() -> None:
    """Of a file that is not known nothing is said, nor of its line."""
    assert Annotation("error", "t", "m").command() == "::error title=t::m"


@pytest.mark.parametrize("count", [0, 1, MOST_ANNOTATIONS, MOST_ANNOTATIONS + 1, 50])
def test_no_more_than_github_shows(count: int) -> None:
    """It drops what is beyond ten without a word; here the tenth says how many. Errors come first."""
    found = [Annotation("warning", "w", "w")] + [Annotation("error", f"e{i}", "m") for i in range(count)]
    lines = commands(found)
    errors = [line for line in lines if line.startswith("::error")]
    assert lines == [*errors, "::warning title=w::w"]
    assert len(errors) == min(count, MOST_ANNOTATIONS)
    if count > MOST_ANNOTATIONS:
        assert f"{count - MOST_ANNOTATIONS + 1} more" in errors[-1]
