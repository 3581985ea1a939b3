"""Norms and convolutions at a large size: honest ones are exact, and a sum that loses digits is found."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.technique import Context
from perfsuite.quality import large
from perfsuite.quality.large import measure_large
from perfsuite.records import Device

CONTEXT = Context(workloads.SHAPES, variants.get("fp32"), Device("cpu", "Example CPU", "cpu", 1, 2**30))


class Model(torch.nn.Module):  # type: ignore[misc]
    """The end of a UNet or of a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_norm_out = torch.nn.GroupNorm(2, 4)
        self.conv_out = torch.nn.Conv2d(4, 3, 3, padding=1)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two models, tried at a size that costs nothing."""
    monkeypatch.setattr(large, "SIDE", 256)
    vae = torch.nn.Module()
    vae.decoder = Model()
    return SimpleNamespace(unet=Model(), vae=vae, vae_scale_factor=2)


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.bfloat16, 3e-3)])
def test_honest_modules_round_once(pipe: Any, dtype: torch.dtype, most: float) -> None:
    """All four, in any precision; the convolution is compared where the picture ends."""
    for model in (pipe.unet, pipe.vae):
        model.to(dtype)
    found = measure_large(pipe, CONTEXT)
    assert [str(p).partition(large.AT)[0] for p in found] == [
        "unet.conv_norm_out", "unet.conv_out", "vae.decoder.conv_norm_out", "vae.decoder.conv_out",
    ]  # fmt: skip
    assert max(found.values()) < most


def test_what_goes_wrong_is_named(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A norm with a wrong mean, and a convolution that is wrong in its last rows only."""
    norm, convolution = torch.nn.functional.group_norm, torch.nn.functional.conv2d

    def spoilt(values: Any, *args: Any, **kwargs: Any) -> Any:
        found = convolution(values, *args, **kwargs)
        if values.dtype == torch.float32:
            found[..., -8:, :] = 0.0
        return found

    monkeypatch.setattr(torch.nn.functional, "group_norm", lambda *a, **k: norm(*a, **k) + 1e-3)
    monkeypatch.setattr(torch.nn.functional, "conv2d", spoilt)
    assert min(measure_large(pipe, CONTEXT).values()) > 1e-4


def test_what_is_no_longer_such_a_module_is_left_out(pipe: Any) -> None:
    """Its own form is judged elsewhere."""
    pipe.unet.conv_out = torch.nn.Linear(4, 3)
    pipe.vae.decoder.conv_norm_out = torch.nn.Identity()
    assert len(measure_large(pipe, CONTEXT)) == 2
