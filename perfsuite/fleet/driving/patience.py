"""Blocks that no machine takes: said at once and while they wait, until it has been long enough."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from perfsuite.fleet.scheduling.placing import Lack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from perfsuite.fleet.scheduling.placing import Obstacle

AGAIN_S = 60.0
"""Between two lines that say the same."""
_Key = tuple[Lack, str]


class Patience:
    """What stands in the way, since when, and when it was said."""

    def __init__(self, wait_s: float, tell: Callable[[str], None]) -> None:
        """`wait_s`: for a machine with a device that none has now; for nothing else does one come."""
        self._wait_s, self._tell = wait_s, tell
        self._since: dict[_Key, float] = {}
        self._told: dict[_Key, float] = {}

    def note(self, obstacles: Sequence[Obstacle], now_s: float) -> None:
        """What stands in the way now, one for each block."""
        found = {(each.lack, each.device): each for each in obstacles}
        blocks = Counter((each.lack, each.device) for each in obstacles)
        self._since = {key: self._since.get(key, now_s) for key in found}
        for key, obstacle in found.items():
            if key not in self._told or now_s - self._told[key] >= AGAIN_S:
                self._told[key] = now_s
                self._tell(f"{_counted(blocks[key])}: {obstacle.said}{self._left(key, now_s)}")

    def is_over(self, now_s: float) -> bool:
        """Whether all has been waited for long enough."""
        return all(self._left_s(key, now_s) <= 0 for key in self._since)

    def _left_s(self, key: _Key, now_s: float) -> float:
        return self._since[key] + self._wait_s - now_s if key[0] is Lack.DEVICE else 0.0

    def _left(self, key: _Key, now_s: float) -> str:
        left = self._left_s(key, now_s)
        return f"; given up in {left / 60:.1f} min unless one comes" if left > 0 else ""


def _counted(blocks: int) -> str:
    return "1 block waits" if blocks == 1 else f"{blocks} blocks wait"
