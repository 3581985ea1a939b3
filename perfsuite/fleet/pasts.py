"""Past times: of folders in which plans were run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.fleet.estimates import Past
from perfsuite.fleet.ledger import FILE, read_account
from perfsuite.fleet.plans import read_plan
from perfsuite.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAN = "plan.json"
"""Beside the ledger."""
MOST = 20
"""Folders that are read, the newest."""


def read_past(folder: Path) -> Past:
    """What a plan's blocks took. Raises `StoreError` where none was run, or it cannot be read."""
    account = read_account(folder)
    if account is None:
        raise StoreError(f"{folder / FILE}: there is no ledger; name a folder in which a plan was run")
    plan = read_plan(folder / PLAN)
    return Past({block.id: block for block in plan.blocks}, account.attempts)


def pasts_beside(folder: Path, tell: Callable[[str], None]) -> list[Past]:
    """Of the newest folders in the same place; those that cannot be read are named."""
    own = folder.resolve()
    ledgers = [path for path in own.parent.glob(f"*/{FILE}") if path.parent != own]
    newest = sorted(ledgers, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST]
    found = []
    for path in newest:
        try:
            found.append(read_past(path.parent))
        except StoreError as error:
            tell(f"past times left out: {error}")
    return found
