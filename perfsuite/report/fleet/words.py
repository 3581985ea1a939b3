"""Words and signs of what is known of a cell, beside those of verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.records import CellState, Work
from perfsuite.report.html import words
from perfsuite.report.html.words import Badge

if TYPE_CHECKING:
    from perfsuite.records import Machine

FAILED, SKIPPED, MISSING = "FAILED", "SKIPPED", "MISSING"
_LOOKS: dict[str, tuple[str, str, str]] = {
    FAILED: ("bad", "✗", "a gate that knows only yes and no said no"),
    CellState.BROKEN: ("bad", "✗", "its block failed three times, or on all machines that it suits"),
    CellState.UNPLACED: ("bad", "∅", "no machine has such a device, or all that have are drained"),
    MISSING: ("unsure", "○", "its block ended with a verdict, and has none on this variant"),
    CellState.WAITING: ("unsure", "○", "its block has not ended yet: go on with perfsuite run"),
    CellState.RUNNING: ("plain", "▷", "its block runs"),
    SKIPPED: ("plain", "\N{EN DASH}", "the device cannot run it, or what it needs is not installed"),
}  # fmt: skip
_WORDS = {
    CellState.BROKEN: "GIVEN UP",
    CellState.UNPLACED: "UNPLACED",
    CellState.WAITING: "WAITING",
    CellState.RUNNING: "RUNNING",
}
"""BROKEN is a word for pictures."""
ORDER = (
    "BROKEN", "DEGRADED", "REGRESSED", FAILED, "GIVEN UP", "UNPLACED", "LESS_JUDGED", "INCOMPATIBLE", MISSING,
    "WAITING", "INCONCLUSIVE", "RUNNING", "NOT_JUDGED", SKIPPED, "NEW", "IMPROVED", "OK",
)  # fmt: skip
"""The gravest first."""
INTRO = (
    "A square is a variant in an environment on a class of devices, with one word for each kind of work: the "
    "gravest of what its gates said. Devices of one class whose figures must not be compared have a column "
    "each, with what tells them apart. Latencies are medians of the first session's calls, changes are over "
    "the baseline, and both lead to the whole result. GPUs of one model are not one: where stored and new "
    "sessions are of different ones, what they differ by is in the interval of the change."
)


def undone(state: CellState, about: str = "") -> Badge:
    """Of a cell without a verdict."""
    tone, sign, _ = _LOOKS[state]
    return Badge(_WORDS[state], tone, sign, about)


def plain(word: str, about: str = "") -> Badge:
    """Of a gate that knows only yes and no, or of what said nothing."""
    tone, sign, _ = _LOOKS[word]
    return Badge(word, tone, sign, about)


def fine(about: str = "") -> Badge:
    """Of a gate that said yes."""
    return Badge("OK", "fine", "✓", about)


def takes(machine: Machine) -> Badge:
    """What a machine is given."""
    if machine.drained:
        return Badge("nothing: drained", "bad", "✗")
    if machine.fit is None:
        return Badge("not examined", "plain", "\N{EN DASH}")
    return Badge("everything", "fine", "✓") if machine.fit else Badge("what is not timed", "unsure", "○")


def gravity(badge: Badge) -> int:
    """Place among all, the gravest first."""
    if badge.word == "NOT_JUDGED" and badge.tone == "bad":  # of a latency it is a failure
        return ORDER.index("LESS_JUDGED")
    return ORDER.index(badge.word)


def glossary() -> list[tuple[Badge, str]]:
    """Every word with its meaning."""
    own = [
        (Badge(_WORDS.get(word, word), tone, sign), text)  # type: ignore[call-overload]
        for word, (tone, sign, text) in _LOOKS.items()
    ]
    return [*words.glossary(), *own]


def work(of: Work) -> str:
    """For a person."""
    return "A/B" if of is Work.AB else of.value
