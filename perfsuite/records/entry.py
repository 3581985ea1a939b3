"""What is stored as the baseline of one variant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import MinLen

from perfsuite.records.session import Session

ANCHOR = 5
"""Sessions that were recorded first. They stay, so that what is appended night by night cannot carry the
baseline along."""
RECENT = 15
"""Sessions that were recorded last: with the first ones all that is kept. More than the statistics gain from,
and few enough that a file stays reviewable."""


@dataclass(frozen=True)
class Entry:
    """What is stored of one variant of one workload on one device."""

    workload: str
    variant: str
    protocol: str
    """As `Workload.protocol`; latencies of another protocol are not comparable."""
    sessions: Annotated[tuple[Session, ...], MinLen(1)]
    """Oldest first."""

    @property
    def first(self) -> Entry:
        """With the sessions alone that were recorded first."""
        return replace(self, sessions=self.sessions[:ANCHOR])

    @property
    def recent(self) -> Entry:
        """With the sessions alone that were recorded last."""
        return replace(self, sessions=self.sessions[-RECENT:])

    @property
    def key(self) -> str:
        """``<workload>/<variant>``, the entry's name in the file."""
        return f"{self.workload}/{self.variant}"
