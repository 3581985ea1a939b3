"""What people say of changes, in a file that is reviewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from made_nights import LATENCY, night, step

from perfsuite.records import Change, Decision, State
from perfsuite.store import StoreError
from perfsuite.tracking.decisions import DecisionError, decision, fresh, known_id, read
from perfsuite.tracking.life.until import Until

if TYPE_CHECKING:
    from pathlib import Path

CHANGE = Change("3f2a91c0de", LATENCY, step(6, 7, 1.0, 1.1), State.CONFIRMED, True, night(8), night(8))
NOW = "2026-11-20T08:00:00+00:00"
GOOD = """
[[decision]]
change = "3f2a91c0de"
state = "ignored"
reason = "waits for <b>upstream</b>"
who = "ada"
until = "torch>=2.14"
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "decisions.toml"
    file.write_text(text)
    return file


def test_a_file(tmp_path: Path) -> None:
    (found,) = read(written(tmp_path, GOOD), [CHANGE], NOW)
    assert found == Decision(CHANGE.id, State.IGNORED, "ada", NOW, "waits for <b>upstream</b>", "torch>=2.14")


def test_dates_need_no_quotes(tmp_path: Path) -> None:
    text = GOOD.replace('"torch>=2.14"', "2026-12-24") + "date = 2026-11-19\n"
    (found,) = read(written(tmp_path, text), [CHANGE], NOW)
    assert (found.until, found.date) == ("2026-12-24", "2026-11-19")


def test_an_empty_file(tmp_path: Path) -> None:
    assert read(written(tmp_path, "# none yet\n"), [CHANGE], NOW) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("3f2a91c0de", "3f2a91c0da", "entry '1', field change: there is no change '3f2a91c0da'; near are "
         "3f2a91c0de (bf16-sdpa latency, sdxl on h100)"),
        ("3f2a91c0de", "zzz", "track list shows those that there are"),
        ('"ignored"', '"forgotten"', "field state: 'forgotten' is none that a person can choose; choose "
         "acknowledged, accepted, ignored, fixed, confirmed"),
        ('"ignored"', '"nominated"', "field state"),
        ('"ignored"', '"accepted"', "field until: 'torch>=2.14' is given with state 'accepted'"),
        ('until = "torch>=2.14"', "", "field until: is missing"),
        ("torch>=2.14", "next week", "field until: 'next week' is neither a date, such as 2026-12-24"),
        ("torch>=2.14", "torch", "field until"),
        ('who = "ada"', "", "field who: is missing"),
        ('who = "ada"', 'who = ""', "field who: is empty"),
        ("reason =", "reasons =", "field reasons: is unknown; did you mean reason?"),
        ('"ada"', "7", "field who: 7 is no text; write it in quotes"),
        ("[[decision]]", "[decision]", "field decision: is no list of tables; begin each with [[decision]]"),
        ("[[decision]]", "[[decisions]]", "field decisions: is unknown"),
        ("[[decision]]", "[[decision", "is no TOML"),
        ('who = "ada"', 'who = "ada"\ndate = "soon"', "field date: 'soon' is no date; write it as"),
    ],
)  # fmt: skip
def test_nonsense_is_named_by_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(StoreError) as raised:
        read(file, [CHANGE], NOW)
    assert str(raised.value).startswith(str(file))
    assert said in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read(tmp_path / "decisions.toml", [CHANGE], NOW)


def test_an_entry_is_taken_over_once(tmp_path: Path) -> None:
    """What is said later on the command line holds, although the file still says the first."""
    file = written(tmp_path, GOOD)
    first = read(file, [CHANGE], NOW)
    assert fresh(first, [], NOW) == first
    later = Decision(CHANGE.id, State.ACCEPTED, "bob", "2026-11-21", "good enough")
    tomorrow = "2026-11-22T08:00:00+00:00"
    assert fresh(read(file, [CHANGE], tomorrow), [*first, later], tomorrow) == ()
    file.write_text(GOOD + "date = 2026-11-22\n")
    again = read(file, [CHANGE], tomorrow)
    assert fresh(again, [*first, later], tomorrow) == again
    assert fresh(again, [*first, later, *again], tomorrow) == ()


def test_the_beginning_of_an_id() -> None:
    changes = {"3f2a91c0de": CHANGE, "3f2b000000": CHANGE}
    assert known_id(changes, "3f2a") == "3f2a91c0de"
    with pytest.raises(DecisionError, match="may be 3f2a91c0de, 3f2b000000; give more of it"):
        known_id(changes, "3f2")
    with pytest.raises(DecisionError, match="no change ''"):
        known_id(changes, "")


def test_an_empty_reason() -> None:
    with pytest.raises(DecisionError, match="reason: is empty"):
        decision({CHANGE.id: CHANGE}, CHANGE.id, "accepted", "ada", NOW, " ")


@pytest.mark.parametrize(
    ("text", "version", "over"),
    [
        ("torch>=2.14", "2.13.1", False),
        ("torch>=2.14", "2.14.0.dev20261120", False),
        ("torch>=2.14", "2.14.0+cu128", True),
        ("torch>=2.14.dev0", "2.14.0.dev20261120", True),
        ("diffusers>=0.41", "2.14.0", False),
        (night(9), "", True),
        (night(10), "", False),
    ],
)
def test_until(text: str, version: str, over: bool) -> None:
    assert Until.of(text).is_over(night(9), {"torch": version} if version else {}) is over
