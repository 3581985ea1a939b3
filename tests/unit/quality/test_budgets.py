"""Budgets are multiples of the yardstick above a floor; a verdict names the place that leaves its own."""

import math
from dataclasses import replace
from typing import Any

import pytest

from perfsuite.pipelines import variants
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.pipelines.technique import Optimization, Variant
from perfsuite.quality.budgets import COMPILED_FACTOR, FACTORS, FLOORS, KIND_LEAST, budget, judge
from perfsuite.quality.components import COMPILED, GUIDED
from perfsuite.quality.large import AT
from perfsuite.quality.loop import EXACT, FREE
from perfsuite.quality.relative_errors import Errors, Place
from perfsuite.quality.several import BATCH, SEVERAL
from perfsuite.records import Deviation, PictureStatus

OK, DEGRADED, BROKEN = PictureStatus.OK, PictureStatus.DEGRADED, PictureStatus.BROKEN
INF, NAN = float("inf"), float("nan")
UNET, VAE, ENCODER = Place("unet", "", 1, 4), Place("vae", "", 1), Place("text_encoder", "", 1)
LAYER = Place("unet", "conv_in", 1, 4)


@pytest.fixture
def quantized() -> Variant:
    """bfloat16 with an optimization that is known to round more."""
    plain = variants.get("bf16-sdpa")
    coarse = Optimization(
        "coarse", "", _nothing, lambda pipe, context: "", phase=3, error_factor=1.5, layer_error=0.03
    )
    return replace(plain, name="bf16-sdpa-coarse", optimizations=(*plain.optimizations, coarse))


def _nothing(pipe: Any, context: Any) -> None:
    pass


@pytest.mark.parametrize("look", FACTORS)
@pytest.mark.parametrize("precision", FLOORS)
def test_budget_is_a_multiple_of_the_yardstick(look: str, precision: str) -> None:
    """Of that place in that look, and of no other place."""
    variant = variants.get(precision)
    yardstick = {UNET: 0.02, replace(UNET, step=5): 0.5, replace(UNET, prompt=0): 0.5, LAYER: 0.5}
    assert budget(look, UNET, yardstick, variant) == pytest.approx((0.02, 0.02 * FACTORS[look]))


@pytest.mark.parametrize("look", FACTORS)
@pytest.mark.parametrize("precision", FLOORS)
@pytest.mark.parametrize("same", [None, 0.0, 1e-9])
def test_floor_of_the_precision(look: str, precision: str, same: float | None) -> None:
    """A yardstick without error, or without the place, does not forbid rounding."""
    yardstick = {} if same is None else {UNET: same}
    found = budget(look, UNET, yardstick, variants.get(precision))
    assert found == pytest.approx((same or 0.0, FLOORS[precision] * FACTORS[look]))


def test_floors_are_below_a_rounding_unit() -> None:
    """Else a fault as large as the coarsest honest rounding of one value would pass; TF32 is no float32."""
    unit = {"fp32": 2.0**-11, "tf32": 2.0**-11, "bf16": 2.0**-8, "fp16": 2.0**-11}
    for precision, floor in FLOORS.items():
        assert 0.0 < floor < unit[precision]
    assert FLOORS["fp32"] < FLOORS["fp16"] < FLOORS["bf16"]


@pytest.mark.parametrize("part", EXACT)
@pytest.mark.parametrize("variant", ["fp32", "bf16", "fp16+sdpa+qkv+int8"])
def test_exact_places_allow_nothing(part: str, variant: str) -> None:
    """Whatever the yardstick shows: a timestep is a whole number in every precision."""
    place = Place("loop", part, 0, 3)
    same, allowed = budget("loop", place, {place: 0.5}, variants.get(variant))
    assert same == 0.0
    assert 0.0 < allowed < 1e-8


