"""The sentence at the head of a run's section, the commands at its foot, and what was left out."""

from collections.abc import Callable

import pytest

from perfsuite.pipelines import lacking, variants
from perfsuite.records import (
    Cause,
    CountVerdict,
    Device,
    PictureStatus,
    Quality,
    Result,
    Status,
    Verdict,
)
from perfsuite.report import outcome

RUNGS = ("fp32", "bf16", "bf16-sdpa", "bf16-sdpa-compile")
OK, NEW, IMPROVED, REGRESSED, INCONCLUSIVE, INCOMPATIBLE = (
    Status.OK, Status.NEW, Status.IMPROVED, Status.REGRESSED, Status.INCONCLUSIVE, Status.INCOMPATIBLE,
)  # fmt: skip
TIME = "pytest --benchmark-only -k test_latency --perf-workload=shapes"


@pytest.fixture
def timed(make_result: Callable[..., Result]) -> Callable[..., list[Result]]:
    """One result a status, of the ladder's first rungs."""

    def make(*statuses: Status, **changes: object) -> list[Result]:
        return [
            make_result(name, verdict=Verdict(status), **changes)
            for name, status in zip(RUNGS, statuses, strict=False)
        ]

    return make


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ((OK, OK, OK), "3 of 3 OK"),
        ((OK, REGRESSED, OK), "1 of 3 REGRESSED: bf16; 2 OK"),
        ((REGRESSED,) * 3, "3 of 3 REGRESSED"),
        ((OK, INCONCLUSIVE, NEW), "1 of 3 INCONCLUSIVE; 1 NEW; 1 OK"),
        ((IMPROVED, OK, INCOMPATIBLE), "1 of 3 INCOMPATIBLE: bf16-sdpa; 1 IMPROVED: fp32; 1 OK"),
        ((NEW, NEW, NEW), "3 of 3 measured, nothing to compare with: none has a baseline yet"),
    ],
)
def test_the_gravest_comes_first(
    statuses: tuple[Status, ...], said: str, timed: Callable[..., list[Result]]
) -> None:
    """Those that somebody should look at by name, the others by number."""
    assert outcome.sentence(timed(*statuses), 3) == said


def test_a_first_baseline(timed: Callable[..., list[Result]]) -> None:
    """The run before the one that can fail."""
    said = outcome.sentence(timed(NEW, NEW), 2, recorded=2)
    assert said == "2 of 2 measured, first baseline recorded; run again to gate"


def test_what_has_no_figure_is_counted(
    timed: Callable[..., list[Result]], make_result: Callable[..., Result]
) -> None:
    """One that was built and measured nothing, and one of which there is no word: never all is well."""
    results = [*timed(OK, OK), make_result("bf16-sdpa", None)]
    assert outcome.sentence(results, 4) == "2 of 4 OK; 2 without a figure"
    assert outcome.sentence(results[2:], 1) == "0 of 1 measured"


@pytest.mark.parametrize("status", [PictureStatus.DEGRADED, PictureStatus.BROKEN])
def test_wrong_pictures_of_a_fast_variant(
    status: PictureStatus, timed: Callable[..., list[Result]], make_quality: Callable[..., Quality]
) -> None:
    """They are what it is called by."""
    (wrong,) = timed(IMPROVED, quality=make_quality(status, overall=status))
    rest = timed(OK, OK)[1:]
    assert outcome.sentence([wrong, *rest], 2) == f"1 of 2 {status}: fp32; 1 OK"


def test_counts_and_pictures_alone(
    make_result: Callable[..., Result], make_quality: Callable[..., Quality]
) -> None:
    """Where nothing was timed the verdict is theirs; more work is a regression beside any time."""
    drawn = make_result("fp32", None, quality=make_quality(PictureStatus.OK))
    counted = make_result("bf16", None, counted=CountVerdict(Status.NEW))
    assert outcome.sentence([drawn, counted], 2) == "1 of 2 NEW; 1 OK"
    more = make_result("fp16", verdict=Verdict(OK), counted=CountVerdict(REGRESSED))
    assert outcome.sentence([drawn, more], 2) == "1 of 2 REGRESSED: fp16; 1 OK"


def test_many_of_one_state_are_not_all_named(make_result: Callable[..., Result]) -> None:
    """The table has the others."""
    results = [make_result(f"v{i}", verdict=Verdict(REGRESSED)) for i in range(5)]
    results.append(make_result("last", verdict=Verdict(OK)))
    assert outcome.sentence(results, 6) == "5 of 6 REGRESSED: v0, v1, v2 and 2 more; 1 OK"


def test_two_workloads_are_told_apart(make_result: Callable[..., Result]) -> None:
    results = [make_result("bf16", verdict=Verdict(REGRESSED)), make_result(workload="sdxl-base")]
    assert outcome.sentence(results, 2) == "1 of 2 REGRESSED: shapes bf16; 1 without a figure"


