"""What the doctor says, for people and for programs."""

import json

import pytest

from perfsuite.records import Device, Finding, Health
from perfsuite.report import doctor

OK = Finding("threads", Health.OK, "2 threads on 2 cores", figures={"threads": 2})
WARNING = Finding("clocks", Health.WARNING, "clocks follow the load " * 8, "sudo cpupower frequency-set")
PROBLEM = Finding("load", Health.PROBLEM, "burn (process 7) 0.98", "end it")
UNKNOWN = Finding("GPU clocks", Health.UNKNOWN, "no answer")


def text(*findings: Finding, colour: bool = False, width: int = 80) -> str:
    return doctor.text(findings, colour=colour, width=width)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(width: int) -> None:
    said = text(OK, WARNING, PROBLEM, UNKNOWN, width=width)
    assert max(map(len, said.splitlines())) <= width
    for finding in (OK, WARNING, PROBLEM, UNKNOWN):
        assert f"{finding.status.ljust(9)}{finding.name}:" in said
        assert finding.found.split()[-1] in said
    assert "-> sudo cpupower" in said
    assert "\x1b" not in said


def test_a_path_is_never_broken() -> None:
    path = "/very/long" * 12
    assert path in text(Finding("disk", Health.OK, f"free in {path}"))


def test_colour_is_of_the_status_alone() -> None:
    said = text(PROBLEM, colour=True)
    assert said.startswith("\x1b[1;31mPROBLEM\x1b[0m ")


@pytest.mark.parametrize(
    ("findings", "word", "line"),
    [
        ([OK], "FIT", "fit to measure (1 OK)"),
        ([OK, WARNING], "FIT_WITH_WARNINGS", "fit to measure, with warnings (1 OK, 1 WARNING)"),
        ([OK, WARNING, PROBLEM, UNKNOWN], "UNFIT", "not fit to measure: measurements would fail or mislead"),
        ([OK, UNKNOWN], "UNKNOWN", "it cannot be told whether this machine is fit to measure"),
        ([], "UNKNOWN", "it cannot be told whether this machine is fit to measure"),
    ],
)
def test_the_whole_in_one_line(findings: list[Finding], word: str, line: str) -> None:
    assert doctor.verdict(findings) == word
    assert line in " ".join(text(*findings).split())


def test_markup_in_a_finding_stays_text() -> None:
    assert "[red]x[/red]" in text(Finding("a", Health.OK, "[red]x[/red]"), colour=True)


def test_json_has_all_fields(device: Device) -> None:
    document = json.loads(doctor.as_json([OK, PROBLEM], device, 1))
    assert document.keys() == {"schema_version", "verdict", "exit_code", "device", "findings"}
    assert (document["schema_version"], document["verdict"], document["exit_code"]) == (1, "UNFIT", 1)
    assert document["device"]["slug"] == device.slug
    assert document["findings"][0] == {
        "name": "threads", "status": "OK", "found": "2 threads on 2 cores", "remedy": "",
        "figures": {"threads": 2},
    }  # fmt: skip
    assert json.loads(doctor.as_json([], None, 3))["device"] is None