def test_exact_names_elsewhere_are_not_exact() -> None:
    """A module may be called like one of the loop's values."""
    place = Place("unet", "timesteps", 0, 3)
    assert budget("modules", place, {place: 0.01}, variants.get("bf16"))[1] > 0.01


@pytest.mark.parametrize("place", [UNET, VAE])
def test_compiled_against_eager(place: Place, quantized: Variant) -> None:
    """Two roundings of the component's own size; where activations are quantized, anew in both forms, also
    what is more than that size."""
    compiled = replace(place, part=COMPILED)
    for variant, factor in (
        (variants.get("bf16"), COMPILED_FACTOR),
        (quantized, math.sqrt(COMPILED_FACTOR**2 + 1.5**2 - 1.0)),
    ):
        for yardstick, same in (({place: 0.01, compiled: 0.9}, 0.01), ({}, 0.0)):
            allowed = factor * max(same, FLOORS["bf16"])
            assert budget("components", compiled, yardstick, variant) == pytest.approx((same, allowed))


@pytest.mark.parametrize(
    ("look", "place", "factor"),
    [
        ("components", UNET, 1.5),
        ("components", replace(UNET, part=GUIDED), 1.5**2),
        ("components", VAE, 1.5),
        ("components", ENCODER, 1.0),
        ("modules", LAYER, 1.0),
        ("loop", Place("loop", "latents", 0, 1), 1.0),
        ("free", Place("loop", FREE, 0, 1), 1.5),
    ],
)
def test_error_factor_of_an_optimization(look: str, place: Place, factor: float, quantized: Variant) -> None:
    """Wider where its layers are: UNet, VAE and the real run, not the text encoders and the forced loop.

    Twice after guidance, which multiplies the difference of two outputs and so their errors.
    """
    plain = budget(look, place, {place: 0.01}, variants.get("bf16-sdpa"))
    coarse = budget(look, place, {place: 0.01}, quantized)
    assert coarse == pytest.approx((plain[0], factor * plain[1]))


@pytest.mark.parametrize(
    ("look", "changed", "added"),
    [("modules", True, 0.03), ("modules", False, 0.0), ("components", True, 0.0)],
)
def test_layer_error_of_an_optimization(look: str, changed: bool, added: float, quantized: Variant) -> None:
    """In the modules that it changes alone, as errors of independent causes add up."""
    yardstick = {LAYER: 0.02}
    bare = replace(
        quantized,
        optimizations=tuple(replace(o, layer_error=0.0) for o in quantized.optimizations),
    )
    same, without = budget(look, LAYER, yardstick, bare, changed=changed)
    found = budget(look, LAYER, yardstick, quantized, changed=changed)
    assert found == pytest.approx((same, math.hypot(without, added)))


def test_quantization_alone_may_round_more() -> None:
    """Every other technique is exact up to the rounding of its precision; fewer values cost more."""
    wider = [n for n, o in OPTIMIZATIONS.items() if (o.error_factor, o.layer_error) != (1.0, 0.0)]
    assert wider == ["int8", "int8-weights", "fp8"]
    weights, int8, fp8 = ((OPTIMIZATIONS[n].error_factor, OPTIMIZATIONS[n].layer_error)
                          for n in ("int8-weights", "int8", "fp8"))  # fmt: skip
    assert (1.0, 0.0) < weights < int8 < fp8


def test_int8_may_round_more_where_its_layers_are() -> None:
    """UNet and VAE, not the text encoders; modules that hold such layers, not the others."""
    int8, plain = variants.get("bf16+sdpa+int8"), variants.get("bf16+sdpa")
    for place, changed, more in ((UNET, False, True), (ENCODER, False, False)):
        allowed = [budget("components", place, {}, v, changed=changed)[1] for v in (plain, int8)]
        assert (allowed[1] > allowed[0]) is more
    allowed = [budget("modules", LAYER, {}, int8, changed=changed)[1] for changed in (False, True)]
    assert allowed[0] == budget("modules", LAYER, {}, plain)[1]
    # A row of int8 has 127 steps up to its largest weight: an error of some percent is honest.
    assert 0.01 < allowed[1] < 0.1


