"""Night by night: how soon a rule nominates a change, and how often it nominates what nobody marked.

The protocol, the same for every rule. On every night from the 40th on a rule is given the latest 200 nights,
that night included, or as many as there are, and answers with the places where something new begins. A
nomination is counted once: one within 5 nights of a place that this rule named before in this series is the
same. A change that at least three annotators marked is looked for if it is *isolated*, that is at least 30
nights from any other such change, and has 40 nights before it and 12 from it on. It is found *within k nights*
if the rule names a place at most 5 nights from it when it has seen at most k nights of the new level. A
nomination that no annotator marked within 5 nights is false. False nominations are counted for 1000
series-nights, in the series that all annotators call quiet and, apart, in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.changes.nominating import found_in
from perfsuite.decision.changes.segments import cut
from perfsuite.decision.changes.settings import NOMINATOR
from perfsuite.decision.histories.labelled import TOLERANCE
from perfsuite.decision.parameters import Prior

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy import float64
    from numpy.typing import NDArray

    from perfsuite.decision.changes.settings import Settings
    from perfsuite.decision.histories.labelled import History

GIVEN = 200
"""Nights that a rule is given."""
FIRST = 40
"""Nights before the first that is judged."""
APART = 30
"""Nights between an isolated change and its neighbours."""
NIGHTS = (1, 3, 5, 8, 12)
"""Within which changes are looked for."""
PRIOR = Prior(sd=0.013, df=1)
"""Of histories whose device class is unknown: half of SAP's series scatter by less."""

Named = list[list[int]]
"""For each night from `FIRST` on, the places that a rule names."""


@dataclass(frozen=True)
class Streamed:
    """What a rule did in one history."""

    history: History
    delays: tuple[float, ...]
    """Nights of the new level until each isolated change was named; infinite: not within `NIGHTS`."""
    nights: int
    """Judged."""
    false: int
    """Nominations that nobody marked."""
    nominations: int


def isolated(history: History) -> list[int]:
    """Changes that are looked for."""
    return [
        c
        for c in history.changes
        if c >= FIRST
        and len(history.values) - c >= max(NIGHTS)
        and all(abs(c - other) >= APART for other in history.changes if other != c)
    ]


def name_all(history: History, settings: Settings = NOMINATOR) -> Named:
    """What this suite's rule names on every night: `perfsuite.decision.changes.nominate`, many nights at once."""
    padded = np.concatenate([np.full(GIVEN, np.nan), history.logs])
    windows = np.lib.stride_tricks.sliding_window_view(padded, GIVEN)[FIRST:]
    stretches = cut(windows, PRIOR, settings)
    named: Named = []
    for row in range(len(windows)):
        whole = stretches.one(row, settings, PRIOR)
        offset = row + FIRST - GIVEN
        found = found_in(whole, 0, settings, higher_is_better=False)
        named.append([high[0] + offset for _, _, high in found])
    return named


def judge(history: History, named: Named) -> Streamed:
    """Count what a rule found, and what it named in vain."""
    delays = []
    for change in isolated(history):
        seen = range(1, max(NIGHTS) + 1)
        hits = (
            k for k in seen
            if any(abs(place - change) <= TOLERANCE for place in named[change + k - FIRST])
        )  # fmt: skip
        delays.append(float(next(hits, np.inf)))
    new = list(_new(named))
    false = sum(history.marked(place) == 0 for place in new)
    return Streamed(history, tuple(delays), len(named), false, len(new))


def _new(named: Named) -> Iterator[int]:
    before: set[int] = set()
    for places in named:
        for place in places:
            if not any(abs(place - other) <= TOLERANCE for other in before):
                yield place
            before.add(place)


def name_with(history: History, naming: Callable[[NDArray[float64]], list[int]]) -> Named:
    """What another rule names, on the nights that count for it.

    Those are all nights of a quiet history, and the first of each isolated change; on the others it names
    nothing, and is not judged.
    """
    values = np.exp(history.logs)
    wanted = {c + k for c in isolated(history) for k in range(max(NIGHTS))}
    named: Named = []
    for night in range(FIRST, len(values)):
        start = max(0, night + 1 - GIVEN)
        if history.quiet or night in wanted:
            named.append([place + start for place in naming(values[start : night + 1])])
        else:
            named.append([])
    return named
