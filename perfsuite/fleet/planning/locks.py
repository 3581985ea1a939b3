"""What tells one environment from another: the packages that it is to have, or what its interpreter says."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite import __version__
from perfsuite.environments import UNDER_TEST, EnvironmentsError, installed
from perfsuite.fleet.planning.identity import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from perfsuite.environments import Installed
    from perfsuite.fleet.planning.matrix import Matrix
    from perfsuite.records import PlannedEnvironment

ASKED = (*UNDER_TEST, "accelerate", "perfsuite")
"""Packages whose versions are part of a lock."""


def locked(matrix: Matrix, progress: Callable[[str], None]) -> Matrix:
    """The same matrix with a lock of each environment; an interpreter that is here is asked what it has.

    Raises:
        EnvironmentsError: an interpreter is here and gives no answer, lacks this perfsuite where it is to
            measure, or is named twice.
    """
    # Of an A/B the base's perfsuite measures on both sides.
    measure = set(matrix.environments) if matrix.work else {each.base for each in matrix.comparisons}
    found, names = {}, dict[str, str]()
    for name, environment in matrix.environments.items():
        lock = _lock(environment, progress, measures=name in measure)
        if lock in names:
            raise EnvironmentsError(
                f"environments {names[lock]} and {name} are one and the same; leave one out, and name the "
                "other as base and as head where an A/B is to show its own noise"
            )
        names[lock] = name
        found[name] = replace(environment, lock=lock)
    return replace(matrix, environments=found)


def _lock(environment: PlannedEnvironment, progress: Callable[[str], None], *, measures: bool) -> str:
    python = environment.python
    if python is None:
        return digest("packages", sorted(environment.packages.items()))
    if shutil.which(python) is None:
        progress(f"environment {environment.name}: {python} is not on this machine; its path stands for it")
        return digest("python", python)
    has = installed(ASKED, python)
    if measures:
        _check_perfsuite(environment.name, python, has)
    # The path too: the code of an editable checkout changes and its version does not.
    return digest("python", python, sorted((name, each.version, each.git) for name, each in has.items()))


def _check_perfsuite(name: str, python: str, has: Mapping[str, Installed]) -> None:
    """What measures there must be what planned here."""
    found = has.get("perfsuite")
    if found is None or found.version != __version__:
        here = "no perfsuite" if found is None else f"perfsuite {found.version}"
        raise EnvironmentsError(
            f"environment {name}: {python} has {here}, and a plan of perfsuite {__version__} is run by no "
            f"other; install it there: {python} -m pip install perfsuite=={__version__}"
        )
