"""What the plugin keeps with pytest's own objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from perfsuite.bench.workbench import Workbench
    from perfsuite.pipelines.technique import Optimization
    from perfsuite.plugin.tally import Tally
    from perfsuite.settings import Settings


class ClearableLine(Protocol):
    """What hooks and fixtures need to know of the status line."""

    def clear(self) -> None:
        """Take the line away, for what pytest writes in its place."""

    def say(self, text: str) -> None:
        """Write a line that stays."""


SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
BENCH: pytest.StashKey[Workbench] = pytest.StashKey()
STATUS_LINE: pytest.StashKey[ClearableLine] = pytest.StashKey()
LEFT_OUT: pytest.StashKey[tuple[str, dict[str, tuple[Optimization, str] | None]]] = pytest.StashKey()
"""Kind of the device, and the variants of the ladder that are not for it: see `outcome.left_out`."""
TALLY: pytest.StashKey[Tally] = pytest.StashKey()
CLOSING: pytest.StashKey[list[str]] = pytest.StashKey()
"""What is said at the end of a run that judged too little."""
SAID: pytest.StashKey[list[str]] = pytest.StashKey()
"""Of a test: level, title and message of its annotation on GitHub."""
