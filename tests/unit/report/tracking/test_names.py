"""Names of pages: safe on every file system, one for each series."""

from __future__ import annotations

from dataclasses import replace

import pytest
from overviews import HOSTILE, believable

from perfsuite.records import ChangeGroup, Series, SeriesKind
from perfsuite.report.tracking import names

PLAIN = Series("h100", "sdxl", "p1", "bf16", "latency", "s", SeriesKind.NOISY)


@pytest.mark.parametrize(
    "name", [HOSTILE, "../../etc/passwd", "", "..", "CON", "ä/ö\0", "x" * 300, "-rf", "a\nb"]
)
def test_a_name_is_safe_whatever_a_history_holds(name):
    found = names.of_series(replace(PLAIN, variant=name, metric=name, device=name))
    assert names.is_ours(f"{found}.html")
    assert len(found) < 120
    assert names.is_ours(f"{names.of_group(ChangeGroup(name, '', ()))}.json")


def test_each_series_has_a_name_of_its_own():
    """Also where only the protocol differs, or what is no letter, or the case on systems that have none."""
    several = [
        PLAIN, replace(PLAIN, protocol="p2"), replace(PLAIN, variant="bf16!"), replace(PLAIN, variant="BF16"),
        replace(PLAIN, unit="ms"), replace(PLAIN, device="sdxl", workload="h100"),
        *(t.series for t in believable().tracked),
    ]  # fmt: skip
    assert len({names.of_series(series).lower() for series in several}) == len(several)


def test_a_name_stays_the_same():
    """Links to a page hold from night to night, and over versions of perfsuite."""
    assert names.of_series(PLAIN) == "series-latency-bf16-sdxl-h100-" + names.of_series(PLAIN)[-10:]
    assert names.of_series(PLAIN)[-10:] == names.of_series(replace(PLAIN))[-10:]
    assert names.of_group(ChangeGroup("0a1b2c3d4e", "", ())) == "group-0a1b2c3d4e"
