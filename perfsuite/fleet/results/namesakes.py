"""Machines of one name in several parts of a plan: runners of a CI may be called alike, and be others.

Each attempt has told by what name the system knows that start of its machine, and which GPU it had. What
shares one of both is one machine. What shares none is another, if both have told their start; a machine that
was started again meanwhile, and has no GPU, is taken for another too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.fleet.ledger.account import Account
    from perfsuite.records import Attempt

_GPU = "GPU-"
"""How the driver of NVIDIA begins an id that no other GPU has."""


def told_apart(accounts: Mapping[int, Account]) -> list[Account]:
    """What the parts' ledgers say, with names that no two machines share: where they did, each has the number
    of the first part that it is of beside its own.

    Args:
        accounts: by the number of their part.
    """
    names = {name for account in accounts.values() for name in _machines(account)}
    called: dict[tuple[int, str], str] = {}
    for name in names:
        several = _several({part: a.attempts for part, a in accounts.items() if name in _machines(a)}, name)
        if len(several) > 1:
            called |= {(part, name): f"{name} (part {min(parts)})" for parts in several for part in parts}
    return [_renamed(account, part, called) for part, account in accounts.items()]


def _machines(account: Account) -> set[str]:
    return {attempt.machine for attempt in account.attempts} | {b.machine for b in account.running.values()}


def _several(attempts: Mapping[int, Sequence[Attempt]], name: str) -> list[set[int]]:
    """Parts by the machine that has this name in them; where it is not told, it is taken for the only one."""
    found: list[tuple[set[int], set[str]]] = []
    for part, all_of_it in attempts.items():
        own = [attempt for attempt in all_of_it if attempt.machine == name]
        signs = {a.boot for a in own if a.boot} | {a.uuid for a in own if a.uuid.startswith(_GPU)}
        parts = {part}
        for other in [other for other in found if other[1] & signs]:
            found.remove(other)
            parts, signs = parts | other[0], signs | other[1]
        found.append((parts, signs))
    known = [parts for parts, signs in found if any(not sign.startswith(_GPU) for sign in signs)]
    unknown = {part for parts, _ in found if parts not in known for part in parts}
    if len(known) < 2:
        return [set(attempts)]
    return [*known, unknown] if unknown else known


def _renamed(account: Account, part: int, called: Mapping[tuple[int, str], str]) -> Account:
    def name(machine: str) -> str:
        return called.get((part, machine), machine)

    return replace(
        account,
        attempts=[replace(each, machine=name(each.machine)) for each in account.attempts],
        running={k: replace(each, machine=name(each.machine)) for k, each in account.running.items()},
    )
