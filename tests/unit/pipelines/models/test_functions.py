"""A model that a registered function makes: taken as it is, if it is what was asked for."""

import pytest

from perfsuite.pipelines.models import functions, shapes
from perfsuite.pipelines.models.checks import WeightsError

WHO = "model 'ours', registered at conftest.py:3"


def load(device, dtype):
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_pretrained(shapes.WEIGHTS, dtype=dtype, add_watermarker=False)


@pytest.fixture
def float32():
    import torch

    return torch.float32


def test_a_new_pipeline_each_time(float32):
    """Two stand beside each other."""
    one, other = (functions.call(load, "cpu", float32, WHO) for _ in range(2))
    assert one.unet is not other.unet
    assert one.device.type == "cpu"


def test_a_pipeline_that_was_given_before_is_refused(float32):
    """The techniques of one variant would be in the next, and in the reference."""
    kept = load("cpu", float32)
    functions.call(lambda device, dtype: kept, "cpu", float32, WHO)
    with pytest.raises(WeightsError, match=r"'ours', .*: its function returned a unet that it had returned"):
        functions.call(lambda device, dtype: kept, "cpu", float32, WHO)


def test_another_precision_is_refused(float32):
    """It would be measured under a wrong name."""
    import torch

    with pytest.raises(WeightsError, match=r"a unet in torch.float32, asked for torch.bfloat16"):
        functions.call(lambda device, dtype: load(device, float32), "cpu", torch.bfloat16, WHO)


def test_something_else_is_refused(float32):
    """Only SDXL pipelines have the parts that are measured."""
    with pytest.raises(WeightsError, match="returned a int, not a StableDiffusionXLPipeline"):
        functions.call(lambda device, dtype: 3, "cpu", float32, WHO)


def test_what_it_raises_goes_on(float32):
    """With who registered it."""

    def fails(device, dtype):
        raise OSError("no such host")

    with pytest.raises(OSError, match="no such host") as caught:
        functions.call(fails, "cpu", float32, WHO)
    assert caught.value.__notes__ == [f"while calling the function of {WHO}"]
