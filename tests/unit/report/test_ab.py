"""The table of an A/B: a line for each thing compared, and what else must be known."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from perfsuite import decision
from perfsuite.records import PictureStatus, Quality, Status, Verdict
from perfsuite.report.ab import table
from perfsuite.workers.ab import Comparison, Plan, SideFacts

MIB = 2**20


@pytest.fixture
def found() -> Comparison:
    verdict = Verdict(Status.REGRESSED, ratio=1.1, interval=(1.05, 1.15), baseline_s=0.5, detail="why so")
    return Comparison(
        Plan(variant="bf16"),
        facts={
            "base": SideFacts({"torch": "2.12", "numpy": "2.0"}, [1.0, 3.0, 2.0], [100 * MIB] * 3),
            "head": SideFacts({"torch": "2.13", "numpy": "2.0"}, [4.0, 4.0, 9.0], [150 * MIB] * 3),
        },
        wall_s=61.4,
        verdict=verdict,
    )


def rows(text: str) -> list[str]:
    """Lines, with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_line_for_each_thing_compared(found: Comparison) -> None:
    assert rows(table(found, None)) == [
        "A/B of shapes bf16, lockstep, 61 s",
        "base head change",
        "latency 500 ms 550 ms +10.0 % REGRESSED",
        "first call 2 s 4 s +100.0 % n=3 a side, not judged",
        "peak memory 100 MiB 150 MiB +50.0 % n=3 a side, not judged",
        "REGRESSED: why so",
        "versions: torch 2.12 -> 2.13",
    ]


def test_columns_are_aligned(found: Comparison) -> None:
    """Figures stand below their headings, to the right."""
    heading, *lines = table(found, None).splitlines()[1:5]

    for word, figures in (
        ("base", ("500 ms", "2 s", "100 MiB")),
        ("head", ("550 ms", "4 s", "150 MiB")),
        ("change", ("+10.0 %", "+100.0 %", "+50.0 %")),
    ):
        end = heading.index(word) + len(word)
        assert [line[:end].endswith(figure) for line, figure in zip(lines, figures, strict=True)] == [
            True
        ] * 3


def test_pictures_have_a_row_and_what_is_wrong_with_them(
    found: Comparison, make_quality: Callable[..., Quality]
) -> None:
    quality = make_quality(PictureStatus.OK, PictureStatus.DEGRADED, overall=PictureStatus.DEGRADED)

    text = rows(table(found, quality))

    assert "pictures DEGRADED, SSIM of head to base 0.8877" in text
    assert "pictures DEGRADED: 'prompt 1': why 1" in text
    assert not [line for line in text if "prompt 0" in line]


def test_versions_that_one_side_lacks(found: Comparison) -> None:
    found.facts["head"].versions = {"torch": "2.12", "triton": "3.4"}

    assert rows(table(found, None))[-1] == "versions: numpy 2.0 -> absent, triton absent -> 3.4"


def test_the_same_versions(found: Comparison) -> None:
    found.facts["head"].versions = dict(found.facts["base"].versions)

    assert rows(table(found, None))[-1] == "versions: the same on both sides"


def test_repeated_pairs_are_told_in_one_line_each(found: Comparison) -> None:
    found.failures = ["pair 2: it died:\nTraceback\n  ...", "pair 3: it hung"]

    assert rows(table(found, None))[-2:] == ["repeated: pair 2: it died:", "repeated: pair 3: it hung"]


def test_nothing_measured_has_dashes(found: Comparison) -> None:
    """No line is made up, and none fails."""
    empty = Comparison(Plan(), verdict=decision.new("nothing was measured yet"))

    assert rows(table(empty, None))[2:] == [
        "latency - - - NEW",
        "NEW: nothing was measured yet",
        "versions: the same on both sides",
    ]


def test_no_memory_known_is_no_division(found: Comparison) -> None:
    found.facts["base"] = replace(found.facts["base"], peak_memory_bytes=[0, 0, 0])

    assert "peak memory 0 MiB 150 MiB - n=3 a side, not judged" in rows(table(found, None))
