"""Whether compiled code is found again: what one process compiled, the next one must not.

This is counted, not timed, so it needs no stored figure. A start that compiles is no finding as such: a new
machine, a cleared folder and another torch have nothing to find. Only a later process over the same folder
tells that from a cache that does not hit any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.records import CodeSource, Quantity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Compilation, Session

NAME = "compiled once more"
RULE = "what one process has compiled, the next one must find"


@dataclass(frozen=True)
class Asked:
    """Who was asked, in words."""

    who: str = "a later process over the same folder"
    off: str = ""
    """What keeps torch from keeping compiled code; empty if nothing does."""
    unseen: str = ""
    """Why nobody was asked."""


LATER = Asked()
OWN_FILE = Asked("this run, though the file of compiled code holds them,")


def judge_once_more(session: Session, stored: Sequence[Session], asked: Asked = LATER) -> Quantity | None:
    """The verdict on graphs that a later start compiles though an earlier one did; None where nothing is to
    be said.

    Args:
        session: of this run; its compilation says what was found later.
        stored: sessions of the baseline.
        asked: by whom.
    """
    known = [m for s in stored if s.compilation is not None and (m := s.compilation.once_more) is not None]
    compilation = session.compilation
    if compilation is None:
        said = "torch's counters do not tell where compiled code came from, as they did for the baseline"
        return _quantity(0, Status.INCONCLUSIVE, said, known) if known else None
    again = compilation.once_more
    if again is None:
        unseen = f"nobody knows: {asked.unseen}"
        return _quantity(0, Status.INCONCLUSIVE, unseen, known) if asked.unseen else None
    if again == 0:
        return _quantity(0, Status.OK if known else Status.NEW, _found(compilation), known)
    who = "this run, as any other with this setting," if asked.off else asked.who
    said = f"{who} compiled {again} of {compilation.graphs} graphs once more"
    if known and again <= min(known):
        return _quantity(again, Status.OK, f"{said}, as in the baseline", known)
    rule = "in the baseline it did not" if known and not min(known) else RULE
    return _quantity(again, Status.REGRESSED, f"{said}, so every start does; {rule}; {_remedy(asked)}", known)


def _found(compilation: Compilation) -> str:
    if compilation.source in (CodeSource.WARM, CodeSource.ARTIFACT):
        return f"all {compilation.graphs} graphs were found"
    return (
        f"{compilation.misses} of {compilation.graphs} graphs were compiled, and a later process found them: "
        "torch's cache works, and did not have them yet"
    )


def _remedy(asked: Asked) -> str:
    if asked.off:
        return f"torch keeps no compiled code, for {asked.off}: take that away"
    if asked is OWN_FILE:
        return (
            "torch does not find what it loaded: remove the file of --perf-compile-cache, so that it is "
            "written anew; if that does not help, perfsuite bisect finds the package that changed it"
        )
    return (
        "torch does not keep that code, or gives it another key in each process: "
        "TORCH_LOGS=+torch._inductor.codecache shows the reason, or what is in the key; "
        "perfsuite bisect finds the package that changed it"
    )


def _quantity(value: int, status: Status, detail: str, known: Sequence[int]) -> Quantity:
    verdict = Verdict(status, baseline_sessions=len(known), candidate_sessions=1, detail=detail)
    return Quantity(NAME, "graphs", float(value), verdict, None if known else 0.0)
