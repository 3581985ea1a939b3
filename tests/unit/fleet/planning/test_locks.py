"""What an environment is known by: its packages, or what its interpreter says that it has."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planned import AFTER, BEFORE, make_matrix

from perfsuite import __version__
from perfsuite.environments import EnvironmentsError, Installed
from perfsuite.fleet.planning import locks
from perfsuite.fleet.planning.locks import locked
from perfsuite.fleet.planning.matrix import Comparison, Matrix
from perfsuite.records import PlannedEnvironment

HERE = PlannedEnvironment(name="here", python=sys.executable)


def lock(matrix: Matrix, name: str, said: list[str] | None = None) -> str:
    return locked(matrix, (said if said is not None else []).append).environments[name].lock


def has(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let every interpreter have these."""
    found = {name: Installed(version, None, "/place") for name, version in versions.items()}
    monkeypatch.setattr(locks, "installed", lambda packages, python: found)


def of(*environments: PlannedEnvironment, **changes: Any) -> Matrix:
    return make_matrix(environments={each.name: each for each in environments}, **changes)


def test_packages_are_a_lock() -> None:
    """In any order, under any name of the environment."""
    packages = {"torch": "2.13.0", "torchao": "0.17.0"}
    other = dict(reversed(packages.items()))
    one = lock(of(replace(BEFORE, packages=packages)), "before")
    assert one == lock(of(replace(AFTER, packages=other)), "after")
    assert one != lock(of(replace(BEFORE, packages={**packages, "torch": "2.13.1"})), "before")


def test_an_interpreter_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    has(monkeypatch, torch="2.13.0", perfsuite=__version__)
    one = lock(of(HERE), "here", said)
    has(monkeypatch, torch="2.13.1", perfsuite=__version__)
    assert lock(of(HERE), "here", said) != one
    assert said == []


def test_this_interpreter() -> None:
    """For real: it has torch and this perfsuite."""
    assert lock(of(HERE), "here") == lock(of(replace(HERE, name="other")), "other") != ""


def test_the_path_counts_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The code of an editable checkout changes and its version does not."""
    has(monkeypatch, torch="2.13.0", perfsuite=__version__)
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    matrix = of(HERE, replace(HERE, name="other", python=str(other)))
    assert lock(matrix, "here") != lock(matrix, "other")


def test_one_that_is_on_other_machines() -> None:
    """It is known by its path, which is said."""
    said: list[str] = []
    one = lock(of(replace(HERE, python="/srv/before/bin/python")), "here", said)
    assert said == ["environment here: /srv/before/bin/python is not on this machine; its path stands for it"]
    assert one != lock(of(replace(HERE, python="/srv/after/bin/python")), "here")


def test_one_environment_under_two_names() -> None:
    with pytest.raises(EnvironmentsError, match="environments before and twin are one and the same"):
        locked(of(BEFORE, replace(BEFORE, name="twin")), print)


@pytest.mark.parametrize(
    ("versions", "said"),
    [({"torch": "2.13.0"}, "has no perfsuite"), ({"perfsuite": "0.0.1"}, "has perfsuite 0.0.1, and a plan")],
)
def test_what_measures_must_be_this_perfsuite(
    versions: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an A/B alone, base's measures on both sides."""
    has(monkeypatch, **versions)
    with pytest.raises(EnvironmentsError, match=f"environment here: .* {said}.*pip install perfsuite=="):
        locked(of(HERE), print)
    head = Comparison(base="before", head="here", variants=("bf16",))
    assert lock(of(BEFORE, HERE, work=(), comparisons=(head,)), "here")
    with pytest.raises(EnvironmentsError, match="environment here"):
        locked(of(BEFORE, HERE, work=(), comparisons=(replace(head, base="here", head="before"),)), print)