def test_other_failures_come_first(timed: Callable[..., list[Result]]) -> None:
    """A run with a failed test is not all OK; where a variant failed its test is known already."""
    assert outcome.sentence(timed(OK), 1, failed=1) == "1 test failed, see above; 1 of 1 OK"
    assert outcome.sentence(timed(OK), 1, failed=2).startswith("2 tests failed, see above; ")
    assert outcome.sentence(timed(REGRESSED, OK), 2, failed=1) == "1 of 2 REGRESSED: bf16; 1 OK".replace(
        "bf16", "fp32"
    )


def test_what_to_do_about_each(timed: Callable[..., list[Result]]) -> None:
    """The gravest first; the options without which a repeat measures something else."""
    assert outcome.steps(timed(OK, REGRESSED, IMPROVED), ["--perf-device=cpu"]) == [
        f"measure again: {TIME} --perf-variant=bf16 --perf-device=cpu",
        f"accept it: {TIME} --perf-variant=bf16 --perf-device=cpu --perf-update=reset",
        f"take it as the new baseline: {TIME} --perf-variant=bf16-sdpa --perf-device=cpu --perf-update=reset",
    ]
    assert outcome.steps(timed(OK, OK)) == []


def test_a_command_for_the_whole_ladder_names_no_variant(timed: Callable[..., list[Result]]) -> None:
    """It is short enough to be read; for a part of the ladder that part is named."""
    results = timed(NEW, NEW)
    assert outcome.steps(results, whole_ladder=True) == [f"record it: {TIME} --perf-update=new"]
    keys = ["shapes/fp32", "shapes/bf16"]
    assert outcome.steps(results, recorded=keys, whole_ladder=True) == [f"gate against this baseline: {TIME}"]
    assert outcome.steps(results, recorded=keys[:1], whole_ladder=True) == [
        f"record it: {TIME} --perf-variant=bf16 --perf-update=new",
        f"gate against this baseline: {TIME} --perf-variant=fp32",
    ]


def test_what_may_not_be_recorded_is_no_advice(
    timed: Callable[..., list[Result]], make_quality: Callable[..., Quality]
) -> None:
    """Wrong pictures of it are advised on all the same."""
    bad = make_quality(PictureStatus.DEGRADED, overall=PictureStatus.DEGRADED)
    steps = outcome.steps(timed(NEW, quality=bad), unrecordable=["shapes/fp32"])
    assert not [step for step in steps if "record it" in step]
    assert steps[0].startswith("look again: pytest -k test_ssim")


def test_what_to_do_where_nobody_can_tell(make_result: Callable[..., Result]) -> None:
    """With few sessions: more; with enough: find out why the machine is noisy."""
    few = make_result(verdict=Verdict(INCONCLUSIVE, causes=(Cause.FEW_SESSIONS,)))
    assert outcome.steps([few], whole_ladder=True) == [
        f"add a session, from three on OK can be said: {TIME} --perf-update=append"
    ]
    noisy = make_result(verdict=Verdict(INCONCLUSIVE))
    assert outcome.steps([noisy]) == ["see what makes this machine noisy: perfsuite doctor"]


def test_what_to_do_about_wrong_pictures(
    timed: Callable[..., list[Result]], make_quality: Callable[..., Quality]
) -> None:
    """Also where the latency is fine."""
    bad = make_quality(PictureStatus.DEGRADED, overall=PictureStatus.DEGRADED)
    steps = outcome.steps(timed(OK, quality=bad))
    assert steps[0] == "look again: pytest -k test_ssim --perf-workload=shapes --perf-variant=fp32"
    assert "calibrate --quality" in steps[1]


CPU = Device("cpu", "x", "x", 2, 0, {"bfloat16": "native"})
T4 = Device("cuda", "Tesla T4", "t4", 1, 0, {"capability": "7.5"})


@pytest.mark.parametrize(
    ("device", "names", "said"),
    [
        (CPU, ("tf32", "fp16", "fp16-sdpa"), ["3 variants need a GPU (tf32, fp16): perfsuite list"]),
        (CPU, ("tf32",), ["1 variant needs a GPU (tf32): perfsuite list"]),
        (CPU, ("fp32-sdpa",), ["1 variant needs a CPU without bfloat16: perfsuite list"]),
        (
            CPU,
            ("tf32", "fp32-sdpa"),
            ["1 variant needs a GPU (tf32), 1 a CPU without bfloat16: perfsuite list"],
        ),
        (T4, ("bf16", "bf16-sdpa"), ["2 variants need a newer GPU (bf16): perfsuite list"]),
        (
            T4,
            ("fp16-sdpa-compile-qkv-int8",),
            ["1 variant left out, int8: int8 needs compute capability 8.0, Tesla T4 has 7.5"],
        ),
        (CPU, (), []),
    ],
)
def test_what_was_left_out_is_a_line(device: Device, names: tuple[str, ...], said: list[str]) -> None:
    """By what the device has not; a technique beside the precision with its reason."""
    found = {name: lacking(variants.get(name), device) for name in names}
    assert outcome.left_out(device.kind, found) == said
    assert all(len(line) <= 80 for line in said)