def test_layers_with_an_adapter_beside_them_are_rounded_more_often() -> None:
    """By a factor of the same precision's own error, so that float32 stays strict; no other module gains."""
    swapped = variants.get("bf16+sdpa+lora-hotswap")
    place = Place("unet", "mid_block.resnets.0.conv1", 0, 0)
    one, other = (
        budget("modules", place, {place: 0.002}, swapped, changed=changed)[1] for changed in (True, False)
    )
    assert one == pytest.approx(2 * other)


def test_changed_modules_alone_are_wider(quantized: Variant) -> None:
    """`judge` looks each place up by component and name; the prompt and the step do not matter."""
    other = replace(LAYER, part="conv_out")
    found = {"modules": {LAYER: 0.03, other: 0.03}}
    look = judge("modules", found, {}, quantized, frozenset({("unet", "conv_in"), ("vae", "conv_out")}))
    assert (look.status, look.beyond, look.count) == (DEGRADED, 1, 2)
    assert look.first is not None
    assert look.first.place == str(other)


@pytest.mark.parametrize("share", [0.0, 0.999, 1.0])
def test_up_to_the_budget_is_ok(share: float) -> None:
    """The budget itself is allowed; the nearest place is named all the same."""
    yardstick = {"components": {UNET: 0.02, VAE: 0.01}}
    allowed = 0.02 * FACTORS["components"]
    look = judge(
        "components", {"components": {UNET: share * allowed, VAE: 0.0}}, yardstick, variants.get("bf16")
    )
    assert (look.name, look.status, look.count, look.beyond) == ("components", OK, 2, 0)
    assert look.first is None
    assert look.worst == Deviation(str(UNET), share * allowed, 0.02, allowed)
    assert look.detail == f"largest {share:.2f} of its budget, at {UNET}"


def test_beyond_the_budget_is_degraded() -> None:
    """The least bit above, and the sentence has place, error, honest error, allowed and multiple."""
    variant = variants.get("bf16")
    yardstick = {"components": {UNET: 0.02}}
    allowed = 0.02 * FACTORS["components"]
    least = judge("components", {"components": {UNET: math.nextafter(allowed, 1.0)}}, yardstick, variant)
    assert (least.status, least.beyond) == (DEGRADED, 1)
    look = judge("components", {"components": {UNET: 4 * allowed}}, yardstick, variant)
    assert look.detail == (
        f"first unet, step 4, prompt 1: error {4 * allowed:.2g}, honest 0.02, allowed {allowed:.2g}: "
        "4.0 times; 1 of 1 beyond their budget"
    )


def test_first_is_the_earliest_and_worst_the_largest() -> None:
    """The first names the cause, since errors of a generation go on to what follows."""
    allowed = FLOORS["bf16"] * FACTORS["components"]
    errors: Errors = {ENCODER: 0.1 * allowed, UNET: 3.2 * allowed, LAYER: 72 * allowed, VAE: 40 * allowed}
    look = judge("components", {"components": errors}, {}, variants.get("bf16"))
    assert (look.status, look.count, look.beyond) == (DEGRADED, 4, 3)
    assert look.first is not None
    assert look.worst is not None
    assert (look.first.place, look.first.error) == (str(UNET), 3.2 * allowed)
    assert (look.worst.place, look.worst.error) == (str(LAYER), 72 * allowed)
    first, worst, counts = look.detail.split("; ")
    assert first == f"first {UNET}: error {3.2 * allowed:.2g}, allowed {allowed:.2g}: 3.2 times"
    assert worst == f"worst {LAYER}: error {72 * allowed:.2g}, allowed {allowed:.2g}: 72.0 times"
    assert counts == "3 of 4 beyond their budget"


