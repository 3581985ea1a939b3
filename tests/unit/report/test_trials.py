"""Faults caught and alarms raised are counted right, and whatever went wrong is told by name."""

import json
from typing import Any

import pytest

from perfsuite.device import versions
from perfsuite.quality import trials as quality_trials
from perfsuite.quality.trials import Trial, scores
from perfsuite.records import Deviation, Device, Look, PictureScore, PictureStatus, Quality
from perfsuite.report.trials import LOOKS, as_json, table

OK, DEGRADED, BROKEN, NOT_JUDGED = (
    PictureStatus.OK, PictureStatus.DEGRADED, PictureStatus.BROKEN, PictureStatus.NOT_JUDGED,
)  # fmt: skip


def trial(variant: str, case: str, fault: bool, found: str, /, **peers: bool) -> Trial:
    """What four looks found, a letter each: ``.`` OK, ``d`` DEGRADED, ``b`` BROKEN, ``?`` not judged."""
    letters = {".": OK, "d": DEGRADED, "b": BROKEN, "?": NOT_JUDGED}
    statuses = [letters[letter] for letter in found]
    looks = tuple(
        Look(name, status, 7, detail=f"{name} of {case}" if status is not NOT_JUDGED else "")
        for name, status in zip(LOOKS, statuses, strict=True)
    )
    order = (NOT_JUDGED, OK, DEGRADED, BROKEN)
    scores = (PictureScore("a red ring", statuses[0], 0.99, 40.0, 0.98),)
    return Trial(variant, case, fault, Quality(max(statuses, key=order.index), scores, looks), peers)


TRIALS = [
    trial("bf16", "gain", True, "d..d", psnr=True),
    trial("bf16-sdpa", "gain", True, ".d..", psnr=False),
    trial("bf16", "as built", False, "....", psnr=False),
    trial("bf16", "black", True, "bbbb", psnr=True),
    trial("fp32", "keys", True, "..?.", psnr=False),
    trial("fp32", "keys", True, ".bd.", psnr=False),
    trial("bf16", "slicing", False, "..d.", psnr=False),
    trial("fp32", "as built", False, "....", other=True),
]


