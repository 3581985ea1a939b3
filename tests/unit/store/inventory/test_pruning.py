"""What goes is what a rule or an unknown name says, and nothing is written before it is asked for."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from perfsuite.records import Session
from perfsuite.store import BaselineFile, Baselines, StoreError
from perfsuite.store.inventory import Pruned, Rule, prune

Write = Callable[..., BaselineFile]
Make = Callable[..., Session]
NOW = datetime(2025, 3, 1, tzinfo=UTC)
SLUG = "cpu-example-2t"
KEY = "shapes/fp32-sdpa"


def ids(store: Baselines, key: str = KEY) -> list[str]:
    file = store.load(SLUG)
    return [] if file is None or key not in file.entries else [s.id for s in file.entries[key].sessions]


def test_no_rule_takes_nothing_that_is_known(store: Baselines, write: Write, session: Make) -> None:
    write(session("a"), session("b"))
    write(session("c"), variant="fp32", workload="sdxl-base@512x512+4steps")
    before = store.path(SLUG).read_bytes()
    assert prune(store, SLUG, Rule(), NOW, write=True) == []
    assert store.path(SLUG).read_bytes() == before


@pytest.mark.parametrize(
    ("workload", "variant", "reason"),
    [
        ("shapes", "bf16-sdpa-warp", "unknown variant 'bf16-sdpa-warp': did you mean"),
        ("gone", "fp32", "unknown workload 'gone'"),
        ("shapes", "bf16-int8-qkv", "qkv requires sdpa"),
        ("shapes@7x7", "fp32", "must be from 64 to 4096"),
        ("shapes", "sdpa-fp32", "it is spelled shapes/fp32-sdpa now"),
    ],
)
def test_names_that_nothing_asks_for(
    workload: str, variant: str, reason: str, store: Baselines, write: Write, session: Make
) -> None:
    """The others stay, in the same file."""
    write(session("a"))
    write(session("b"), session("c"), variant=variant, workload=workload)
    (gone,) = prune(store, SLUG, Rule(), NOW, write=True)
    assert (gone.key, gone.sessions, gone.left) == (f"{workload}/{variant}", 2, 0)
    assert reason in gone.reason
    assert ids(store) == ["a"]
    assert ids(store, f"{workload}/{variant}") == []


@pytest.mark.parametrize(
    ("rule", "left", "reason"),
    [
        (Rule(keep=2), ["b", "c"], "more than the newest 2"),
        (Rule(older_than_days=10), ["c"], "older than 10 days"),
        (Rule(not_torch="2.13"), ["b", "c"], "not of torch 2.13"),
        (Rule(not_torch="2.13.0"), ["b", "c"], "not of torch 2.13.0"),
        (Rule(not_torch="2.13.0+cpu"), ["c"], "not of torch 2.13.0+cpu"),
        (Rule(not_torch="2.1"), ["a"], "not of torch 2.1"),
    ],
)
def test_sessions_that_a_rule_names(
    rule: Rule, left: list[str], reason: str, store: Baselines, write: Write, session: Make
) -> None:
    write(
        session("a", date="2025-01-01", versions={"torch": "2.1"}),
        session("b", date="2025-01-02", versions={"torch": "2.13.0"}),
        session("c", date="2025-02-28", versions={"torch": "2.13.0+cpu"}),
    )
    wanted = [Pruned(KEY, 3 - len(left), len(left), reason)]
    assert prune(store, SLUG, rule, NOW, write=False) == wanted
    assert ids(store) == ["a", "b", "c"]
    assert prune(store, SLUG, rule, NOW, write=True) == wanted
    assert ids(store) == left
    assert prune(store, SLUG, rule, NOW, write=True) == []


def test_rules_together(store: Baselines, write: Write, session: Make) -> None:
    """Each session is counted once, by the first rule that takes it."""
    write(
        session("a", date="2025-01-01", versions={"torch": "1"}),
        session("b", date="2025-01-01", versions={"torch": "2"}),
        session("c", date="2025-02-28", versions={"torch": "2"}),
        session("d", date="2025-02-28", versions={"torch": "2"}),
    )
    found = prune(store, SLUG, Rule(keep=1, older_than_days=10, not_torch="2"), NOW, write=True)
    assert [(p.sessions, p.left) for p in found] == [(1, 3), (1, 2), (1, 1)]
    assert ids(store) == ["d"]


def test_a_date_that_is_none_stays(store: Baselines, write: Write, session: Make) -> None:
    write(session("a", date="some day"))
    assert prune(store, SLUG, Rule(older_than_days=0), NOW, write=True) == []


def test_the_last_entry_takes_the_file_with_it(store: Baselines, write: Write, session: Make) -> None:
    write(session("a", versions={"torch": "1"}))
    prune(store, SLUG, Rule(not_torch="2"), NOW, write=True)
    assert store.slugs() == []
    assert store.load(SLUG) is None


def test_a_damaged_file_is_not_touched(store: Baselines, write: Write, session: Make) -> None:
    write(session("a"))
    path = store.path(SLUG)
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    for written in (False, True):
        with pytest.raises(StoreError, match=SLUG):
            prune(store, SLUG, Rule(keep=1), NOW, write=written)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keep": 0}, "--keep 0"),
        ({"older_than_days": -1.0}, "--older-than -1"),
        ({"older_than_days": float("nan")}, "--older-than nan"),
        ({"not_torch": " "}, "--not-torch"),
    ],
)
def test_rules_that_mean_nothing(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rule(**changes)  # type: ignore[arg-type]
