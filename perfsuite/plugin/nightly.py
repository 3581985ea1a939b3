"""The run into the history of nights, when it ends."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.bench.workbench import Workbench


def check(where: str | None) -> None:
    """Refuse an address that means nothing before anything is measured; raises `StoreError`."""
    if where is not None:
        from perfsuite.store.history import check_address

        check_address(where)


def add_run(session: pytest.Session, bench: Workbench, near: Path) -> None:
    """Add it where the options say so. What fails is a warning, for the results are kept; an error with
    ``--perf-strict``."""
    where = bench.settings.history
    if where is None or hasattr(session.config, "workerinput"):  # a worker of xdist has a part of the run
        return
    from perfsuite.store import StoreError
    from perfsuite.store.history import History, shown

    try:
        bench.ledger.begin()
        with History.open(where, create=True) as history:
            added = history.add(bench.run())
    except StoreError as error:
        later = shlex.join(("perfsuite", "track", "add", str(near), "--db", shown(where)))
        kind = "ERROR" if bench.settings.strict else "WARNING"
        bench.closing_lines.extend([f"{kind}: not added to the history: {error}", f"add it later: {later}"])
        if bench.settings.strict and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return
    bench.closing_lines.append(f"history {shown(where)}: night {added.night} on {added.device}")
