"""The table of techniques beyond the ladder: the guide's, and what ``perfsuite list optimizations`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfsuite.pipelines.technique import Optimization

HEAD = "| technique | what it is | where it applies | proof | class | measured here | published |"
UNKNOWN = "-"


def described(techniques: Iterable[Optimization]) -> dict[str, dict[str, Any]]:
    """What the cards say, by the name that each has with its own value."""
    return {
        technique.at().name: {
            "summary": technique.summary,
            "class": "refused" if technique.card.refused else technique.promise.value,
            "value": technique.parameter.said(technique.base) if technique.parameter else "",
            "where": technique.card.where,
            "proof": technique.card.proof,
            "measured": technique.card.measured,
            "published": technique.card.published,
        }
        for technique in techniques
        if technique.card is not None
    }


def sentence(entry: Mapping[str, Any]) -> str:
    """One technique's card as a line of text."""
    said = [f"{entry['class']}; {entry['where']}", f"proof: {entry['proof']}"]
    said += [f"{name}: {entry[name]}" for name in ("value", "measured", "published") if entry[name]]
    return "; ".join(said)


def table(techniques: Iterable[Optimization]) -> list[str]:
    """The lines of the guide's table."""
    rows = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    for name, entry in described(techniques).items():
        cells = [
            entry[key] or UNKNOWN for key in ("summary", "where", "proof", "class", "measured", "published")
        ]
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return rows
