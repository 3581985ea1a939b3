"""One check that fails hides no other, and no failure is taken for health."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from examining import CPU, Examine

from perfsuite.device import NoDeviceError
from perfsuite.doctor import CHECKS, Examination, exit_code
from perfsuite.doctor import capabilities as building
from perfsuite.doctor import examine as look
from perfsuite.pipelines import variants
from perfsuite.records import Device, Finding, Health

OK, WARNING, PROBLEM, UNKNOWN = Health


def fine(examination: Examination) -> Iterator[Finding]:
    yield Finding("fine", OK, "as it should be")


def broken(examination: Examination) -> Iterator[Finding]:
    yield Finding("before", OK, "said before it broke")
    raise PermissionError("no way in")


def test_a_check_that_raises_is_unknown_and_hides_no_other(examine: Examine) -> None:
    found = examine_all(examine())
    assert [(f.name, f.status) for f in found] == [("before", OK), ("broken", UNKNOWN), ("fine", OK)]
    assert found[1].found == "the check itself failed: PermissionError: no way in"
    assert "--debug" in found[1].remedy
    assert exit_code(found) == 3


def examine_all(examination: Examination, *, debug: bool = False) -> list[Finding]:
    return look(examination, [("broken", broken), ("fine", fine)], debug=debug)


def test_debug_ends_in_its_error(examine: Examine) -> None:
    with pytest.raises(PermissionError, match="no way in"):
        examine_all(examine(), debug=True)


def test_what_needs_a_device_that_is_not_there(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One problem, and in one line what could not be looked at."""

    def none(choice: str) -> Device:
        raise NoDeviceError("no CUDA device")

    def needs(examination: Examination) -> Iterator[Finding]:
        yield Finding("needs", OK, examination.device.name)

    monkeypatch.setattr("perfsuite.doctor.examination.fingerprint", none)
    checks = [("device", building.device), ("one", needs), ("fine", fine), ("other", needs)]
    found = look(examine(None, choice="cuda"), checks)
    assert [(f.name, f.status) for f in found] == [
        ("device", PROBLEM), ("fine", OK), ("not looked at", UNKNOWN),
    ]  # fmt: skip
    assert found[2].found == "without a device: one, other"
    assert exit_code(found) == 1


def test_planned_are_the_rungs_that_run_here(examine: Examine) -> None:
    """Compiled ones too, whether or not there is a compiler: that is a finding of its own."""
    native = [v.name for v in examine().planned]
    assert "bf16-sdpa-compile-qkv-int8" in native
    assert not [name for name in native if name.startswith(("tf32", "fp16", "fp32-"))]
    emulated = replace(CPU, details={"bfloat16": "emulated"})
    assert "fp32-sdpa-compile" in [v.name for v in examine(emulated).planned]
    chosen = (variants.get("tf32"),)
    assert examine(variants=chosen).planned == chosen


@pytest.mark.parametrize(
    ("statuses", "plain", "strict"),
    [
        ([OK, OK], 0, 0),
        ([OK, WARNING], 0, 1),
        ([OK, PROBLEM], 1, 1),
        ([UNKNOWN, OK], 3, 3),
        ([UNKNOWN, WARNING], 3, 3),
        ([UNKNOWN, PROBLEM], 1, 1),
        ([], 3, 3),
    ],
)
def test_exit_code(statuses: list[Health], plain: int, strict: int) -> None:
    """A problem is certain whatever else is unknown; nothing seen is not fit."""
    found = [Finding("x", status, "y") for status in statuses]
    assert (exit_code(found), exit_code(found, strict=True)) == (plain, strict)


def test_names_of_checks_tell_them_apart() -> None:
    """All but the hub, which is asked first and answers last."""
    names = [name for name, _ in CHECKS]
    assert len(set(names)) == len(names) - 1
    assert names.count("hub") == 2
