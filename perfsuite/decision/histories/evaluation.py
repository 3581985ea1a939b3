"""All rules on all histories, with intervals: the figures of ``perfsuite evaluate --history``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.histories import retrospective, streaming
from perfsuite.decision.histories.peers import PEERS, running
from perfsuite.decision.replaying import BOOTSTRAPS, CONFIDENCE, Share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from perfsuite.decision.histories.drifting import Drifted
    from perfsuite.decision.histories.labelled import History
    from perfsuite.decision.histories.peers import Peer
    from perfsuite.decision.histories.retrospective import Recalled
    from perfsuite.decision.histories.streaming import Streamed

OWN = "perfsuite"
Count = tuple[float, float]
"""Of one history: what is counted, and out of what."""


@dataclass(frozen=True)
class LookBack:
    """One rule on whole histories."""

    rule: str
    recall: Share
    precision: Share
    """Of the places that three annotators or nobody marked."""
    strict: Share
    """Of all places, those of one or two marks counted as wrong."""
    false: Share
    """A thousand points, marked by nobody."""
    alarmed: int
    """Quiet histories in which it names anything."""
    named: int


@dataclass(frozen=True)
class NightByNight:
    """One rule on one night after the other."""

    rule: str
    within: Mapping[int, Share]
    """Share of isolated changes found, by nights."""
    false: Share
    """Nominations a thousand nights of quiet histories."""
    false_anywhere: Share | None
    """The same in all histories; None where the rule was not asked on all nights."""


@dataclass(frozen=True)
class HistoryEvaluation:
    """What came of it all."""

    source: str
    histories: int
    points: int
    changes: int
    isolated: int
    quiet: int
    quiet_nights: int
    look_back: Sequence[LookBack]
    night_by_night: Sequence[NightByNight]
    left_out: Mapping[str, str]
    drift: Sequence[Drifted] = ()


def evaluate(
    source: str,
    histories: Sequence[History],
    interpreters: Sequence[Path] = (),
    peers: Sequence[Peer] = PEERS,
    progress: Callable[[str], None] = lambda line: None,
) -> HistoryEvaluation:
    """Judge this suite's rule and its peers'.

    Args:
        source: of the histories, for the report.
        histories: with their marks.
        interpreters: under which peers are looked for that cannot live beside this suite.
        peers: to be judged.
        progress: told what is being done.
    """
    progress(f"{OWN}: {len(histories)} histories")
    back = [_look_back(OWN, [retrospective.judge(h, retrospective.look_back(h)) for h in histories])]
    streamed = [streaming.judge(h, streaming.name_all(h)) for h in histories]
    nights = [_night_by_night(OWN, streamed, everywhere=True)]
    left_out = {}
    for one in peers:
        with running(one, interpreters) as naming:
            if isinstance(naming, str):
                left_out[one.name] = naming
                continue
            progress(f"{one.name}: {len(histories)} histories")
            back.append(
                _look_back(one.name, [retrospective.judge(h, naming(np.exp(h.logs))) for h in histories])
            )
            those = [streaming.judge(h, streaming.name_with(h, naming)) for h in histories]
            nights.append(_night_by_night(one.name, those, everywhere=False))
    return HistoryEvaluation(
        source, len(histories), sum(len(h.values) for h in histories),
        sum(len(h.changes) for h in histories), sum(len(s.delays) for s in streamed),
        sum(h.quiet for h in histories), sum(s.nights for s in streamed if s.history.quiet),
        back, nights, left_out,
    )  # fmt: skip


def _look_back(rule: str, found: Sequence[Recalled]) -> LookBack:
    groups = [r.history.group for r in found]

    def ratio(count: Callable[[Recalled], Count], scale: float = 1.0) -> Share:
        return _ratio(groups, [count(r) for r in found], scale)

    return LookBack(
        rule,
        ratio(lambda r: (r.found, len(r.history.changes))),
        ratio(lambda r: (r.right, r.right + r.false)),
        ratio(lambda r: (r.right, r.right + r.unsure + r.false)),
        ratio(lambda r: (r.false, len(r.history.values)), 1000),
        sum(r.history.quiet and r.right + r.unsure + r.false > 0 for r in found),
        sum(r.right + r.unsure + r.false for r in found),
    )


def _night_by_night(rule: str, found: Sequence[Streamed], *, everywhere: bool) -> NightByNight:
    groups = [s.history.group for s in found]

    def within(nights: int) -> Share:
        counts = [(float(sum(d <= nights for d in s.delays)), float(len(s.delays))) for s in found]
        return _ratio(groups, counts)

    def false(of: Sequence[Streamed]) -> Share:
        return _ratio([s.history.group for s in of], [(s.false, s.nights) for s in of], 1000)

    return NightByNight(
        rule,
        {nights: within(nights) for nights in streaming.NIGHTS},
        false([s for s in found if s.history.quiet]),
        false(found) if everywhere else None,
    )


def _ratio(groups: Sequence[str], counts: Sequence[Count], scale: float = 1.0) -> Share:
    """Return a ratio of sums; the interval is a bootstrap that draws whole groups."""
    names = sorted(set(groups))
    sums = np.zeros((len(names), 2))
    for group, count in zip(groups, counts, strict=True):
        sums[names.index(group)] += count
    if not len(sums) or not sums[:, 1].sum():
        return Share(float("nan"), float("nan"), float("nan"))
    total = sums.sum(axis=0)
    weights = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=BOOTSTRAPS)
    drawn = weights @ sums
    drawn = drawn[drawn[:, 1] > 0]
    risk = (1 - CONFIDENCE) / 2
    lower, upper = np.quantile(scale * drawn[:, 0] / drawn[:, 1], [risk, 1 - risk])
    return Share(float(scale * total[0] / total[1]), float(lower), float(upper))
