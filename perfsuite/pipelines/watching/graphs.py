"""What Dynamo and Inductor did between two points: graphs, breaks, compilations, skips, generated code.

All of it is torch's private bookkeeping. What a torch version does not keep is None here, with the reason in
`Graphs.missing`; nothing is guessed.
"""

from __future__ import annotations

import contextlib
import linecache
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BREAK_LOGS = (
    "torch._dynamo.symbolic_convert.__graph_breaks",
    "torch._dynamo.convert_frame.__graph_breaks",
)
_SKIP_LOGS = ("torch._inductor.cudagraph_utils.__cudagraphs",)
_PLACE = re.compile(r"in user code at (?P<file>[^\n]+):(?P<line>\d+)\n")
_REASON = re.compile(r"\n(?P<kind>[^\n]+)\n  Explanation: (?P<why>[^\n]+)")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>[^\n]+)')


@dataclass(frozen=True)
class Graphs:
    """What happened while `recording` was entered; None: this torch does not tell."""

    made: int | None
    """Graphs that Dynamo captured."""
    breaks: tuple[str, ...] | None
    """Each with its reason and the line of code."""
    compilations: tuple[str, ...] | None
    """Functions that Dynamo compiled, also those whose graph came from a cache: place, and the guard that
    failed where it had been compiled before."""
    cudagraph_skips: tuple[str, ...] | None
    """Reasons why a graph runs without CUDA graphs."""
    sources: tuple[str, ...] | None = field(repr=False)
    """Python code that Inductor generated or loaded, one text a graph."""
    missing: dict[str, str] = field(default_factory=dict)
    """Name of a field above that is None, to the reason."""


def place(file: str, line: int, name: str = "") -> str:
    """A line of code as in ``unet_2d_blocks.py:12 in forward: x = y``."""
    where = f"{'/'.join(Path(file).parts[-2:])}:{line}" + (f" in {name}" if name else "")
    text = linecache.getline(file, line).strip()
    return f"{where}: {text}" if text else where


@contextlib.contextmanager
def _listening(names: tuple[str, ...], heard: list[str]) -> Iterator[None]:
    """All that these loggers say, also what they would not have said otherwise: that stays here."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    keep = Keep()
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.propagate = logger.propagate and logger.isEnabledFor(logging.DEBUG)
        logger.setLevel(logging.DEBUG)
        logger.addHandler(keep)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(keep)
            logger.setLevel(level)
            logger.propagate = propagate


def _said_breaks(heard: list[str]) -> list[str]:
    """One line a graph break, with reason and place, and a line each for the two calls that led there."""
    from torch import __file__ as torch_file

    found = []
    for text in heard:
        frames = [
            place(f["file"], int(f["line"]), f["name"])
            for f in _FRAME.finditer(text)
            if not Path(f["file"]).is_relative_to(Path(torch_file).parent)
        ]
        at, reason = _PLACE.search(text), _REASON.search(text)
        if at is not None:
            where = place(at["file"], int(at["line"]))
        else:  # said of a whole function, which runs eagerly then
            where = frames[-1] if frames else text.partition("\n")[0]
        said = reason.expand(r"\g<kind>: \g<why>") if reason is not None else "graph break"
        found.append("\n    from ".join([f"{said} at {where}", *frames[-2:-4:-1]]))
    return found


def _compiled(metrics: Any) -> str:
    where = place(metrics.co_filename, metrics.co_firstlineno, metrics.co_name)
    reason = getattr(metrics, "recompile_reason", None)
    return f"{where}, again: {reason}" if reason else f"{where}, for the first time"


class _Books:
    """torch's books at one moment."""

    def __init__(self) -> None:
        from torch._dynamo import utils

        # By getattr: none of them is an interface, and one may be gone in another version.
        self.counters: Any = getattr(utils, "counters", None)
        self._metrics: Callable[[], list[Any]] | None = getattr(utils, "get_compilation_metrics", None)
        self.metrics = None if self._metrics is None else self._metrics()
        self.graphs = self._count("stats", "unique_graphs")
        self.skips = self._count("inductor", "cudagraph_skips")
        self.breaks: Counter[str] = Counter()
        # The second kind: a function that is given up altogether.
        if self.counters is not None:
            self.breaks += self.counters["graph_break"] + self.counters["unimplemented"]

    def _count(self, group: str, name: str) -> int:
        return int(self.counters[group][name]) if self.counters is not None else 0

    def new_metrics(self, before: _Books) -> list[Any] | None:
        """Of functions that were compiled since; entries of other kinds name no function."""
        if self.metrics is None or before.metrics is None:
            return None
        old = {id(m) for m in before.metrics}
        return [m for m in self.metrics if id(m) not in old and getattr(m, "co_name", None)]


