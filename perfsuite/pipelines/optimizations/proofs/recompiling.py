"""What a script of calls compiles anew: nothing, where one graph is to serve them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.pipelines.optimizations.evidence import NotEngagedError, some
from perfsuite.pipelines.watching.graphs import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def compilations_of(calls: Mapping[str, Callable[[], object]]) -> list[str]:
    """What each call compiled, in words, in their order."""
    found = []
    for what, call in calls.items():
        with recording() as record:
            call()
        found += [f"{what} compiled {line}" for line in record.found.compilations or ()]
    return found


def check_compiles_nothing(calls: Mapping[str, Callable[[], object]]) -> None:
    """Raise `NotEngagedError` if any of the calls compiles."""
    found = compilations_of(calls)
    if found:
        raise NotEngagedError(f"{len(found)} compilations after the first call: {some(found)}")
