"""A failing test says how much, what differs, and a command that does what it says."""

import shlex
from collections.abc import Callable

import pytest

from perfsuite.pipelines import variants, workloads
from perfsuite.records import Cause, Look, PictureStatus, Quality, Result, Status, StructureCheck, Verdict
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
        "see: perfsuite guide structure",
    ]
    assert messages.structure("shapes bf16", StructureCheck("syncs", ("none",))) == "  counted: none"


OPTIONS_OF_THE_RUN = ("--perf-device=cpu", "--perf-weights=random", "--perf-baselines=other")


def test_options_of_the_run_are_repeated(make_result: Callable[..., Result]) -> None:
    """Else the next command would measure another device, or accept into another folder."""
    text = messages.latency(make_result(), Verdict(Status.REGRESSED), None, OPTIONS_OF_THE_RUN)
    again, accept = (shlex.split(line.partition(": ")[2]) for line in text.splitlines()[-3:-1])
    assert text.endswith("\nsee: perfsuite guide verdicts")
    assert again[-3:] == list(OPTIONS_OF_THE_RUN)
    assert accept == [*again, "--perf-update=reset"]


@pytest.mark.parametrize("name", ["bf16; rm -rf ~", "$(reboot)", "`reboot`", "a b", "'"])
def test_names_are_one_word_for_the_shell(name: str, make_result: Callable[..., Result]) -> None:
    """They may come from a file that somebody else wrote."""
    result = make_result(name, workload=name, verdict=Verdict(Status.REGRESSED))
    for _, command in messages.next_steps(result):
        words = shlex.split(command)
        assert f"--perf-variant={name}" in words
        assert f"--perf-workload={name}" in words


@pytest.mark.parametrize(
    ("look", "test"),
    [("pictures", "test_ssim"), ("components", "test_components"), ("modules", "test_modules"),
     ("loop", "test_loop"), ("timed picture", "test_latency")],
)  # fmt: skip
@pytest.mark.parametrize("status", [PictureStatus.DEGRADED, PictureStatus.BROKEN])
def test_steps_of_a_look(
    look: str, test: str, status: PictureStatus, make_result: Callable[..., Result]
) -> None:
    """Its test again; pictures that changed may be accepted, broken ones and wrong numbers may not."""
    steps = messages.look_steps(make_result(), look, status, OPTIONS_OF_THE_RUN)
    assert f"-k {test} --perf-workload=shapes --perf-variant=bf16 --perf-device=cpu" in steps[0][1]
    may_accept = look in ("pictures", "timed picture") and status is PictureStatus.DEGRADED
    assert [command for _, command in steps[1:]] == (
        ["perfsuite calibrate --quality --workload=shapes --variant=bf16 --device=cpu --weights=random "
         "--baselines=other"] if may_accept else []
    )  # fmt: skip


@pytest.mark.parametrize(("look", "page"), [("task", "techniques"), ("components", "pictures")])
def test_a_look_leads_to_its_page(look: str, page: str) -> None:
    """Of the guide."""
    text = messages.look(
        "shapes bf16", Look(look, PictureStatus.DEGRADED), "torch", (), [("again", "pytest")]
    )
    assert text.endswith(f"\nsee: perfsuite guide {page}")


def test_commands_are_known_to_the_command_line(make_result: Callable[..., Result]) -> None:
    """Every option of ``perfsuite calibrate`` that is proposed is one of its options."""
    from typer.main import get_command

    from perfsuite.cli import app

    calibrate = get_command(app).commands["calibrate"]  # type: ignore[attr-defined]
    known = {name for parameter in calibrate.params for name in parameter.opts}
    degraded = messages.look_steps(make_result(), "pictures", PictureStatus.DEGRADED, OPTIONS_OF_THE_RUN)
    for command in (degraded[1][1], messages.golden_steps("shapes", OPTIONS_OF_THE_RUN)[1][1]):
        words = shlex.split(command)
        assert words[:2] == ["perfsuite", "calibrate"]
        assert {word.partition("=")[0] for word in words[2:]} <= known


def test_a_regression_with_wrong_pictures_has_one_step_of_each(
    make_result: Callable[..., Result], make_quality: Callable[..., Quality]
) -> None:
    """No command twice; NEW has none here, for one command records all that is new."""
    bad = make_quality(PictureStatus.BROKEN, overall=PictureStatus.BROKEN)
    steps = messages.next_steps(make_result(verdict=Verdict(Status.REGRESSED), quality=bad))
    assert [label for label, _ in steps] == ["measure again", "accept it", "look again"]
    assert len({command for _, command in steps}) == 3
    assert messages.next_steps(make_result(verdict=Verdict(Status.NEW))) == []
