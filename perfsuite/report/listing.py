"""What ``perfsuite list`` prints: a name a line, its text beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.report.columns import described
from perfsuite.report.techniques import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HEADINGS = {
    "workloads": "workloads",
    "variants": "variants, in order; one that a device cannot run says why if it is named",
    "beside": "variants beside the ladder, run where they are named",
    "optimizations": "optimizations, to combine as in --perf-variant bf16+sdpa+qkv",
    "techniques": "techniques beyond the ladder: class, where they apply, proof, figures",
    "faults": "faults, to plant with perfsuite faults --fault NAME",
    "registered": "registered by others",
}


def text(document: Mapping[str, Any], folder: Path, width: int) -> str:
    """The sections of the document, in its order; `folder` is that of the baselines."""
    lines: list[str] = []
    for key, members in document.items():
        if key in HEADINGS and (members or key != "registered"):
            lines.append(HEADINGS[key])
            lines += described(_pairs(key, members), width)
        elif key == "baselines":
            lines.append(f"baselines in {folder}" + ("" if members else ": none yet"))
            for slug, file in members.items():
                lines += described([(slug, file.get("name", "damaged"))], width)
                entries = file.get("sessions", {})
                lines += described(
                    [(f"  {entry}", f"n={n}") for entry, n in entries.items()], width, column=42
                )
        elif key == "runs":
            lines.append("runs" + ("" if members else ": none yet"))
            lines += described([(path, _run(run)) for path, run in members.items()], width)
    return "\n".join(lines)


def _run(run: Mapping[str, Any]) -> str:
    if "error" in run:
        return "damaged"
    what = f"{run['variants']} variants" if run["timed"] else "untimed"
    return f"{what} on {run['device']}" + (", the last ladder" if run["last"] else "")


def _pairs(key: str, members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        if key == "faults":
            yield name, f"{value['component']}: {value['summary']}"
        elif key == "techniques":
            yield name, sentence(value)
        else:
            yield name, value if isinstance(value, str) else " + ".join(value)
