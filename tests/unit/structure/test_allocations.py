"""The greatest sum of allocations in each stage."""

import pytest

from perfsuite.structure.allocations import peaks

DENOISING, VAE = "perfsuite stage: denoising", "perfsuite stage: VAE"
EVENTS = [
    (1, "[memory]", 100),
    (2, "[memory]", 50),
    (3, "[memory]", -50),
    (4, DENOISING, 0),
    (5, "[memory]", 20),
    (6, "[memory]", -120),
    (7, VAE, 0),
    (8, "[memory]", 1000),
]


def test_each_stage_has_its_own_peak() -> None:
    """What is held from before counts; what is freed, and what comes after the end, do not."""
    assert peaks(EVENTS) == {"denoising": 150, "VAE": 120}


def test_order_of_the_events_is_that_of_time() -> None:
    assert peaks(reversed(EVENTS)) == peaks(EVENTS)


@pytest.mark.parametrize(("place", "kept", "more"), [(1, 7, (7, 7)), (4, 7, (0, 7))])
def test_what_is_kept_raises_all_that_follows(place: int, kept: int, more: tuple[int, int]) -> None:
    """From its own stage on."""
    events = [*EVENTS[:place], (EVENTS[place][0], "[memory]", kept), *EVENTS[place:]]
    found, before = peaks(events), peaks(EVENTS)
    assert (found["denoising"] - before["denoising"], found["VAE"] - before["VAE"]) == more
