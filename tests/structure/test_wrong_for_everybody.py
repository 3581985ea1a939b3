"""What is wrong for everybody, honest pipelines included, is found where nothing is stored.

On the real small model, at a size and a number of steps that have neither levels nor golden pictures.
"""

import dataclasses

import everybodys
import pytest
from machine import here, needs_bfloat16
from selftest import all_but

from perfsuite import quality
from perfsuite.pipelines import build, release, workloads
from perfsuite.pipelines.dtypes import dtype_of
from perfsuite.quality.plausibility import judge_honest
from perfsuite.records import PictureStatus

SMALL = dataclasses.replace(
    workloads.get("shapes@64x64+6steps"), prompts=workloads.SHAPES.prompts[:2], name="shapes-small"
)
BAD = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
CONVOLUTIONS = (everybodys.one_tap, everybodys.last_tap, everybodys.last_channel)
ATTENTIONS = {
    "7 and 7 bits": (7, 7, 1.0), "6 and 6 bits": (6, 6, 1.0), "3 and 3 bits": (3, 3, 1.0),
    "times .99": (24, 24, 0.99),
}  # fmt: skip


@pytest.fixture(scope="module")
def recorded():
    """The float32 run, which is right."""
    return quality.record_reference(SMALL, "cpu")


def assessed(reference, variant):
    """What all looks say, and what is said of honest code, where nothing is stored."""
    pipe = build(SMALL, variant, "cpu")
    try:
        return quality.assess(pipe, reference, variant)
    finally:
        release(pipe)


@pytest.mark.parametrize("change", all_but(CONVOLUTIONS[:1], CONVOLUTIONS), ids=lambda c: c.__name__)
def test_a_convolution(recorded, tmp_path, change):
    """pytorch#163347: no look takes it for rounding, and no threshold follows destroyed pictures."""
    needs_bfloat16()
    reference = dataclasses.replace(recorded, yardsticks={})
    with everybodys.convolving(change, dtype_of(("bf16",))):
        found = assessed(reference, "bf16-sdpa")
    assert {look.name: look.status in BAD for look in found.looks} == dict.fromkeys(
        ("pictures", "components", "modules", "loop"), True
    )
    assert min(score.threshold for score in found.scores) > 0.7
    assert "conv" in found.look("modules").first.place
    assert "the reference of this precision is itself implausible" in found.look("modules").detail
    said = judge_honest(tmp_path, reference)
    assert said.status is PictureStatus.DEGRADED
    assert "a kernel is wrong for everybody" in said.detail


@pytest.mark.selftest
@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention(recorded, tmp_path, name):
    """pytorch#183809: fewer bits than the precision has, in scores, probabilities or outputs."""
    needs_bfloat16()
    reference = dataclasses.replace(recorded, yardsticks={})
    with everybodys.attending(*ATTENTIONS[name], dtype_of(("bf16",))):
        reference.yardstick("bf16")
    said = judge_honest(tmp_path, reference)
    assert said.status is PictureStatus.DEGRADED
    assert "ttention" in said.detail or "attn" in said.detail


@pytest.mark.selftest
@pytest.mark.parametrize("gain", [1.1, 1.3])
def test_a_scheduler_in_half_precision(recorded, tmp_path, gain):
    """No component and no module is wrong, and the loop is as wrong in honest code; a tenth too much, which
    hardly shows in six steps' pictures, is said of the whole run alone."""
    needs_bfloat16()
    reference = dataclasses.replace(recorded, yardsticks={})
    with everybodys.stepping(gain, dtype_of(("bf16",))):
        found = assessed(reference, "bf16-sdpa")
    said = judge_honest(tmp_path, reference)
    assert said.status is PictureStatus.DEGRADED
    assert "a kernel is wrong for everybody" in said.detail
    assert found.status in BAD or gain < 1.3, (found.scores, said.detail)


@pytest.mark.selftest
@pytest.mark.parametrize(
    "change",
    [lambda i: i.flip(1), lambda i: i.flip(-1), lambda i: i * 0],
    ids=["swapped channels", "mirrored", "grey"],
)
def test_pictures_that_are_made_wrong_of_what_the_decoder_gave(monkeypatch, change):
    """In every precision, so that all are equal."""
    from diffusers.image_processor import VaeImageProcessor

    honest = VaeImageProcessor.postprocess
    monkeypatch.setattr(
        VaeImageProcessor, "postprocess", lambda self, image, *a, **k: honest(self, change(image), *a, **k)
    )
    with pytest.raises(quality.QualityError, match="float32 itself draws no picture"):
        quality.record_reference(SMALL, "cpu")


@pytest.mark.selftest
def test_a_scheduler_that_is_wrong_in_float32_too(recorded):
    import torch

    with everybodys.stepping(1.02, torch.float32), pytest.raises(quality.QualityError, match="from Euler's"):
        quality.record_reference(SMALL, "cpu")


@pytest.mark.selftest
def test_float32_itself(recorded, tmp_path):
    """A convolution that is wrong in float32, of which the reference is made."""
    import torch

    with everybodys.convolving(everybodys.last_channel, torch.float32):
        reference = quality.record_reference(SMALL, "cpu", precisions=("fp32",))
        found = judge_honest(tmp_path, reference)
    assert found.status is PictureStatus.DEGRADED
    assert "float32" in found.detail
    assert "conv" in found.worst.place


@pytest.mark.selftest
@pytest.mark.parametrize("name", ["bf16", "fp32"])
def test_honest_code_is_plausible(recorded, tmp_path, name):
    """Its own kernels are as good as those of the second opinion."""
    precision = here(name)
    recorded.yardstick(precision)
    only = dataclasses.replace(recorded, yardsticks={precision: recorded.yardsticks[precision]})
    assert judge_honest(tmp_path, only).status is PictureStatus.NEW


@pytest.mark.selftest
def test_a_group_norm_that_sums_naively(recorded):
    """pytorch#143182: at 64x64 nobody can tell; at a large size one norm alone does."""
    with everybodys.summing_naively():
        found = assessed(recorded, "fp32-sdpa")
    look = found.look("modules")
    assert look.status is PictureStatus.DEGRADED
    assert look.worst.place.startswith("vae.decoder.conv_norm_out at 1024x1024")


@pytest.mark.selftest
def test_what_the_small_size_cannot_show_is_said(recorded):
    """Beside a verdict that is OK."""
    look = assessed(recorded, here("bf16-sdpa")).look("modules")
    assert look.status is PictureStatus.OK
    assert "beyond 64x64 only single norms and convolutions were tried at 1024x1024" in look.detail


@pytest.mark.selftest
def test_another_layout_is_no_fault(recorded, monkeypatch):
    """torch's group norm loses digits in channels_last on a CPU where much is summed: in the decoder at
    1024x1024 as many as here at 64x64."""
    import torch

    honest = torch.nn.functional.group_norm

    def coarser(values, *args, **kwargs):
        found = honest(values, *args, **kwargs)
        much = values.shape[-1] >= 32
        return found * (1 + 1.2e-4) if much and not values.is_contiguous() else found

    monkeypatch.setattr(torch.nn.functional, "group_norm", coarser)
    reference = dataclasses.replace(recorded, yardsticks={})
    found = assessed(reference, "fp32+sdpa+channels-last")
    assert max(reference.yardstick("fp32").errors["modules in channels_last"].values()) > 7.5e-5
    assert found.status is PictureStatus.OK, [look.detail for look in found.looks]
