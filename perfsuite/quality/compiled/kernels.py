"""Which generated function computed a value: read from the code that Inductor wrote."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CALL = re.compile(r"(?P<name>[A-Za-z_][\w.]*)\(")
_KERNEL = re.compile(r"^(cpp_|triton_|extern_kernels\.|torch\.ops\.|cpp_fused|\w+_fused|kernel_)")
_RETURNED = re.compile(r"^\s+return \((?P<outputs>.*)\)\s*$")
_BUFFER = re.compile(r"\b(buf\d+)\b")


@dataclass(frozen=True)
class Code:
    """One generated module."""

    text: str
    file: str
    """Where torch keeps it; empty where it cannot be found."""


def kernel_calls(source: str) -> Counter[str]:
    """Names of the kernels that a generated module calls, library functions included, with how often."""
    return Counter(name for line in _body(source) if (name := _kernel(line)) is not None)


def _body(source: str) -> list[str]:
    """The lines of the function that calls the kernels."""
    lines = source.splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(r"\s*def call\(", line)), None)
    if start is None:
        return []
    end = next((i for i in range(start, len(lines)) if _RETURNED.match(lines[i])), len(lines) - 1)
    return lines[start : end + 1]


def _kernel(line: str) -> str | None:
    """The kernel that a line of the body calls."""
    text = line.strip()
    if text.startswith(("#", "assert", "del ", "def ", "return")):
        return None
    text = re.sub(r"^buf\d+ = ", "", text)
    match = _CALL.match(text)
    if match is None:
        return None
    name = match["name"].removesuffix(".run")
    return name if _KERNEL.match(name) else None


def writers(source: str, count: int) -> list[str] | None:
    """The kernel that wrote each of a module's last `count` outputs; None where the code does not tell.

    An output that is a view belongs to what it looks at; memory that is given on belongs to its last writer.
    """
    body = _body(source)
    returned = _RETURNED.match(body[-1]) if body else None
    if returned is None:
        return None
    outputs = _split(returned["outputs"])[-count:] if count else []
    if len(outputs) < count:
        return None
    found = []
    for output in outputs:
        buffer = _BUFFER.search(output)
        found.append(_writer(body, buffer[1]) if buffer is not None else "")
    return found


def _split(text: str) -> list[str]:
    """At the commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def _writer(body: Sequence[str], buffer: str) -> str:
    """The call that made a buffer, or the first after its memory was taken that is given it."""
    named = re.compile(rf"\b{buffer}\b")
    made = next((i for i, line in enumerate(body) if re.match(rf"\s*{buffer} = ", line)), None)
    if made is None:
        return ""
    own = _kernel(body[made])
    if own is not None:
        return own
    looked_at = re.match(rf"\s*{buffer} = (?:reinterpret_tensor\()?(buf\d+)(?!\w)[^\n]*# alias", body[made])
    element = re.match(rf"\s*{buffer} = (buf\d+)\[\d+\]", body[made])
    for other in (looked_at, element):
        if other is not None:
            return _writer(body[:made], other[1])
    for line in body[made + 1 :]:
        name = _kernel(line)
        if name is not None and named.search(line):
            return name
    return ""


def where(source: str) -> str:
    """The file in which torch keeps this generated code; empty where this torch has none."""
    from torch._inductor.codecache import PyCodeCache

    for module in getattr(PyCodeCache, "modules", ()):
        path = Path(getattr(module, "__file__", "") or "")
        if path.is_file() and path.read_text() == source:
            return str(path)
    return ""
