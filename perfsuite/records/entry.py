"""What is stored as the baseline of one variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from perfsuite.records.session import Session


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
    def key(self) -> str:
        """``<workload>/<variant>``, the entry's name in the file."""
        return f"{self.workload}/{self.variant}"
