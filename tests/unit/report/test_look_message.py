"""A look that fails says where, by how much, what changed, and where the pictures are."""

from pathlib import Path

import pytest

from perfsuite.records import Look, PictureStatus
from perfsuite.report import messages

DETAIL = "first unet, step 4, prompt 0: error 0.1, allowed 0.025: 4.0 times; 1 of 80 beyond their budget"


@pytest.mark.parametrize("name", ["components", "modules", "loop"])
@pytest.mark.parametrize("status", [PictureStatus.DEGRADED, PictureStatus.BROKEN])
def test_message_of_a_look(name: str, status: PictureStatus) -> None:
    """Variant, look and verdict first, with the place and its figures; then what is not as before."""
    found = Look(name, status, 80, beyond=1, detail=DETAIL)
    moved = "torch 2.11 -> 2.12"
    assert messages.look("shapes bf16-sdpa", found, moved, ()).splitlines() == [
        f"shapes bf16-sdpa: {name} {status}: {DETAIL}",
        "differs from the stored run: torch 2.11 -> 2.12",
    ]


def test_folder_of_the_pictures_is_named() -> None:
    """Once, however many files are in it."""
    found = Look("loop", PictureStatus.DEGRADED, detail=DETAIL)
    files = [Path("out") / "shapes" / name for name in ("a-variant.png", "a-float32.png", "a-drift.json")]
    lines = messages.look("shapes bf16", found, "nothing", files).splitlines()
    assert lines[2:] == [f"pictures, maps and drift: {Path('out') / 'shapes'}"]
