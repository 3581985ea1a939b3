"""Which changes of a partition are kept: what is larger than this series' own past explains, or than a person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from perfsuite.decision.changes.noise import LEAST_SD

if TYPE_CHECKING:
    from perfsuite.decision.changes.segments import Cut
    from perfsuite.decision.changes.settings import Settings

_TO_SD = 1.4826
_SPREAD, _RANGE, _NIGHTS = 1.0, 1.0, 0.5
"""How much each counts in `clearness`: exponents."""
_RANGE_QUANTILES = (0.05, 0.95)


def keep(whole: Cut, settings: Settings) -> Cut:
    """Take out what is too small, the weakest first, for what is left stands clearer without it."""
    while settings.clear > 0 and (found := whole.changes()):
        weakest = min(found, key=lambda start: clearness(whole, start))
        if clearness(whole, weakest) >= settings.clear:
            break
        whole.starts.remove(weakest)
    return whole


def visible(whole: Cut, start: int, settings: Settings) -> bool:
    """Tell whether a change is larger than what nights, and stretches of nights, of this series' past were off."""
    _, end = whole.bounds(start)
    past = whole.residuals(start)
    size = abs(whole.size(start))
    return size >= settings.visible * whole.reach(past) and size >= settings.unusual * whole.excursion(
        past, end - start
    )


def clearness(whole: Cut, start: int) -> float:
    """What a person goes by: the change beside the spread, beside all of the plot, and for how many nights."""
    before, end = whole.bounds(start)
    size = abs(whole.size(start))
    off = [np.abs(whole.values[a:b] - whole.level(a, b)) for a, b in ((before, start), (start, end))]
    spread = max(_TO_SD * float(np.median(np.concatenate(off))), whole.noise_sd / 2, LEAST_SD)
    low, high = np.nanquantile(whole.values, _RANGE_QUANTILES)
    nights = min(start - before, end - start)
    return float(
        (size / spread) ** _SPREAD * (size / max(high - low, LEAST_SD)) ** _RANGE * nights**_NIGHTS
    )
