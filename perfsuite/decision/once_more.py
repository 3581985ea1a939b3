"""Whether compiled code is found again: what one process compiled, the next one must not.

This is counted, not timed, so it needs no stored figure. A start that compiles is no finding as such: a new
machine, a cleared folder and another torch have nothing to find. Only a later process over the same folder
tells that from a cache that does not hit any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.records import CodeSource, Quantity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Compilation, Session

NAME = "compiled once more"
RULE = "what one process has compiled, the next one must find"


def judge_once_more(
    session: Session, stored: Sequence[Session], *, off: str = "", unseen: str = ""
) -> Quantity | None:
    """The verdict on graphs that a later start compiles though an earlier one did; None where nothing is to
    be said.

    Args:
        session: of this run; its compilation says what a later process found.
        stored: sessions of the baseline.
        off: what keeps torch from keeping compiled code, in words; empty if nothing does.
        unseen: why no later process was asked.
    """
    known = [m for s in stored if s.compilation is not None and (m := s.compilation.once_more) is not None]
    compilation = session.compilation
    if compilation is None:
        said = "torch's counters do not tell where compiled code came from, as they did for the baseline"
        return _quantity(0, Status.INCONCLUSIVE, said, known) if known else None
    again = compilation.once_more
    if again is None:
        return _quantity(0, Status.INCONCLUSIVE, f"nobody knows: {unseen}", known) if unseen else None
    if again == 0:
        return _quantity(0, Status.OK if known else Status.NEW, _found(compilation), known)
    said = f"a later process over the same folder compiled {again} of {compilation.graphs} graphs once more"
    if known and again <= min(known):
        return _quantity(again, Status.OK, f"{said}, as in the baseline", known)
    rule = "in the baseline it did not" if known and not min(known) else RULE
    return _quantity(again, Status.REGRESSED, f"{said}, so every start does; {rule}; {_remedy(off)}", known)


def _found(compilation: Compilation) -> str:
    if compilation.source in (CodeSource.WARM, CodeSource.ARTIFACT):
        return f"all {compilation.graphs} graphs were found"
    return (
        f"{compilation.misses} of {compilation.graphs} graphs were compiled, and a later process found them: "
        "torch's cache works, and did not have them yet"
    )


def _remedy(off: str) -> str:
    if off:
        return f"torch keeps no compiled code, for {off}: take that away"
    return (
        "torch does not keep that code, or gives it another key in each process: "
        "TORCH_LOGS=+torch._inductor.codecache shows the reason, or what is in the key; "
        "perfsuite bisect finds the package that changed it"
    )


def _quantity(value: int, status: Status, detail: str, known: Sequence[int]) -> Quantity:
    verdict = Verdict(status, baseline_sessions=len(known), candidate_sessions=1, detail=detail)
    return Quantity(NAME, "graphs", float(value), verdict, None if known else 0.0)
