"""What no second opinion confirms widens no budget, and is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from perfsuite.pipelines import variants, workloads
from perfsuite.quality import plausibility
from perfsuite.quality.golden import GoldenError
from perfsuite.quality.looks import judge_errors, relative_thresholds
from perfsuite.quality.modules import ModuleRecord
from perfsuite.quality.plausibility import (
    FACTORS,
    IMPLAUSIBLE,
    KIND_FACTOR,
    believed,
    check_plausible,
    implausible,
    judge_honest,
    yardstick_for,
)
from perfsuite.quality.reference import Reference
from perfsuite.quality.reference_files import Yardstick
from perfsuite.quality.relative_errors import Place
from perfsuite.quality.thresholds import LEAST_SSIM
from perfsuite.records import PictureStatus

UNET = Place("unet", "", 0, 3)
LAYERS = [Place("unet", f"block.{i}", 0, 3) for i in range(10)]
FREE = Place("loop", "latents of the real run", 1, 3)
OTHER = replace(FREE, prompt=0)


def yardstick(layer: float = 0.002, unet: float = 0.01, free: float = 0.02, ssim: float = 0.99) -> Yardstick:
    """Honest errors beside a witness that has none of the free run's second prompt."""
    errors = {"components": {UNET: unet}, "modules": dict.fromkeys(LAYERS, layer), "free": {FREE: free}}
    witness = {"components": {UNET: 0.01}, "modules": dict.fromkeys(LAYERS, 0.002), "free": {OTHER: 0.02}}
    return Yardstick(errors, (ssim, 1.0), witness, 0.99)


def reference(found: Yardstick, precision: str = "bf16") -> Reference:
    """One that has measured this yardstick."""
    records = tuple(ModuleRecord(place, "", "Conv2d") for place in LAYERS)
    return Reference(workloads.SHAPES, (), modules=records, yardsticks={precision: found})


def test_what_is_plausible_is_believed_as_it_is() -> None:
    """Nothing is said of it either, and levels are asked."""
    honest = yardstick()
    assert believed(honest, "bf16") == honest
    assert implausible(reference(honest), "bf16") == []
    assert judge_honest(Path("nowhere"), reference(honest)).status is PictureStatus.NEW


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"unet": 0.5}, "bf16 unet, step 3, prompt 0"),
        ({"unet": float("inf")}, "bf16 unet, step 3, prompt 0"),
        ({"layer": 0.5}, "bf16 unet.block.0, step 3, prompt 0"),
        ({"free": 0.5}, "bf16 loop.latents of the real run, step 3, prompt 1"),
        ({"ssim": 0.353}, "bf16 pictures, 1 - SSIM"),
    ],
)
def test_what_is_not_is_named(changed: dict[str, float], place: str) -> None:
    """Destroyed pictures are seen without a stored number."""
    found = reference(yardstick(**changed))
    beyond = implausible(found, "bf16")
    assert place in [deviation.place for deviation in beyond]
    look = judge_honest(Path("nowhere"), found)
    assert look.status is PictureStatus.DEGRADED
    assert "the reference of this precision is itself implausible" in look.detail
    assert "wrong for everybody" in look.detail


def test_a_little_more_everywhere_is_named() -> None:
    """Of all calls of a class less is plausible than of one."""
    factor = (KIND_FACTOR + FACTORS["modules"]) / 2
    (found,) = implausible(reference(yardstick(layer=factor * 0.002)), "bf16")
    assert found.place == "bf16 unet, all 10 calls of Conv2d"


def test_budgets_end_where_errors_stop_being_plausible() -> None:
    """A variant that shares the fault leaves them, and its looks say that honest code does, too."""
    found = reference(yardstick(unet=0.5, layer=0.5))
    errors = {"components": {UNET: 0.5}, "modules": dict.fromkeys(LAYERS, 0.5), "loop": {}}
    looks = judge_errors(errors, {FREE: 0.02}, found, variants.get("bf16"), frozenset())
    assert [look.status.value for look in looks] == ["DEGRADED", "DEGRADED", "OK"]
    assert "implausible" in looks[0].detail
    assert "implausible" not in looks[2].detail


def test_a_threshold_ends_there_too() -> None:
    """Three times the distance of a destroyed picture would allow anything."""
    found = reference(yardstick(ssim=0.353))
    least = min(relative_thresholds(found, "bf16").values())
    assert least == pytest.approx(1 - 3 * plausibility.SSIM_FACTOR * 0.01)
    alone = replace(yardstick(ssim=0.353), witness={}, witness_ssim=None)
    assert set(relative_thresholds(reference(alone), "bf16").values()) == {LEAST_SSIM}
    assert [d.place for d in implausible(reference(alone), "bf16")] == ["bf16 pictures, 1 - SSIM"]


def test_honest_pictures_may_be_as_far_as_the_witness_is() -> None:
    """Of a long trajectory rounding alone makes another picture; the threshold stays in its range."""
    far = replace(yardstick(ssim=0.75), witness_ssim=0.8)
    assert implausible(reference(far), "bf16") == []
    assert set(relative_thresholds(reference(far), "bf16").values()) == {LEAST_SSIM}


def test_float32_is_held_to_float64() -> None:
    """Sums in another order are no fault; a kernel that loses digits is."""
    honest = Yardstick({}, (1.0,), {"modules": dict.fromkeys(LAYERS, 1e-6)})
    assert implausible(reference(honest, "fp32"), "fp32") == []
    assert believed(honest, "fp32") == honest
    wrong = replace(honest, witness={"modules": {LAYERS[0]: 1e-3}})
    (found,) = implausible(reference(wrong, "fp32"), "fp32")
    assert found.place == "float32 unet.block.0, step 3, prompt 0"


def test_an_overflow_that_the_witness_shares_is_left_out() -> None:
    """A float16 that overflows does so in the imitation, too."""
    found = yardstick(unet=float("inf"))
    found.witness["components"][UNET] = float("inf")
    assert believed(found, "fp16").errors["components"][UNET] == float("inf")
    assert implausible(reference(found, "fp16"), "fp16") == []


@pytest.mark.parametrize(
    ("name", "wanted"), [("fp32", 0.01), ("fp32+channels-last", 0.03), ("fp32+sdpa+compile", 0.03)]
)
def test_budgets_know_the_layout(name: str, wanted: float) -> None:
    """A kernel of the other layout is as honest, and is no measure of this one."""
    errors = {"components": {UNET: 0.01}, "components in channels_last": {UNET: 0.03}}
    found = reference(Yardstick(errors, (1.0,)), "fp32")
    assert yardstick_for(found, variants.get(name))["components"] == {UNET: wanted}


def test_what_is_implausible_must_not_be_stored() -> None:
    """Neither is it offered; what is plausible may be."""
    check_plausible(reference(yardstick()))
    wrong = reference(yardstick(layer=0.5))
    with pytest.raises(GoldenError, match=r"itself implausible: .*; nothing is stored"):
        check_plausible(wrong)
    assert judge_honest(Path("nowhere"), wrong).name == IMPLAUSIBLE
