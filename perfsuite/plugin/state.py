"""What the plugin keeps with pytest's own objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from perfsuite.bench.workbench import Workbench
    from perfsuite.plugin.status_line import StatusLine
    from perfsuite.settings import Settings

SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
BENCH: pytest.StashKey[Workbench] = pytest.StashKey()
STATUS_LINE: pytest.StashKey[StatusLine] = pytest.StashKey()
SAID: pytest.StashKey[list[str]] = pytest.StashKey()
"""Of a test: level, title and message of its annotation on GitHub."""
