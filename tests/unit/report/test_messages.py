"""A failing test says how much, what differs, and a command that does what it says."""

import shlex
from collections.abc import Callable

import pytest

from perfsuite import variants, workloads
from perfsuite.records import Cause, PictureStatus, Quality, Result, Status, StructureCheck, Verdict
from perfsuite.report import messages
from perfsuite.settings import OPTIONS


@pytest.mark.parametrize(
    ("status", "words", "mode"),
    [
        (Status.REGRESSED, "accept it", "reset"),
        (Status.IMPROVED, "take it as the new baseline", "reset"),
        (Status.NEW, "record it", "new"),
        (Status.INCOMPATIBLE, "record it anew", "reset"),
    ],
)
@pytest.mark.parametrize("variant", ["bf16-sdpa", "bf16-sdpa-channels-last-int8"])
def test_command_names_the_benchmark_and_the_mode(
    status: Status, words: str, mode: str, variant: str, make_result: Callable[..., Result]
) -> None:
    """By options that exist, so that it also finds variants off the ladder and other workloads."""
    result = make_result(variant, workload="sdxl-base")
    text = messages.latency(result, Verdict(status, detail="so much"), None)
    (command,) = (line for line in text.splitlines() if line.startswith(f"{words}: pytest "))
    given = dict(part.split("=", 1) for part in shlex.split(command) if part.startswith("--perf-"))
    assert given.keys() <= {option.flag_name for option in OPTIONS}
    assert given["--perf-update"] == mode
    assert variants.get(given["--perf-variant"]).name == variant
    assert workloads.get(given["--perf-workload"]).name == "sdxl-base"


def test_regression_can_be_measured_again(make_result: Callable[..., Result]) -> None:
    """The command that repeats the test changes no baseline."""
    text = messages.latency(make_result(), Verdict(Status.REGRESSED), None)
    (again,) = (line for line in text.splitlines() if line.startswith("measure again: "))
    assert "--perf-variant=bf16" in again
    assert "--perf-update" not in again


@pytest.mark.parametrize("status", [Status.OK, Status.INCONCLUSIVE])
def test_nothing_to_accept_without_a_failure(status: Status, make_result: Callable[..., Result]) -> None:
    """Only a verdict that fails a test, or could, is answered with a command."""
    assert messages.latency(make_result(), Verdict(status, detail="so"), None) == f"shapes bf16: {status}: so"


def test_causes_and_differences_are_named(make_result: Callable[..., Result]) -> None:
    """What rides along with the verdict, and every version that moved, came or went; not the others."""
    verdict = Verdict(Status.REGRESSED, causes=(Cause.NOISY_MACHINE, Cause.NOT_STEADY), detail="+20 %")
    before = {"torch": "2.11", "python": "3.12", "torchao": "0.17"}
    lines = messages.latency(make_result(), verdict, before).splitlines()
    assert lines[:3] == [
        "shapes bf16: REGRESSED: +20 %",
        "causes: NOISY_MACHINE, NOT_STEADY",
        "differs from the baseline: torch 2.11 -> 2.12, torchao 0.17 -> absent",
    ]


def test_same_versions_are_said_to_be_the_same(make_result: Callable[..., Result]) -> None:
    """No difference is news too: then it is the code or the machine."""
    text = messages.latency(make_result(), Verdict(Status.REGRESSED), {"torch": "2.12", "python": "3.12"})
    assert "differs from the baseline: no version of" in text


def test_pictures_that_are_bad_come_first(make_quality: Callable[..., Quality]) -> None:
    """Every prompt with its score and reason; a broken picture has no score."""
    good, degraded, broken = PictureStatus.OK, PictureStatus.DEGRADED, PictureStatus.BROKEN
    found = make_quality(good, degraded, broken, overall=broken)
    assert messages.pictures("shapes bf16", found).splitlines() == [
        "shapes bf16: pictures BROKEN",
        "  DEGRADED 'prompt 1': SSIM 0.88765, PSNR 31.2 dB why 1",
        "  BROKEN 'prompt 2': no score why 2",
        "  OK 'prompt 0': SSIM 0.98765, PSNR 31.2 dB",
    ]


def test_a_gate_without_noise_names_each_problem_and_what_it_counted() -> None:
    """Problems first, one a line; what passes says what was counted."""
    bad = StructureCheck("syncs", ("2 in 3 steps",), ("aten.nonzero in step 0 of 3: a.py:7", "b"))
    assert messages.structure("shapes bf16", bad).splitlines() == [
        "shapes bf16: syncs: 2 problems",
        "  aten.nonzero in step 0 of 3: a.py:7",
        "  b",
        "  counted: 2 in 3 steps",
    ]
    assert messages.structure("shapes bf16", StructureCheck("syncs", ("none",))) == "  counted: none"
