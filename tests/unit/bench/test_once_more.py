"""Later processes are asked only where nobody knows what they find; each is an interpreter of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sessions import make_session

from perfsuite.bench import once_more
from perfsuite.bench.once_more import OnceMore
from perfsuite.decision.once_more import OWN_FILE, Asked
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.watching.caches import source_of
from perfsuite.records import CodeSource, Compilation, Session
from perfsuite.workers import WorkerError

VARIANT, WORKLOAD = variants.get("bf16-sdpa-compile"), workloads.SHAPES


class Servers:
    """Stands in for `perfsuite.workers.Server`: each says how many graphs its process compiled."""

    def __init__(self, *misses: int | WorkerError | None) -> None:
        self.misses, self.asked = list(misses), list[dict[str, Any]]()

    def __call__(self) -> Servers:
        return self

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def worker(self) -> Servers:
        return self

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        assert command == "prepare"
        self.asked.append(arguments)
        found = self.misses.pop(0)
        if isinstance(found, WorkerError):
            raise found
        return {"once_more": found}


def compiled(hits: int, misses: int) -> Session:
    return make_session(compilation=Compilation(source_of(hits, misses, frozenset()), hits, misses))


def asking(
    monkeypatch: pytest.MonkeyPatch, *misses: int | WorkerError | None, confirm: int = 4, off: str = ""
) -> tuple[OnceMore, Servers]:
    servers = Servers(*misses)
    monkeypatch.setattr(once_more, "Server", servers)
    monkeypatch.setattr(once_more, "switched_off", lambda environment: off)
    hand = SimpleNamespace(fresh=None, enter=lambda *_: None, device=SimpleNamespace(place="cpu"))
    settings = SimpleNamespace(confirm=confirm, weights="auto")
    return OnceMore(settings, hand), servers  # type: ignore[arg-type]


def again(asked: OnceMore, session: Session) -> int | None:
    found = asked.ask(WORKLOAD, VARIANT, session).compilation
    assert found is not None
    return found.once_more


def who(asked: OnceMore) -> Asked:
    return asked.asked(WORKLOAD, VARIANT)


def test_what_is_found_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does eager code."""
    asked, servers = asking(monkeypatch)
    assert again(asked, compiled(2, 0)) == 0
    assert asked.ask(WORKLOAD, VARIANT, make_session()).compilation is None
    assert servers.asked == []


@pytest.mark.parametrize(
    ("misses", "found", "processes"),
    [
        ((0,), 0, 1),
        # The first one's key is its own, and the second finds what the first compiled.
        ((2, 0), 0, 2),
        ((2, 2), 2, 2),
        ((2, 1), 1, 2),
    ],
)
def test_a_finding_needs_two_processes(
    monkeypatch: pytest.MonkeyPatch, misses: tuple[int, ...], found: int, processes: int
) -> None:
    asked, servers = asking(monkeypatch, *misses)
    assert again(asked, compiled(0, 2)) == found
    assert len(servers.asked) == processes
    assert servers.asked[0]["variant"] == VARIANT.name
    assert again(asked, compiled(0, 2)) == found  # known, and not asked again
    assert len(servers.asked) == processes


def test_fresh_sessions_of_the_run_have_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a baseline begins: nothing more is started."""
    asked, servers = asking(monkeypatch, confirm=0)
    asked.saw(WORKLOAD, VARIANT, make_session())
    asked.saw(WORKLOAD, VARIANT, compiled(2, 0))
    assert (again(asked, compiled(0, 2)), servers.asked) == (0, [])


def test_forks_of_one_interpreter_do_not_clear_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that differs with the seed of hashes is the same in all of them."""
    asked, servers = asking(monkeypatch, 2)
    for session in (compiled(0, 2), compiled(2, 0), compiled(2, 0)):
        asked.saw(WORKLOAD, VARIANT, session)
    assert (again(asked, compiled(0, 2)), len(servers.asked)) == (2, 1)


def test_with_a_switch_off_nobody_need_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, servers = asking(monkeypatch, off="fx_graph_cache is False")
    assert (again(asked, compiled(0, 2)), who(asked).off, servers.asked) == (
        2,
        "fx_graph_cache is False",
        [],
    )
    # What was asked once stays known.
    assert asked.ask(WORKLOAD, VARIANT, asked.ask(WORKLOAD, VARIANT, compiled(0, 2))).compilation is not None
    assert who(asked).off == "fx_graph_cache is False"


def test_why_nobody_could_be_asked_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = asking(monkeypatch, confirm=0)
    assert (again(asked, compiled(0, 2)), "--perf-confirm=0" in who(asked).unseen) == (None, True)
    asked, _ = asking(monkeypatch, WorkerError("no memory\nat all"))
    assert (again(asked, compiled(0, 2)), who(asked).unseen) == (None, "no memory")
    asked, _ = asking(monkeypatch, None)
    assert (again(asked, compiled(0, 2)), "do not tell" in who(asked).unseen) == (None, True)


def test_what_the_file_holds_and_this_run_compiled_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, servers = asking(monkeypatch)
    lost = make_session(compilation=Compilation(CodeSource.COLD, 0, 2, 123, again=2))
    assert (again(asked, lost), who(asked), servers.asked) == (2, OWN_FILE, [])
