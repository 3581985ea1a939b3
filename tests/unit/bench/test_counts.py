"""The verdict on counts by what is stored: NEW, INCOMPATIBLE, or a comparison."""

from pathlib import Path

import pytest
from counted import make_counts

from perfsuite.bench.counts import CountGate
from perfsuite.records import Counts, CountVerdict, Result, Status


def result(counts: Counts, protocol: str = "p", status: Status = Status.NEW) -> Result:
    return Result("shapes", "bf16", protocol, counts=counts, counted=CountVerdict(status))


def gate(folder: Path, counts: Counts | None = None) -> CountGate:
    """One whose folder holds these counts."""
    if counts is not None:
        CountGate(folder, "cpu").update([result(counts)], "new")
    return CountGate(folder, "cpu")


def test_nothing_is_stored(tmp_path: Path) -> None:
    verdict = gate(tmp_path).judge(result(make_counts()), make_counts())
    assert verdict.status is Status.NEW
    assert verdict.detail == "no counts of torch 2.13 are stored for this variant"


def test_the_same_is_ok_and_more_is_not(tmp_path: Path) -> None:
    made = gate(tmp_path, make_counts())
    assert made.judge(result(make_counts()), make_counts()).status is Status.OK
    assert made.judge(result(make_counts()), make_counts(flop={"unet": 2 * 10**9})).status is Status.REGRESSED


@pytest.mark.parametrize("version", ["2.13.1", "2.13.0+cu130"])
def test_a_patch_release_is_held_to_the_same_counts(version: str, tmp_path: Path) -> None:
    fresh = make_counts(versions={"torch": version})
    assert gate(tmp_path, make_counts()).judge(result(fresh), fresh).status is Status.OK


@pytest.mark.parametrize("version", ["2.14.0", "2.14.0.dev20260101+cpu", "3.13.0"])
def test_another_minor_version_is_new(version: str, tmp_path: Path) -> None:
    """The versions that are there are named."""
    fresh = make_counts(versions={"torch": version})
    verdict = gate(tmp_path, make_counts()).judge(result(fresh), fresh)
    assert verdict.status is Status.NEW
    assert "there are counts of torch 2.13" in verdict.detail


def test_another_protocol_is_incompatible(tmp_path: Path) -> None:
    verdict = gate(tmp_path, make_counts()).judge(result(make_counts(), "q"), make_counts())
    assert verdict.status is Status.INCOMPATIBLE
    assert "'p'" in verdict.detail
    assert "'q'" in verdict.detail


def test_versions_of_the_stored_counts(tmp_path: Path) -> None:
    made = gate(tmp_path, make_counts())
    assert made.stored_versions(result(make_counts())) == {"torch": "2.13.0+cpu", "diffusers": "0.42.1"}
    assert made.stored_versions(result(make_counts(versions={"torch": "2.14.0"}))) is None
