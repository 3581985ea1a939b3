"""Each look that is not OK is in the table and among the remarks; those that are fine take no words."""

import re
from collections.abc import Callable

import pytest

from perfsuite.records import Device, Look, PictureScore, PictureStatus, Quality, Result, Status, Verdict
from perfsuite.report import terminal

OK, NEW, DEGRADED, BROKEN, NOT_JUDGED = (
    PictureStatus.OK, PictureStatus.NEW, PictureStatus.DEGRADED, PictureStatus.BROKEN,
    PictureStatus.NOT_JUDGED,
)  # fmt: skip
NAMES = ("pictures", "components", "modules", "loop")
ORDER = (OK, NEW, DEGRADED, BROKEN)


def seen(*statuses: PictureStatus) -> Quality:
    """Pictures that are OK, and four looks of these verdicts."""
    looks = tuple(
        Look(name, status, 9, detail=f"why {name}") for name, status in zip(NAMES, statuses, strict=True)
    )
    gravest = max((s for s in statuses if s is not NOT_JUDGED), key=ORDER.index)
    return Quality(gravest, (PictureScore("a", OK, 0.98765, 31.2, 0.9),), looks)


CASES = [
    ((OK, OK, OK, OK), ()),
    ((OK, OK, NOT_JUDGED, OK), ()),
    ((OK, DEGRADED, OK, OK), ("components DEGRADED",)),
    ((OK, OK, OK, BROKEN), ("loop BROKEN",)),
    ((NEW, OK, OK, OK), ("pictures NEW",)),
    ((DEGRADED, OK, BROKEN, NOT_JUDGED), ("pictures DEGRADED", "modules BROKEN")),
    ((BROKEN,) * 4, tuple(f"{name} BROKEN" for name in NAMES)),
]


@pytest.mark.parametrize(("statuses", "words"), CASES)
@pytest.mark.parametrize("width", [60, 250])
def test_verdict_names_the_looks(
    statuses: tuple[PictureStatus, ...],
    words: tuple[str, ...],
    width: int,
    make_result: Callable[..., Result],
    device: Device,
) -> None:
    """Beside the latency's verdict, in the order in which they are taken."""
    result = make_result(verdict=Verdict(Status.IMPROVED), quality=seen(*statuses))
    text = " ".join(terminal.ladder([result], device, colour=False, width=width).split())
    assert ", ".join(("IMPROVED", *words)) in text
    assert all((name in text) == any(w.startswith(name) for w in words) for name in NAMES)
    assert "0.9877" in text


@pytest.mark.parametrize(("statuses", "words"), CASES)
def test_remark_for_each_look(
    statuses: tuple[PictureStatus, ...], words: tuple[str, ...], make_result: Callable[..., Result]
) -> None:
    """A line each with what it found."""
    result = make_result(quality=seen(*statuses))
    assert terminal.remarks([result]) == [
        f"shapes bf16: {word}: why {word.partition(' ')[0]}" for word in words
    ]


def test_remarks_of_latency_come_first(make_result: Callable[..., Result]) -> None:
    """Of each variant, before the next variant's."""
    slow, slower = (Verdict(Status.REGRESSED, detail=detail) for detail in ("+20 %", "+30 %"))
    results = [
        make_result("bf16", verdict=slow, quality=seen(OK, DEGRADED, OK, OK)),
        make_result("fp16", verdict=slower, quality=seen(OK, OK, OK, OK)),
    ]
    assert terminal.remarks(results) == [
        "shapes bf16: REGRESSED: +20 %",
        "shapes bf16: components DEGRADED: why components",
        "shapes fp16: REGRESSED: +30 %",
    ]


@pytest.mark.parametrize("statuses", [statuses for statuses, _ in CASES])
def test_failed_look_is_red(
    statuses: tuple[PictureStatus, ...],
    make_result: Callable[..., Result],
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Good pictures do not hide a module that is wrong: faster for that reason is not good news."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    result = make_result(verdict=Verdict(Status.IMPROVED), quality=seen(*statuses))
    text = terminal.ladder([result], device, colour=True, width=250)
    codes = {int(code) for found in re.findall(r"\x1b\[([\d;]+)m", text) for code in found.split(";")}
    red, green = 31, 32
    fails = any(status in (DEGRADED, BROKEN) for status in statuses)
    assert codes & {red, green} == {red if fails else green}


def test_a_task_that_nobody_could_judge_is_said(make_result: Callable[..., Result], device: Device) -> None:
    """Its test passes, and without a word it would look as if captions had been read."""
    looks = (Look("pictures", OK, 9), Look("task", NOT_JUDGED, detail="nothing here reads the pictures"))
    result = make_result(quality=Quality(OK, (PictureScore("a", OK, 0.98765, 31.2, 0.9),), looks))
    assert terminal.remarks([result]) == ["shapes bf16: task NOT_JUDGED: nothing here reads the pictures"]
    assert "task NOT_JUDGED" in " ".join(terminal.ladder([result], device, colour=False, width=250).split())
