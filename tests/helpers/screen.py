"""A terminal for tests: what a program writes to it, and what a person then sees."""

import os
import re
import struct
from typing import Any

import pytest


def screen(raw: str, width: int = 140) -> list[str]:
    """What a terminal shows: lines, with carriage returns and erased lines carried out."""
    rows: list[list[str]] = [[]]
    row = column = 0
    for token in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[\s\S]", raw):
        if token == "\n":
            row += 1
            rows.extend([] for _ in range(row + 1 - len(rows)))
        elif token == "\r":
            column = 0
        elif token == "\x1b[2K":
            rows[row] = []
        elif token == "\x1b[A":
            row -= 1
        elif re.fullmatch(r"\x1b\[\d+G", token):
            column = int(token[2:-1]) - 1
        elif not token.startswith("\x1b"):
            if column == width:
                row, column = row + 1, 0
                rows.extend([] for _ in range(row + 1 - len(rows)))
            rows[row].extend(" " * (column + 1 - len(rows[row])))
            rows[row][column] = token
            column += 1
    return ["".join(characters).rstrip() for characters in rows]


def on_a_terminal(suite: Any, *arguments: str, code: int = 0, width: int = 140) -> tuple[str, list[str]]:
    """Raw output and screen of a run of the suite on a pseudo-terminal; it must end with this exit code."""
    fcntl, pty, termios = (
        pytest.importorskip(name, reason="pseudo-terminals of Unix") for name in ("fcntl", "pty", "termios")
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    process = suite.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    raw = b""
    try:
        while part := os.read(ours, 65536):
            raw += part
    except OSError:  # Linux's way to say that the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(30) == code
    return raw.decode(), screen(raw.decode(), width)
