"""Pictures for the tests of quality: seeded, small, and of every way to be broken."""

import numpy as np
import pytest
from numpy.typing import NDArray

Picture = NDArray[np.float32]


@pytest.fixture
def picture() -> Picture:
    """Smooth colours with some detail, in 8-bit levels as a PNG file holds them."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:32, 0:40] / 40.0
    smooth = np.stack([x, y, 0.5 + 0.4 * np.sin(6.0 * x * y)], axis=-1)
    levels = np.rint(255.0 * np.clip(0.1 + 0.7 * smooth + 0.1 * rng.random(smooth.shape), 0.0, 1.0))
    return (levels / 255.0).astype(np.float32)
