"""What a companion's pictures are measured by."""

import numpy as np
import pytest

from perfsuite.pipelines.models.shapes import check, drawing
from perfsuite.pipelines.models.shapes.twins import check as companions


def test_soft_edges_are_mixed_colours() -> None:
    """A drawing has few, the same with its pixels averaged over their neighbours more."""
    rng = np.random.default_rng(0)
    drawn = [drawing.draw(scene, rng).astype(np.float32) for scene in check.held_out(10, 1)]
    soft = [sum(np.roll(p, (y, x), (0, 1)) for x in range(-2, 3) for y in range(-2, 3)) / 25 for p in drawn]
    assert companions.mixed(drawn) < 0.02
    assert companions.mixed(soft) > 3 * companions.mixed(drawn)


@pytest.mark.parametrize("name", companions.WAYS)
def test_what_ships_is_there_for_every_way(name: str) -> None:
    """So that each can be counted without a training."""
    needed = companions.WAYS[name].needs(None)
    assert needed is None or needed.exists()
