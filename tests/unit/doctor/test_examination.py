"""One check that fails hides no other, and no failure is taken for health."""

from collections.abc import Iterator

import pytest
from examining import Examine

from perfsuite.doctor import CHECKS, Examination, examine, exit_code
from perfsuite.records import Finding, Health

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
    return examine(examination, [("broken", broken), ("fine", fine)], debug=debug)


def test_debug_ends_in_its_error(examine: Examine) -> None:
    with pytest.raises(PermissionError, match="no way in"):
        examine_all(examine(), debug=True)


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
