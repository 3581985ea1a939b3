"""Figures as a person reads them: with their unit, no more digits than they deserve."""

from __future__ import annotations

import re
import statistics
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DASH = "-"


def seconds(value: float | None) -> str:
    """A duration: ``830 ms``, ``1.25 s``, ``94 s``."""
    if value is None:
        return DASH
    if value < 0.9995:  # what three digits round to a whole second
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"


def spread(samples: Sequence[float]) -> str:
    """Half the distance between the quartiles, in per cent of the median; robust to one outlier."""
    if len(samples) < 2:
        return "n=1"
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return f"±{50.0 * (high - low) / middle:.1f} %"


def change(ratio: float | None) -> str:
    """A ratio as a change: ``+4.2 %`` is slower."""
    return DASH if ratio is None else f"{100.0 * (ratio - 1.0):+.1f} %"


def memory(size_bytes: int | None) -> str:
    """Bytes in MiB or GiB."""
    if size_bytes is None:
        return DASH
    mib = size_bytes / 2**20
    return f"{mib:.0f} MiB" if mib < 10240 else f"{mib / 1024:.1f} GiB"


def similarity(value: float | None) -> str:
    """SSIM with the digits that tell honest variants from faults."""
    return DASH if value is None else f"{value:.4f}"


def rate(value: float, unit: str) -> str:
    """So many a second, with a decimal prefix: ``790 TFLOP/s``, ``3.35 TB/s``."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def flop(value: float) -> str:
    """An amount of arithmetic: ``13.5 TFLOP``, with digits that show small differences."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.5g} {prefix}FLOP"
    return f"{value:.0f} FLOP"


def exact_memory(size_bytes: float) -> str:
    """Bytes in KiB or MiB, with digits that show small differences: ``151.26 MiB``."""
    if size_bytes < 2**20:
        return f"{size_bytes / 1024:.5g} KiB"
    return f"{size_bytes / 2**20:.6g} MiB"


def duration(seconds: float) -> str:
    """Of work that a person waits for: ``40 s``, ``5.5 min``, ``2.1 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5997 else f"{seconds / 3600:.1f} h"


def plain(text: str) -> str:
    """`text` in one line, without what a terminal would carry out: it may come from a file."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


_COMMAND = re.compile(r"(?P<label>.*?: )(?P<command>(?:pytest|perfsuite) .*)")


def wrapped(line: str, width: int) -> list[str]:
    """`line` as lines of at most `width` characters, broken between words.

    What follows the first is indented. A command at its end (``accept it: pytest ...``) is continued as
    the shell does, so that it can be copied.
    """
    if len(line) <= width:
        return [line]
    own = line[: len(line) - len(line.lstrip())]
    found = _COMMAND.fullmatch(line)
    if found is None:
        return _broken(line, width, own, f"{own}  ")
    parts = _broken(found["command"], width - 2, f"{own}  ", f"{own}    ")
    return [found["label"].rstrip(), *(f"{part} \\" for part in parts[:-1]), parts[-1]]


_QUANTITY = re.compile(r"(?<=\d) (?=(?:%|ms|s|min|h|MiB|GiB)(?!\w))")


def _broken(text: str, width: int, first: str, later: str) -> list[str]:
    parts = textwrap.wrap(
        _QUANTITY.sub("\N{NO-BREAK SPACE}", text.strip()), width, initial_indent=first,
        subsequent_indent=later, break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [part.replace("\N{NO-BREAK SPACE}", " ") for part in parts]


def several(count: int, noun: str) -> str:
    """``1 block``, ``2 blocks``: of nouns that take an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
