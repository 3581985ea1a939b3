"""Marks are read as agreed, and rules are counted by the protocol that is stated."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perfsuite.decision.histories import retrospective, streaming
from perfsuite.decision.histories.evaluation import evaluate
from perfsuite.decision.histories.labelled import History, load
from perfsuite.decision.histories.peers import PEERS, Peer, running
from perfsuite.decision.traces import TracesError


def history(values: Any, marks: list[tuple[int, int]], name: str = "sap_1") -> History:
    return History(name, np.asarray(values, dtype=float), np.array(marks, dtype=int).reshape(-1, 2))


def stepped(seed: int = 0) -> History:
    """A step of six standard deviations at night 100, which all three annotators saw."""
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(0, 0.01, 160) + 0.06 * (np.arange(160) >= 100))
    return history(values, [(100, 1), (101, 2), (100, 3)])


def test_three_annotators_make_a_change() -> None:
    """Chained within five points, at the place named most often; two do not, nor one three times."""
    found = history(np.ones(99), [(10, 1), (14, 2), (14, 3), (40, 1), (41, 2), (60, 1), (61, 1), (62, 1)])
    assert found.changes == (14,)
    assert [found.marked(place) for place in (9, 12, 45, 80)] == [3, 3, 2, 0]
    assert not found.quiet


def test_parts_of_one_series_are_one_group() -> None:
    """They are drawn together."""
    names = ["sap_7_split1", "sap_7_split2", "sap_7", "sap_70"]
    assert [history([1], [], name).group for name in names] == ["sap_7", "sap_7", "sap_7", "sap_70"]


def test_missing_values_keep_places() -> None:
    """What is not positive and finite is typical, and shifts nothing."""
    logs = history([math.e, 0.0, math.e, math.nan], []).logs
    assert logs.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_our_rule_finds_the_step() -> None:
    """As a whole, and within five nights of it; in noise it names nothing."""
    assert retrospective.look_back(stepped()) == [100]
    found = streaming.judge(stepped(), streaming.name_all(stepped()))
    assert found.delays[0] <= 5
    assert (found.false, found.nights) == (0, 121)
    quiet = history(np.exp(np.random.default_rng(3).normal(0, 0.01, 160)), [])
    assert streaming.judge(quiet, streaming.name_all(quiet)).nominations == 0


def test_a_nomination_counts_once() -> None:
    """Named night after night, or up to five nights beside it, it is the same."""
    named: streaming.Named = [[] for _ in range(121)]
    named[20:60] = [[55]] * 20 + [[59]] * 20
    named[70] = [30]
    found = streaming.judge(stepped(), named)
    assert (found.nominations, found.false, found.delays) == (2, 2, (math.inf,))
    named[100 - streaming.FIRST + 4] = [97]
    assert streaming.judge(stepped(), named).delays == (4.0,)


def test_only_isolated_changes_are_looked_for() -> None:
    """Others near, too little before, or too little after: not."""
    marks = [(place, who) for place in (20, 60, 80, 130, 155) for who in (1, 2, 3)]
    assert streaming.isolated(history(np.ones(160), marks)) == []
    assert streaming.isolated(stepped()) == [100]


def test_another_rule_is_asked_with_what_counts() -> None:
    """All nights of a quiet history, twelve of a change, never more than 200 at once."""
    asked = []

    def naming(values: Any) -> list[int]:
        asked.append(len(values))
        return [3]

    named = streaming.name_with(stepped(), naming)
    assert asked == [*range(101, 113)]
    assert len(named) == 121
    asked.clear()
    streaming.name_with(history(np.ones(300), []), naming)
    assert (len(asked), max(asked)) == (261, 200)


def test_whole_evaluation() -> None:
    """Shares with intervals, and the reason where a peer is away."""
    histories = [stepped(0), *(history(stepped(i).values[:100], [], f"sap_{i}") for i in (2, 3))]
    always = Peer("always", "", "json", lambda values: [50])
    away = Peer("away", "", "no_such_module", lambda values: [])
    apart = Peer("apart", "", "otava")
    found = evaluate("x", histories, (), [always, away, apart])
    own, other = found.look_back
    assert (own.recall.value, own.precision.value, own.alarmed) == (1, 1, 0)
    assert (other.recall.value, other.precision.value, other.alarmed) == (0, 0, 2)
    assert other.false.value == pytest.approx(1000 * 3 / 360)
    assert found.night_by_night[0].false.value == 0
    assert found.night_by_night[1].within[12].value == 0
    assert "no_such_module" in found.left_out["away"]
    assert "--peer-python" in found.left_out["apart"]


@pytest.mark.parametrize("name", [peer.name for peer in PEERS if peer.naming])
def test_peers_own_code(name: str) -> None:
    """Those of the extra find a gross step."""
    (peer,) = (peer for peer in PEERS if peer.name == name)
    pytest.importorskip(peer.module, reason=f"pip install perfsuite[evaluate]: {name} calls its own code")
    with running(peer, ()) as naming:
        assert not isinstance(naming, str)
        assert naming(stepped().values) == [100]


def saved(path: Path, **fields: Any) -> Path:
    good = {"series": ["a"], "values": [1.0, 2.0], "offset": [0, 2], "mark": [[1, 1]], "mark_offset": [0, 1]}
    np.savez(path, **{k: v for k, v in {**good, **fields}.items() if v is not None})
    return path


def test_load(tmp_path: Path) -> None:
    """One series, two points, one mark."""
    (found,) = load(saved(tmp_path / "h.npz"))
    assert (found.name, found.values.tolist(), found.marks.tolist()) == ("a", [1.0, 2.0], [[1, 1]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mark": None}, "no field mark; a history has series, values"),
        ({"offset": [0, 1]}, "field offset: must rise from 0 to 2 in 2 values"),
        ({"mark": [[2, 1]]}, "series a: a mark lies outside its 2 points"),
        ({"mark": [[1]]}, "field mark: must be rows of place and annotator"),
        ({"values": [0.0, np.nan]}, "series a: no value is positive and finite"),
    ],
)
def test_bad_files(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    """Named, with what is wrong."""
    with pytest.raises(TracesError, match=message):
        load(saved(tmp_path / "h.npz", **fields))


def test_no_file_and_no_npz(tmp_path: Path) -> None:
    """Neither is an internal error."""
    with pytest.raises(TracesError, match="no such file"):
        load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(TracesError, match="not an npz file"):
        load(tmp_path / "text.npz")