def cells(text: str) -> dict[str, list[str]]:
    """The rows of the table by their first cell."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith(("missed: ", "false alarm: ")):
            head, *rest = [cell.strip() for cell in line.split("  ") if cell.strip()]
            assert head not in rows or head == "all"
            rows[head if head not in rows else f"{head} again"] = rest
    return rows


def test_counts_of_every_gate() -> None:
    """Caught of planted, alarms of honest: for the suite, each look, and each peer that was asked."""
    assert cells(table(TRIALS)) == {
        "planted fault": ["caught", "pictures", "components", "modules", "loop", "psnr", "other"],
        "gain": ["2/2", "1/2", "1/2", "0/2", "1/2", "1/2", "-"],
        "black": ["1/1", "1/1", "1/1", "1/1", "1/1", "1/1", "-"],
        "keys": ["1/2", "0/2", "1/2", "1/2", "0/2", "0/2", "-"],
        "all": ["4/5", "2/5", "3/5", "2/5", "2/5", "2/5", "-"],
        "honest case": ["alarms", "pictures", "components", "modules", "loop", "psnr", "other"],
        "as built": ["0/2", "0/2", "0/2", "0/2", "0/2", "0/1", "1/1"],
        "slicing": ["1/1", "0/1", "0/1", "1/1", "0/1", "0/1", "-"],
        "all again": ["1/3", "0/3", "0/3", "1/3", "0/3", "0/2", "1/1"],
    }


def test_columns_are_aligned() -> None:
    """Each cell ends where its heading ends, however long the names are."""
    long = trial("bf16", "a fault with a name that is far longer than any heading", True, "d...", p=True)
    lines = table([*TRIALS, long]).splitlines()
    header, *rows = [line for line in lines if not line.startswith(("missed", "false alarm"))]
    assert len({len(line.rstrip()) for line in (header, *rows)}) == 1
    end = header.index("components") + len("components")
    assert all(line[end - 1] != " " and line[end] == " " for line in rows)


def test_missed_fault_and_false_alarm_are_told() -> None:
    """Which, in which variant, and what the looks said: of the missed all, of the alarm the guilty one."""
    lines = table(TRIALS).splitlines()
    assert lines[-2:] == [
        "missed: keys in fp32: pictures: pictures of keys; components: components of keys; "
        "loop: loop of keys",
        "false alarm: slicing, bf16: modules DEGRADED: modules of slicing",
    ]
    assert sum(line.startswith(("missed", "false alarm")) for line in lines) == 2


def test_nothing_went_wrong() -> None:
    """The counts only."""
    assert "missed" not in table([t for t in TRIALS if t.fault is t.caught()])
    assert "false alarm" not in table([t for t in TRIALS if t.fault is t.caught()])


@pytest.mark.parametrize("fault", [True, False])
def test_one_kind_of_trial_only(fault: bool) -> None:
    """No row and no heading of what was not tried."""
    rows = cells(table([t for t in TRIALS if t.fault is fault]))
    assert ("gain" in rows, "slicing" in rows, "honest case" in rows) == (fault, not fault, not fault)
    assert [name for name in rows if name.startswith("all")] == ["all"]


def test_no_trials_at_all() -> None:
    """Headings, and no count that could be taken for a score."""
    text = table([])
    assert text.split() == ["planted", "fault", "caught", *LOOKS]
    assert not any(character.isdigit() for character in text)


def test_no_peers() -> None:
    """Without them there is no column for them."""
    rows = cells(table([trial("bf16", "gain", True, "d...")]))
    assert rows["planted fault"] == ["caught", *LOOKS]
    assert rows["gain"] == ["1/1", "1/1", "0/1", "0/1", "0/1"]


def test_looks_are_those_that_are_taken() -> None:
    """One list of names in both places."""
    assert LOOKS == quality_trials.LOOKS


def test_scores_agree_with_the_table() -> None:
    """The suite's row and each look's."""
    rows = cells(table(TRIALS))
    own, *rest = scores(TRIALS)
    found = [own, *rest[: len(LOOKS)]]
    assert [f"{s.faults}/{s.of_faults}" for s in found] == rows["all"][: 1 + len(LOOKS)]
    assert [f"{s.false_alarms}/{s.of_honest}" for s in found] == rows["all again"][: 1 + len(LOOKS)]


def strict(text: str) -> Any:
    """JSON as other languages read it, where NaN and Infinity are errors."""
    return json.loads(text, parse_constant=pytest.fail)


def test_json_holds_every_trial(device: Device) -> None:
    """In their order, with device and versions, and statuses as words."""
    text = as_json(TRIALS, device)
    document = strict(text)
    assert text.endswith("}\n")
    assert document["device"] == {"name": device.name, "kind": "cpu", "count": 2}
    assert document["versions"] == versions()
    found = document["trials"]
    assert [(t["variant"], t["case"], t["fault"], t["peers"]) for t in found] == [
        (t.variant, t.case, t.fault, t.peers) for t in TRIALS
    ]
    looks = found[4]["quality"]["looks"]
    assert [(look["name"], look["status"], look["count"]) for look in looks] == [
        ("pictures", "OK", 7), ("components", "OK", 7), ("modules", "NOT_JUDGED", 7), ("loop", "OK", 7),
    ]  # fmt: skip
    assert found[3]["quality"]["status"] == "BROKEN"
    assert found[0]["quality"]["scores"][0]["ssim"] == 0.99


def test_json_of_deviations(device: Device) -> None:
    """All figures of the first and the worst place; what is infinite is null."""
    first, worst = Deviation("unet, step 0", 0.1 + 0.2, 0.01, 0.0125), Deviation("vae", None, 0.0, 1e-5)
    look = Look("components", BROKEN, 2, first, worst, 2, "so")
    found = strict(as_json([Trial("bf16", "nan", True, Quality(BROKEN, (), (look,)))], device))
    (stored,) = found["trials"][0]["quality"]["looks"]
    assert stored["first"] == {
        "place": "unet, step 0", "error": 0.1 + 0.2, "same_precision": 0.01, "budget": 0.0125,
    }  # fmt: skip
    assert stored["worst"]["error"] is None


def test_json_of_no_trials(device: Device) -> None:
    """A file that says so."""
    assert strict(as_json([], device))["trials"] == []
