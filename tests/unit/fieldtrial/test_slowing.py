"""A slowed model does a share more of its own work in each forward, by a clock that the work moves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from perfsuite.fieldtrial import slowing
from perfsuite.fieldtrial.environment import build

PARTS = 40


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def model(clock: Clock, dtype: torch.dtype = torch.bfloat16, part_s: float = 1.0) -> Any:
    """A model of forty parts, each of which takes a second."""

    class Part(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            clock.now += part_s
            return x + 1

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(Part() for _ in range(PARTS))
            self.dtype = dtype

        def forward(self, x: Any, *, more: Any = 0) -> Any:
            for part in self.parts:
                x = part(x)
            return x + more

    return Model


@pytest.mark.parametrize("share", [0.1, 0.3, 0.33, 1.0, 2.5])
def test_every_forward_does_the_share_more_and_returns_its_own_result(share: float) -> None:
    """Each within one part of the share, and all together too: what was too much is taken from the next."""
    clock = Clock()
    kind = model(clock)
    slowing.slow(kind, share, clock)
    slowed = kind()
    for number in range(1, 31):
        before = clock.now
        assert float(slowed(torch.zeros(1), more=2)) == PARTS + 2
        assert clock.now - before == pytest.approx(PARTS * (1 + share), abs=1.01)
        assert clock.now == pytest.approx(number * PARTS * (1 + share), abs=1.01)


def test_other_precisions_are_as_they_were() -> None:
    clock = Clock()
    kind = model(clock, torch.float32)
    slowing.slow(kind, 1.0, clock)
    kind()(torch.zeros(1))
    assert clock.now == PARTS


def test_what_fails_in_the_repeat_is_not_hidden() -> None:
    """And no hook is left behind."""
    clock = Clock()
    kind = model(clock)
    forward, calls = kind.forward, []

    def fails(self: Any, x: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("broken")
        return forward(self, x)

    kind.forward = fails
    slowing.slow(kind, 1.0, clock)
    slowed = kind()
    with pytest.raises(ValueError, match="broken"):
        slowed(torch.zeros(1))
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_each_process_leaves_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(slowing.PROOF, str(tmp_path))
    clock = Clock()
    kind = model(clock)
    slowing.slow(kind, 0.3, clock)
    slowed = kind()
    for _ in range(slowing.NOTE_EVERY):
        slowed(torch.zeros(1))
    assert float((tmp_path / str(os.getpid())).read_text()) == pytest.approx(0.3, abs=0.001)


def test_nothing_is_slowed_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delenv(slowing.PERCENT, raising=False)
    slowing.install()
    for value in ("", "0"):
        monkeypatch.setenv(slowing.PERCENT, value)
        slowing.install()
    assert sys.meta_path == []


PROGRAM = """
import json, sys
import perfsuite
heavy = "torch" in sys.modules
from fake.unet import UNet2DConditionModel
times, forward = 0, UNet2DConditionModel.forward
while hasattr(forward, "__wrapped__"):
    times, forward = times + 1, forward.__wrapped__
print(json.dumps([perfsuite.__file__, heavy, UNet2DConditionModel.forward.__name__, times]))
"""


@pytest.mark.parametrize("percent", ["0", "30"])
def test_the_interpreter_of_a_trial_slows_the_class_at_its_import(
    percent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, in a process with neither our path nor our folder, as a worker is; torch is not imported."""
    python = build(tmp_path / "environment")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "unet.py").write_text(
        "class UNet2DConditionModel:\n    def forward(self):\n        return 1\n"
    )
    program = f"import sys; sys.path.append({str(tmp_path)!r})\n"
    program += "import perfsuite.fieldtrial.slowing as s; s.TARGET = 'fake.unet'\n" + PROGRAM
    done = subprocess.run(
        [python, "-P", "-c", program],
        env={**os.environ, slowing.PERCENT: percent, "PYTHONPATH": ""},
        capture_output=True, text=True, check=True, cwd="/",
    )  # fmt: skip
    import perfsuite

    assert json.loads(done.stdout) == [perfsuite.__file__, False, "forward", int(percent == "30")]


def test_the_class_that_is_slowed_is_there() -> None:
    """Where diffusers has the UNet; the name is not imported, only found."""
    import importlib.util

    spec = importlib.util.find_spec(slowing.TARGET)
    assert spec is not None
    assert spec.origin is not None
    assert "class UNet2DConditionModel(" in Path(spec.origin).read_text()