def test_worst_is_counted_in_budgets() -> None:
    """A small error at a place that allows less is worse than a large one where much is honest."""
    yardstick = {"components": {VAE: 0.5, UNET: 0.001}}
    factor = FACTORS["components"]
    for share, status, worst in ((0.8, OK, VAE), (1.1, DEGRADED, UNET)):
        errors = {VAE: 0.9 * factor * 0.5, UNET: share * factor * 0.001}
        look = judge("components", {"components": errors}, yardstick, variants.get("fp32"))
        assert look.status is status
        assert look.worst is not None
        assert look.worst.place == str(worst)


def test_looks_have_yardsticks_of_their_own() -> None:
    """The loop's look holds two kinds of errors, each beside its own honest ones."""
    forced, free = Place("loop", "latents", 0, 1), Place("loop", FREE, 0, 1)
    found = {"loop": {forced: 0.02}, "free": {free: 0.01 * FACTORS["free"]}}
    yardsticks = {"loop": {forced: 0.001, free: 1e-6}, "free": {free: 0.01, forced: 0.5}}
    look = judge("loop", found, yardsticks, variants.get("bf16"))
    assert (look.status, look.beyond, look.count) == (DEGRADED, 1, 2)
    assert look.first is not None
    assert look.first.place == str(forced)


@pytest.mark.parametrize("bad", [INF, NAN])
def test_no_number_is_broken(bad: float) -> None:
    """Whatever else there is; the record holds None, since JSON has no infinity."""
    errors = {ENCODER: 0.5, UNET: bad, VAE: 0.9}
    look = judge("components", {"components": errors}, {}, variants.get("bf16"))
    assert (look.status, look.beyond) == (BROKEN, 3)
    assert look.worst is not None
    assert (look.worst.place, look.worst.error, look.worst.ratio) == (str(UNET), None, INF)
    assert f"worst {UNET}: NaN, Inf or another shape" in look.detail


@pytest.mark.parametrize("first", [NAN, 0.0])
def test_a_place_that_is_no_number_hides_none(first: float) -> None:
    """NaN compares as neither larger nor smaller: it must not stay the worst, nor pass."""
    errors = {ENCODER: first, UNET: 0.9}
    look = judge("components", {"components": errors}, {}, variants.get("bf16"))
    assert look.status is (BROKEN if math.isnan(first) else DEGRADED)
    assert look.beyond == (2 if math.isnan(first) else 1)


@pytest.mark.parametrize("found", [{}, {"components": {}}, {"loop": {}, "free": {}}])
def test_nothing_measured_is_not_judged(found: dict[str, Errors]) -> None:
    """It is no OK: a look that sees nothing says so."""
    look = judge("loop", found, {"loop": {UNET: 0.1}}, variants.get("bf16"))
    assert (look.status, look.count, look.first, look.worst) == (PictureStatus.NOT_JUDGED, 0, None, None)
    assert look.detail


def test_exact_places_are_said_to_be_equal_or_not() -> None:
    """No multiple of nothing: by how much it differs, and that it may not."""
    place = Place("loop", "timesteps", 0, 2)
    look = judge("loop", {"loop": {place: 2 / 750}}, {}, variants.get("bf16"))
    assert look.status is DEGRADED
    assert f"first {place}: differs by 0.00267, must be equal" in look.detail
    assert judge("loop", {"loop": {place: 0.0}}, {}, variants.get("bf16")).status is OK


@pytest.mark.parametrize("parts", [("a", "b", "c"), ("c", "b", "a")])
def test_order_is_the_order_given(parts: tuple[str, ...]) -> None:
    """Places come in the order of a generation, which is not that of their names."""
    errors = {Place("unet", part, 0, 9 - i): 0.5 for i, part in enumerate(parts)}
    look = judge("modules", {"modules": errors}, {}, variants.get("bf16"))
    assert look.first is not None
    assert look.first == look.worst
    assert look.first.place == str(Place("unet", parts[0], 0, 9))
    assert "worst" not in look.detail


