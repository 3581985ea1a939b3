"""Code that one process compiled must be found by the next; an empty cache is no finding."""

from __future__ import annotations

import pytest
from sessions import make_session

from perfsuite.decision.once_more import LATER, OWN_FILE, Asked, judge_once_more
from perfsuite.pipelines.watching.caches import source_of
from perfsuite.records import Compilation, Quantity, Session, Status


def compiled(hits: int, misses: int, again: int | None = None) -> Session:
    """One that found and compiled so many graphs, and what a later process compiled of these."""
    source = source_of(hits, misses, frozenset())
    return make_session(compile_s=9.0, compilation=Compilation(source, hits, misses, again=again))


def judged(session: Session, *stored: Session, asked: Asked = LATER) -> Quantity:
    found = judge_once_more(session, stored, asked)
    assert found is not None
    return found


WARM, EAGER = compiled(2, 0), make_session()
HONEST, BROKEN, UNSEEN = compiled(0, 2, again=0), compiled(0, 2, again=2), compiled(0, 2)


@pytest.mark.parametrize(
    ("session", "stored", "status", "said"),
    [
        # A new machine, a cleared folder, another torch: what was compiled is found from then on.
        (HONEST, (), Status.NEW, "2 of 2 graphs were compiled, and a later process found them"),
        (HONEST, (WARM, WARM), Status.OK, "did not have them yet"),
        (compiled(1, 1, again=0), (WARM,), Status.OK, "1 of 2 graphs were compiled"),
        (WARM, (), Status.NEW, "all 2 graphs were found"),
        (WARM, (HONEST,), Status.OK, "all 2 graphs were found"),
        # Every start compiles.
        (
            BROKEN,
            (WARM, HONEST),
            Status.REGRESSED,
            "2 of 2 graphs once more, so every start does; in the base",
        ),
        (BROKEN, (), Status.REGRESSED, "what one process has compiled, the next one must find"),
        (compiled(1, 1, again=1), (), Status.REGRESSED, "1 of 2 graphs once more"),
        # Nobody asked for the baseline, so it accepts nothing.
        (BROKEN, (UNSEEN, EAGER), Status.REGRESSED, "what one process has compiled, the next one must find"),
        # It was accepted; more of it was not.
        (BROKEN, (BROKEN, UNSEEN), Status.OK, "as in the baseline"),
        (BROKEN, (compiled(1, 1, again=1),), Status.REGRESSED, "2 of 2 graphs"),
        # One stored session that found it all shows that it can be found.
        (BROKEN, (BROKEN, WARM), Status.REGRESSED, "in the baseline it did not"),
    ],
)
def test_what_a_later_process_found_decides(
    session: Session, stored: tuple[Session, ...], status: Status, said: str
) -> None:
    found = judged(session, *stored)
    assert found.verdict.status is status
    assert said in found.verdict.detail
    assert (found.name, found.unit) == ("compiled once more", "graphs")


def test_the_remedy_names_the_switch_that_is_off_or_where_to_look() -> None:
    off = judged(BROKEN, asked=Asked(off="fx_graph_cache is False, by X=0")).verdict.detail
    assert off.startswith("this run, as any other with this setting, compiled 2 of 2 graphs once more")
    assert off.endswith("torch keeps no compiled code, for fx_graph_cache is False, by X=0: take that away")
    assert "TORCH_LOGS=+torch._inductor.codecache" in judged(BROKEN).verdict.detail
    assert "perfsuite bisect" in judged(BROKEN).verdict.detail
    file = judged(BROKEN, asked=OWN_FILE).verdict.detail
    assert file.startswith("this run, though the file of compiled code holds them, compiled 2 of 2 graphs")
    assert "remove the file of --perf-compile-cache" in file


def test_what_nobody_looked_at_accuses_nobody() -> None:
    """Eager code has nothing to find; a failed look, and counters that fell silent, are said."""
    assert judge_once_more(EAGER, (EAGER,)) is None
    assert judge_once_more(UNSEEN, (WARM,)) is None
    failed = judge_once_more(UNSEEN, (WARM,), Asked(unseen="out of memory"))
    assert failed is not None
    assert (failed.verdict.status, failed.verdict.detail) == (
        Status.INCONCLUSIVE,
        "nobody knows: out of memory",
    )
    silent = judged(make_session(compile_s=9.0), WARM)
    assert silent.verdict.status is Status.INCONCLUSIVE
    assert "counters do not tell" in silent.verdict.detail
