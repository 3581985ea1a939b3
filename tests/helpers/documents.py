"""README and guide as their tests read them: commands, links, code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "perfsuite" / "guide"
DOCUMENTS = (ROOT / "README.md", *sorted(GUIDE.glob("*.md")))
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_OURS = ("perfsuite ", "pytest ", "tox run ")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [body for name, body in _BLOCK.findall(text) if name == language]


def prose(text: str) -> str:
    """All but fenced blocks."""
    return _BLOCK.sub("", text)


def spans(text: str) -> list[str]:
    """What stands in backticks within the prose."""
    return _CODE.findall(prose(text))


def links(text: str) -> list[str]:
    """Targets of links and pictures."""
    return _LINK.findall(prose(text))


def commands(text: str) -> list[str]:
    """Each command of a console block and of the prose, once."""
    typed = [
        line.removeprefix("$ ") for body in blocks(text, "console") for line in body.splitlines() if line
    ]
    return list(dict.fromkeys([*typed, *(code for code in spans(text) if code.startswith(_OURS))]))


def words(command: str) -> list[str]:
    """A command as the shell splits it, without the variables that stand before it."""
    found = shlex.split(command)
    while _ASSIGNMENT.match(found[0]):
        del found[0]
    return found


def anchors(text: str) -> set[str]:
    """Anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def all_commands() -> list[str]:
    """Of README and guide, each once."""
    return list(dict.fromkeys(c for path in DOCUMENTS for c in commands(path.read_text())))
