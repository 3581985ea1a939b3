"""The guide's table of techniques and pipelines says yes where nothing is refused, and nowhere else."""

import dataclasses
import re

import pytest
from documents import GUIDE

from perfsuite.pipelines import optimizations, variants, workloads
from perfsuite.pipelines.building import unfit

COLUMNS = {
    "SDXL, SSD-1B": ("sdxl-base", "ssd-1b"), "SD 1.5": ("sd15", "tiny-sd15"),
    "PixArt-alpha": ("pixart-alpha", "tiny-pixart"), "SD3": ("sd3", "tiny-sd3"),
    "Flux.1": ("flux-dev", "tiny-flux"), "Kandinsky 2.2": ("tiny-kandinsky",),
}  # fmt: skip
SPELLED = {"vae-tiling": "vae-tiling:32"}
"""With a value that fits the smallest pictures."""


def table() -> list[list[str]]:
    """The cells of each row, the header first."""
    text = (GUIDE / "pipelines.md").read_text()
    lines = text[text.index("| technique | SDXL, SSD-1B |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


HEADER, _, *ROWS = table()
CELLS = [
    (technique, column, cell)
    for first, *cells in ROWS
    if first.startswith("`")
    for technique in re.findall(r"`([\w-]+)`", first)
    for column, cell in zip(HEADER[1:], cells, strict=True)
]


def reason(workload: str, technique: str) -> str | None:
    """Why it is refused there, with steps and a batch with which it has something to do."""
    pictures = 2 if technique == "vae-slicing" else 1
    asked = dataclasses.replace(workloads.get(workload), steps=6, batch=pictures)
    sdpa = "" if technique == "sdpa" else "sdpa+"
    return unfit(asked, variants.get(f"bf16+{sdpa}{SPELLED.get(technique, technique)}"))


@pytest.mark.parametrize(("technique", "column", "cell"), CELLS)
def test_a_cell_says_what_is_refused(technique: str, column: str, cell: str) -> None:
    refused = {workload: reason(workload, technique) is not None for workload in COLUMNS[column]}
    if cell == "`shapes` alone":
        assert reason("shapes", technique) is None
        assert all(refused.values())
    else:
        assert set(refused.values()) == {cell == "refused"}
        assert cell == "refused" or cell.split(",")[0] == "yes"


def test_every_technique_has_a_row() -> None:
    """But precisions, which every pipeline takes."""
    shown = [o.base for o in optimizations.OPTIMIZATIONS.values() if not o.hidden and o.phase > 0]
    assert sorted({technique for technique, _, _ in CELLS}) == sorted(shown)


@pytest.mark.parametrize("name", [n for n, o in optimizations.OPTIMIZATIONS.items() if o.card is not None])
def test_the_guide_says_what_the_card_says(name: str) -> None:
    """Where it applies, how it is proven, its class, what it costs by us and by others."""
    technique = optimizations.OPTIMIZATIONS[name]
    card, spelled = technique.card, technique.at().name
    assert card is not None
    promised = "refused" if card.refused else technique.promise
    told = (technique.summary, card.where, card.proof, promised, card.measured or "-", card.published or "-")
    row = " | ".join((f"`{spelled}`", *told))
    assert f"| {row} |" in (GUIDE / "techniques.md").read_text()
