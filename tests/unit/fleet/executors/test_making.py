"""Environments of exact packages, made on the machine by the first block that wants them."""

from pathlib import Path

import pytest
from orders import CPU, order, outcome
from stub_wheels import make_wheel

import perfsuite
from perfsuite.fleet.executors.local import LocalExecutor
from perfsuite.records import PlannedEnvironment


def test_made_once_and_kept(local: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path / "wheels", "stub-torch", "2.9")
    for name, value in {
        "XDG_CACHE_HOME": tmp_path / "cache", "PIP_NO_INDEX": 1, "PIP_FIND_LINKS": tmp_path / "wheels",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    # The machine's own perfsuite makes it: here the one that is tested.
    here = {"PYTHONPATH": str(Path(perfsuite.__file__).parents[1])}
    night = PlannedEnvironment(name="night", packages={"stub-torch": "2.9"})
    code = """
import os, stub_torch, sys
print(stub_torch.VERSION, sys.executable, os.environ.get("PIP_NO_INDEX"))
"""
    found = [
        outcome(local, order(f"b{n}", code, environments=(night,), variables=here), CPU) for n in range(2)
    ]
    assert [each.exit_code for each in found] == [0, 0], found[0].infrastructure
    version, python, index = found[0].said.split()
    assert (version, index) == ("2.9", "None")
    assert Path(python).is_relative_to(tmp_path / "cache")
    assert found[1].said == found[0].said
    assert found[1].seconds < 5

    gone = PlannedEnvironment(name="gone", packages={"stub-torch": "3.0"})
    lost = outcome(local, order("b", code, environments=(gone,), variables=here), CPU)
    assert lost.exit_code is None
    assert "environment gone cannot be made on " in lost.infrastructure
    assert "stub-torch==3.0: not on the index" in lost.infrastructure
