"""What honest pictures are held to: noise beyond all likeness is an error, what a technique costs is none."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from perfsuite.pipelines import workloads
from perfsuite.pipelines.technique import Context
from perfsuite.quality import noise_floor
from perfsuite.quality.metrics import ssim
from perfsuite.quality.noise_floor import NoiseError, measure_noise
from perfsuite.quality.thresholds import LEAST_SSIM
from perfsuite.records import Device

CPU = Device("cpu", "Example CPU", "cpu-example-1t", 1, 2**30, {"bfloat16": "native"})
WORKLOAD = replace(workloads.SHAPES, prompts=("a red ring",), steps=6)
FLOAT32 = np.random.default_rng(0).random((64, 64, 3), np.float32)
OTHER = np.random.default_rng(1).random((64, 64, 3), np.float32)
NEAR, FAR = FLOAT32 * 0.5 + OTHER * 0.5, FLOAT32 * 0.3 + OTHER * 0.7


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Pictures by the name of a variant, with no model behind them."""
    pictures: dict[str, Any] = {}

    def prepare(workload: Any, variant: Any, device: Device, weights: str, *, forced: bool) -> Any:
        pipe = SimpleNamespace(name=variant.name)
        return SimpleNamespace(pipe=pipe, context=Context(workload, variant, device))

    monkeypatch.setattr(noise_floor, "prepare", prepare)
    monkeypatch.setattr(noise_floor, "release", lambda pipe: None)
    monkeypatch.setattr(noise_floor, "unsupported", lambda variant, device, workload: None)
    monkeypatch.setattr(Context, "generate", lambda self, pipe, prompt: pictures[pipe.name])
    reference = SimpleNamespace(pictures=(FLOAT32,))
    monkeypatch.setattr(noise_floor, "record_reference", lambda *arguments, **options: reference)
    return pictures


def measure(*names: str) -> tuple[dict[str, Any], list[str]]:
    """Thresholds of variants, and what was said."""
    said: list[str] = []
    found = measure_noise(WORKLOAD, names, CPU, seeds=1, progress=said.append)
    return found.variants, said


def test_pictures_are_as_far_as_the_tests_need() -> None:
    """Below what an exact variant may have, and below all likeness."""
    assert LEAST_SSIM < ssim(NEAR, FLOAT32) < 1 - (1 - LEAST_SSIM) / 3
    assert ssim(FAR, FLOAT32) < LEAST_SSIM


def test_what_an_approximate_technique_costs_is_no_noise(drawing: dict[str, Any]) -> None:
    """It gets the least threshold, and those beside it theirs."""
    drawing.update({"bf16-sdpa": FLOAT32, "bf16-sdpa-deepcache:2": NEAR})
    found, _ = measure("bf16+sdpa+deepcache:2", "bf16-sdpa")
    (deep,) = found["bf16-sdpa-deepcache:2"].values()
    assert (deep.threshold, deep.floor) == (LEAST_SSIM, pytest.approx(ssim(NEAR, FLOAT32)))
    assert found["bf16-sdpa"]["a red ring"].threshold > 0.99


@pytest.mark.parametrize("picture", [NEAR, FAR], ids=["near", "far"])
@pytest.mark.parametrize("name", ["bf16-sdpa", "bf16-sdpa-lcm:4"])
def test_noise_beyond_all_likeness_is_an_error(drawing: dict[str, Any], name: str, picture: Any) -> None:
    """Of what is exact, and of what is compared with its own float32 form."""
    drawing[name] = picture
    with pytest.raises(NoiseError, match="is a kernel wrong"):
        measure(name)


def test_another_picture_is_left_out_and_said(drawing: dict[str, Any]) -> None:
    """What the technique declares stays; the others are stored."""
    drawing.update({"bf16-sdpa": FLOAT32, "bf16-sdpa-deepcache:2": FAR})
    found, said = measure("bf16+sdpa+deepcache:2", "bf16-sdpa")
    assert list(found) == ["bf16-sdpa"]
    assert any("bf16-sdpa-deepcache:2: left out, a picture has SSIM 0." in line for line in said), said
