"""Halving with an oracle that may say that it cannot tell. Pure: knows nothing of packages and clocks.

Each middle is compared with both ends of its span. One half holds the slowdown: it is searched on. Both
do: there are two culprits, and both halves are searched. Neither does: it is spread over many small steps, or
was the machine's, and the span is what can be said. What cannot be measured at all is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.tracking.bisection.candidates import Candidate


class Answer(StrEnum):
    """What the oracle says of a pair."""

    OK = "OK"
    """Not slower by as much as counts here."""
    REGRESSED = "REGRESSED"
    INCONCLUSIVE = "INCONCLUSIVE"
    """It wants more time."""


@dataclass(frozen=True)
class Reply:
    """The answer with its figures."""

    answer: Answer
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    detail: str = ""


class BrokenError(Exception):
    """One of the two cannot be measured, and never will."""

    def __init__(self, candidate: Candidate | None, reason: str) -> None:
        """`candidate`: the one at fault; None where it is not known which."""
        super().__init__(reason)
        self.candidate = candidate


class OutOfTimeError(Exception):
    """There is no time for another comparison; what was asked so far is in the log."""


class Oracle(Protocol):
    """Whether `head` is slower than `base`."""

    def __call__(self, base: Candidate, head: Candidate, effort: int) -> Reply:
        """Ask.

        Args:
            base: before.
            head: after.
            effort: 0 the first time, 1 with more time, and so on.

        Raises:
            BrokenError: one cannot be measured.
            OutOfTimeError: no more may be asked.
        """
        ...


@dataclass(frozen=True)
class Culprit:
    """The slowdown came between these two."""

    good: Candidate
    bad: Candidate
    reply: Reply
    passed_over: tuple[str, ...] = ()
    """Labels between them that could not be measured: any of these, or `bad`, brought it."""


@dataclass(frozen=True)
class Unsettled:
    """More cannot be said of this span."""

    good: Candidate
    bad: Candidate
    reason: str
    doubtful: bool = False
    """Whether it is not known to hold any slowdown at all."""


@dataclass(frozen=True)
class Findings:
    """All that a search found, in the order of candidates."""

    culprits: tuple[Culprit, ...] = ()
    unsettled: tuple[Unsettled, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    """Label and reason of what could not be measured."""
    out_of_time: bool = False


@dataclass(frozen=True)
class _Span:
    low: int
    high: int
    reply: Reply | None
    """Of its ends, where they were compared; None: it holds the slowdown since the other half does not."""


def patiently(oracle: Oracle, base: Candidate, head: Candidate, most: int, effort: int = 0) -> Reply:
    """Ask again with more time while it cannot tell, at most so often; the same is not slower than itself."""
    if base.identity == head.identity:
        return Reply(Answer.OK, 1.0, (1.0, 1.0), "the same packages")
    reply = oracle(base, head, effort)
    for more in range(effort + 1, most):
        if reply.answer is not Answer.INCONCLUSIVE:
            break
        reply = oracle(base, head, more)
    return reply


class Search:
    """One search along candidates, of which the last is slower than the first."""

    def __init__(self, candidates: Sequence[Candidate], oracle: Oracle, most: int = 3) -> None:
        """`most`: how often one pair is asked at most."""
        self._candidates, self._oracle, self._most = candidates, oracle, most
        self._broken: dict[int, str] = {}
        self._culprits: list[tuple[int, Culprit]] = []
        self._unsettled: list[tuple[int, Unsettled]] = []

    def run(self, whole: Reply) -> Findings:
        """Find what made the last slower than the first; `whole` is what the oracle said of these two."""
        late = False
        spans = [_Span(0, len(self._candidates) - 1, whole)]
        while spans:
            span = spans.pop(0)
            try:
                spans = [*self._narrowed(span), *spans]
            except OutOfTimeError:
                for left in (span, *spans):
                    self._leave(left, "the time ran out")
                late = True
                break
        return Findings(
            tuple(culprit for _, culprit in sorted(self._culprits, key=lambda c: c[0])),
            tuple(span for _, span in sorted(self._unsettled, key=lambda u: u[0])),
            tuple((self._candidates[i].label, reason) for i, reason in sorted(self._broken.items())),
            late,
        )

    def _narrowed(self, span: _Span) -> list[_Span]:
        """The halves that are to be searched on."""
        middle = self._middle(span)
        if middle is None:
            self._name(span)
            return []
        try:
            left, right = self._ask(span.low, middle), self._ask(middle, span.high)
            if left.answer is right.answer is Answer.REGRESSED:
                left, right = self._twice(span, middle, left, right)
        except BrokenError as error:
            self._broken[middle] = str(error)
            return [span]
        return self._halves(span, middle, left, right)

    def _halves(self, span: _Span, middle: int, left: Reply, right: Reply) -> list[_Span]:
        lower, upper = _Span(span.low, middle, left), _Span(middle, span.high, right)
        answers = (left.answer, right.answer)
        held = [
            half for half, answer in zip((lower, upper), answers, strict=True) if answer is Answer.REGRESSED
        ]
        unclear = [h for h, a in zip((lower, upper), answers, strict=True) if a is Answer.INCONCLUSIVE]
        if held:
            for half in unclear:
                self._leave(half, "cannot be told whether it holds another one", doubtful=True)
            return held
        if len(unclear) == 1:  # the other half does not hold it
            return [_Span(unclear[0].low, unclear[0].high, None)]
        if unclear:
            self._leave(span, "neither half can be told from the other, however long they were measured")
        else:
            self._leave(span, "neither half is slower by itself: many small steps, or the machine's doing")
        return []

    def _twice(self, span: _Span, middle: int, left: Reply, right: Reply) -> tuple[Reply, Reply]:
        """Of two culprits the smaller one must show again: with many questions one answer will be wrong."""
        candidates, most = self._candidates, self._most
        if (left.ratio or 1.0) <= (right.ratio or 1.0):
            again = patiently(self._oracle, candidates[span.low], candidates[middle], most + 1, most)
            return again, right
        return left, patiently(self._oracle, candidates[middle], candidates[span.high], most + 1, most)

    def _name(self, span: _Span) -> None:
        """Its ends are neighbours: the culprit, once they have been compared themselves."""
        low, high = self._candidates[span.low], self._candidates[span.high]
        try:
            reply = span.reply or self._ask(span.low, span.high)
        except BrokenError as error:
            self._leave(span, f"found by elimination alone: these two cannot be compared: {error}")
            return
        if reply.answer is not Answer.REGRESSED:
            self._leave(span, f"found by elimination alone: these two themselves compared are {reply.answer}")
            return
        passed = tuple(self._candidates[i].label for i in range(span.low + 1, span.high))
        self._culprits.append((span.low, Culprit(low, high, reply, passed)))

    def _leave(self, span: _Span, reason: str, *, doubtful: bool = False) -> None:
        left = Unsettled(self._candidates[span.low], self._candidates[span.high], reason, doubtful)
        self._unsettled.append((span.low, left))

    def _middle(self, span: _Span) -> int | None:
        """The one nearest to the middle that can be measured; None where there is none."""
        inner = [i for i in range(span.low + 1, span.high) if i not in self._broken]
        return min(inner, key=lambda i: abs(2 * i - span.low - span.high), default=None)

    def _ask(self, low: int, high: int) -> Reply:
        return patiently(self._oracle, self._candidates[low], self._candidates[high], self._most)
