"""The user's guide: one page a question, in Markdown, as ``perfsuite guide TOPIC`` shows it."""

from __future__ import annotations

import re
from importlib import resources

TOPICS = (
    "ladder",
    "techniques",
    "weights",
    "pipelines",
    "doctor",
    "verdicts",
    "memory",
    "pictures",
    "task",
    "structure",
    "explain",
    "ab",
    "baselines",
    "tracking",
    "bisecting",
    "gpu",
    "fleet",
    "compiling",
    "reports",
    "options",
    "registering",
    "extending",
    "measured",
    "measured-costs",
    "measured-faults",
    "measured-compiler",
    "measured-rule",
    "measured-history",
)
"""In the order in which somebody new reads them; each is a file of this folder."""
_LINK = re.compile(r"\[([^\]]+)\]\(([a-z-]+)\.md(?:#[\w-]+)?\)")


def page(topic: str) -> str:
    """The Markdown of one of `TOPICS`."""
    return (resources.files(__name__) / f"{topic}.md").read_text(encoding="utf-8")


def title(topic: str) -> str:
    """What a page answers: its first heading."""
    return page(topic).partition("\n")[0].removeprefix("# ")


def for_terminal(text: str) -> str:
    """The Markdown of a page with its links to other pages as the commands that show them."""
    return _LINK.sub(r"\1 (`perfsuite guide \2`)", text)