def test_a_kind_is_judged_together() -> None:
    """Errors a sixth too large at every norm: no single one leaves its budget, all together do."""
    places = [Place("unet", f"norm{i}", 0, 5) for i in range(KIND_LEAST)]
    honest = dict.fromkeys(places, 0.01)
    kinds = dict.fromkeys(places, "LayerNorm")
    variant = variants.get("bf16")
    fine = judge("modules", {"modules": honest}, {"modules": honest}, variant, kinds=kinds)
    raised = dict.fromkeys(places, 0.0117)
    found = judge("modules", {"modules": raised}, {"modules": honest}, variant, kinds=kinds)
    assert (fine.status, fine.beyond, fine.count) == (OK, 0, KIND_LEAST + 1)
    assert (found.status, found.beyond) == (DEGRADED, 1)
    assert found.first is not None
    assert found.first.place == f"unet, all {KIND_LEAST} calls of LayerNorm"
    few = {place: raised[place] for place in places[1:]}
    assert judge("modules", {"modules": few}, {"modules": honest}, variant, kinds=kinds).beyond == 0


def test_changed_modules_are_not_counted_among_their_kind() -> None:
    """int8 layers have an allowance of their own; the others of their class are still judged together."""
    places = [Place("unet", f"linear{i}", 0, 5) for i in range(2 * KIND_LEAST)]
    honest = dict.fromkeys(places, 0.01)
    changed = frozenset(("unet", place.part) for place in places[:KIND_LEAST])
    errors = {place: 0.03 if ("unet", place.part) in changed else 0.01 for place in places}
    kinds = dict.fromkeys(places, "Linear")
    variant = variants.get("bf16+int8")
    assert judge("modules", {"modules": errors}, {"modules": honest}, variant, changed, kinds).beyond == 0


def test_places_where_honest_code_gives_nan_are_left_out() -> None:
    """They have no budget; where there are no others nothing can be said."""
    place, other = Place("vae", "", 0), Place("vae", "", 1)
    honest: dict[str, Errors] = {"components": {place: INF, other: 0.01}}
    variant = variants.get("fp16")
    found = judge("components", {"components": {place: 5.0, other: 0.01}}, honest, variant)
    assert (found.status, found.count) == (OK, 1)
    assert "1 places left out" in found.detail
    alone = judge("components", {"components": {place: 5.0}}, honest, variant)
    assert alone.status is PictureStatus.NOT_JUDGED
    assert "honest code of this precision gives NaN" in alone.detail


@pytest.mark.parametrize("precision", FLOORS)
def test_a_large_size_has_a_bound_of_its_own(precision: str) -> None:
    """From the rounding unit alone, whatever honest code does there."""
    place = Place("vae", "decoder.conv_norm_out" + AT)
    same, allowed = budget("modules", place, {place: 0.5}, variants.get(precision))
    unit = {"fp32": 2.0**-12, "tf32": 2.0**-11, "bf16": 2.0**-8, "fp16": 2.0**-11}[precision]
    assert same == 0.0
    assert 0.25 * unit < allowed < unit


def test_several_prompts_are_held_to_calls_of_one() -> None:
    """What honest code does in the larger call is no measure: it may share the mistake."""
    one, many = Place("loop", "pooled", 0, 0), Place("loop", SEVERAL + "pooled", 0, 0)
    batch, unet = Place("unet", BATCH, 0, 0), Place("unet", "", 0, 0)
    variant = variants.get("bf16")
    yardstick = {one: 0.004, many: 0.9, unet: 0.01, batch: 0.9}
    assert budget("loop", many, yardstick, variant) == budget("loop", one, yardstick, variant)
    assert budget("components", batch, yardstick, variant) == budget("components", unet, yardstick, variant)
    assert budget("loop", Place("loop", SEVERAL + "time_ids", 0, 0), yardstick, variant) == (0.0, 1e-9)
