"""The table of techniques beyond the ladder: the guide's, and what ``perfsuite list optimizations`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfsuite.pipelines.technique import Optimization

HEAD = "| technique | what it is | where it applies | proof | class | measured here | published |"
UNKNOWN = "-"
MACHINE = "the small SDXL in fp32-sdpa unless said otherwise, in turns on one thread of a shared two-core CPU"
"""Where cards' own figures are from; n stands beside each."""


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
    if entry["value"]:
        said.append(f"value: {entry['value']}")
    if entry["class"] == "refused":
        return "; ".join(said)
    said.append(f"measured: {entry['measured']}, {MACHINE}" if entry["measured"] else "not measured here")
    said.append(f"published: {entry['published']}" if entry["published"] else "no published figure found")
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
