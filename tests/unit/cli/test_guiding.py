"""`perfsuite guide`: the list of pages, a page in the terminal, a page that is not there."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from perfsuite.cli import app, completing
from perfsuite.guide import TOPICS, for_terminal, page, title


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["guide", *arguments])


def test_without_a_topic_it_lists_them() -> None:
    """In reading order, each with its question, on 80 columns."""
    done = invoke()
    lines = done.output.splitlines()[1:]
    assert done.exit_code == 0
    assert [line.split(maxsplit=1) for line in lines] == [[topic, title(topic)] for topic in TOPICS]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_on_80_columns(topic: str) -> None:
    """Rendered: no line is longer, no Markdown is left, and no link leads to a file."""
    done = invoke(topic)
    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert max(map(len, lines)) <= 80
    assert title(topic).split()[0] in lines[0]
    assert not [line for line in lines if line.startswith(("#", "```", "|--"))]
    assert ".md)" not in done.output


def test_a_link_names_the_command() -> None:
    assert (
        for_terminal("see [an A/B](ab.md#how) or [x](https://x.org)")
        == "see an A/B (`perfsuite guide ab`) or [x](https://x.org)"
    )


def test_as_it_is_written() -> None:
    assert invoke("verdicts", "--markdown").output == page("verdicts")


@pytest.mark.parametrize(
    ("topic", "nearest"), [("verdict", "verdicts"), ("A/B", "ab"), ("measuring", "measured")]
)
def test_a_page_that_is_not_there(topic: str, nearest: str) -> None:
    """An error that names the nearest."""
    done = invoke(topic)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"unknown guide topic {topic!r}: did you mean {nearest!r}?" in done.stderr


def test_topics_are_completed() -> None:
    assert completing.topics("measured-") == [
        (topic, title(topic))
        for topic in (
            "measured-costs",
            "measured-faults",
            "measured-compiler",
            "measured-rule",
            "measured-history",
        )
    ]


def test_the_renderer_is_imported_late() -> None:
    """The command line itself must not wait for it."""
    program = "import sys, perfsuite.cli; print('rich.markdown' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