def _missing(books: _Books, compiled: list[Any] | None, keeps_sources: bool) -> dict[str, str]:
    """Why a field cannot be filled; `compiled`: entries of functions that were compiled meanwhile."""
    import torch

    def gone(what: str) -> str:
        return f"torch {torch.__version__} has no {what}"

    found = {}
    if books.counters is None:
        for name in ("made", "breaks", "cudagraph_skips"):
            found[name] = gone("torch._dynamo.utils.counters")
    elif compiled and "unique_graphs" not in books.counters["stats"]:
        found["made"] = gone("torch._dynamo.utils.counters['stats']['unique_graphs']")
    if compiled is None:
        found["compilations"] = gone("torch._dynamo.utils.get_compilation_metrics")
    if not keeps_sources:
        found["sources"] = gone("torch._inductor.graph.GraphLowering.save_output_code")
    return found


class Record:
    """What `recording` found; complete once its block is left."""

    _found: Graphs | None = None

    @property
    def found(self) -> Graphs:
        assert self._found is not None, "still recording"
        return self._found


def _balance(
    before: _Books, after: _Books, broke: list[str], skipped: list[str], sources: list[str] | None
) -> Graphs:
    new = after.new_metrics(before)
    missing = _missing(after, new, sources is not None)
    reasons = after.breaks - before.breaks
    breaks = _said_breaks(broke)
    # What was counted and not logged has a reason, but no place.
    breaks += [r.splitlines()[0] for r in reasons.elements()][len(breaks) :]
    skips = [*skipped, *["no reason given"] * (after.skips - before.skips)][: after.skips - before.skips]
    return Graphs(
        made=None if "made" in missing else after.graphs - before.graphs,
        breaks=None if "breaks" in missing else tuple(dict.fromkeys(breaks)),
        compilations=None if new is None else tuple(_compiled(m) for m in new),
        cudagraph_skips=None if "cudagraph_skips" in missing else tuple(skips),
        sources=None if sources is None else tuple(sources),
        missing=missing,
    )


@contextlib.contextmanager
def _keeping_sources(sources: list[str] | None) -> Iterator[None]:
    """By the hook with which torch's own tests read generated code; it also tells what a cache held."""
    from torch._inductor.graph import GraphLowering

    if sources is None:
        yield
        return
    before = GraphLowering.save_output_code
    GraphLowering.save_output_code = sources.append
    try:
        yield
    finally:
        GraphLowering.save_output_code = before


@contextlib.contextmanager
def recording() -> Iterator[Record]:
    """Record what is compiled while the block runs; the pipeline itself is not touched."""
    from torch._inductor.graph import GraphLowering

    broke: list[str] = []
    skipped: list[str] = []
    sources: list[str] | None = [] if hasattr(GraphLowering, "save_output_code") else None
    record, before = Record(), _Books()
    with _listening(_BREAK_LOGS, broke), _listening(_SKIP_LOGS, skipped), _keeping_sources(sources):
        yield record
    record._found = _balance(before, _Books(), broke, skipped, sources)
