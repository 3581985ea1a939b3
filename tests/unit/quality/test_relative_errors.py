"""A relative error is what it says it is, also of nothing, of zeros and of NaN; a place can be read again."""

from collections import OrderedDict
from dataclasses import replace
from typing import Any

import pytest
import torch

from perfsuite.quality.relative_errors import Place, relative_l2, tensors_in

INF = float("inf")
PLACES = [
    Place("unet"),
    Place("unet", "", 0, 0),
    Place("unet", "", 0, 29),
    Place("vae", "decoder.mid_block.attentions.0", 3),
    Place("unet", "compiled against eager", 2, 0),
    Place("loop", "latents of the real run", 10, 7),
]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_key_is_read_again(place: Place) -> None:
    """To the same place; step 0 is not the same as no step."""
    assert Place.from_key(place.key) == place


def test_keys_and_texts_differ_where_places_do() -> None:
    """Each of the four fields counts, for files and for people."""
    one = Place("unet", "mid_block", 1, 2)
    others = [
        replace(one, component="vae"), replace(one, part="conv_in"), replace(one, part=""),
        replace(one, prompt=2), replace(one, step=3), replace(one, step=0), replace(one, step=None),
    ]  # fmt: skip
    assert len({p.key for p in (one, *others)}) == len({str(p) for p in (one, *others)}) == 8


@pytest.mark.parametrize(
    "key",
    ["", "unet", "unet||0", "unet||0|1|2", "unet||zero|", "unet|||", "unet||0|first", "unet||0|1.5"],
)
def test_other_text_is_no_key(key: str) -> None:
    """A damaged file is an error, never some place or other."""
    with pytest.raises(ValueError, match=r"."):
        Place.from_key(key)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("vae"), "vae, prompt 0"),
        (Place("unet", "", 1, 0), "unet, step 0, prompt 1"),
        (Place("unet", "mid_block.resnets.0", 2, 4), "unet.mid_block.resnets.0, step 4, prompt 2"),
        (Place("text_encoder_2", "output", 3), "text_encoder_2.output, prompt 3"),
    ],
)
def test_place_as_text(place: Place, text: str) -> None:
    """Component and module as code spells them, then step and prompt."""
    assert str(place) == text


def test_equal_values_have_no_error() -> None:
    """Exactly none, not a little."""
    value = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    assert relative_l2(value.clone(), value) == 0.0


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_known_value(scale: float) -> None:
    """The norm of the difference over that of the reference, not of the value, at any scale."""
    reference = scale * torch.tensor([3.0, 0.0, 0.0, 4.0])
    value = reference + scale * torch.tensor([0.0, 0.3, 0.4, 0.0])
    assert relative_l2(value, reference) == pytest.approx(0.1, rel=1e-6)
    assert relative_l2(reference, 2 * reference) == pytest.approx(0.5, rel=1e-6)
    assert relative_l2(2 * reference, reference) == pytest.approx(1.0, rel=1e-6)


def test_many_small_differences_add_up() -> None:
    """Summed in double precision: the error of a million elements is that of each."""
    reference = torch.full((1000, 1000), 1000.0)
    assert relative_l2(reference * 1.001, reference) == pytest.approx(1e-3, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_precisions_meet_in_float32(dtype: torch.dtype) -> None:
    """A rounded copy has the error of its rounding, whichever side is the narrower one."""
    exact = torch.linspace(1.0, 2.0, 1001)
    rounded = exact.to(dtype)
    wanted = float((rounded.double() - exact.double()).norm() / exact.double().norm())
    assert relative_l2(rounded, exact) == pytest.approx(wanted, rel=1e-3, abs=1e-9)
    assert relative_l2(exact, rounded) == pytest.approx(wanted, rel=1e-2, abs=1e-9)
    assert (wanted > 1e-5) == (dtype is not torch.float64)


def test_large_half_precision_values_do_not_overflow() -> None:
    """The square of 6e4 is no float16; its norm is taken elsewhere."""
    reference = torch.full((64,), 6e4, dtype=torch.float16)
    assert relative_l2(reference, reference) == 0.0
    assert relative_l2(reference / 2, reference) == pytest.approx(0.5)


@pytest.mark.parametrize("bad", [float("nan"), INF, -INF])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_one_bad_element_is_infinitely_wrong(bad: float, dtype: torch.dtype) -> None:
    """Of many, and in any tensor of a tree: NaN must not compare as small."""
    fine = torch.ones(100)
    spoilt = fine.to(dtype)
    spoilt[57] = bad
    assert relative_l2(spoilt, fine) == INF
    assert relative_l2([fine, spoilt], [fine, fine]) == INF
    assert relative_l2([spoilt, fine], [fine, fine]) == INF


def test_bad_reference_is_no_excuse() -> None:
    """NaN equals nothing, not even NaN."""
    nan = torch.full((3,), float("nan"))
    assert relative_l2(nan, nan) == INF
    assert relative_l2(torch.ones(3), nan) == INF


@pytest.mark.parametrize("shape", [(2, 4), (4, 2, 1), (8,), (1, 4, 2), (4, 1), (1,), (0,)])
def test_other_shape_is_infinitely_wrong(shape: tuple[int, ...]) -> None:
    """Also where broadcasting would have made a number of it."""
    assert relative_l2(torch.ones(shape), torch.ones(4, 2)) == INF
    assert relative_l2([torch.ones(4, 2), torch.ones(shape)], [torch.ones(4, 2)] * 2) == INF


@pytest.mark.parametrize(
    "value", [None, [], torch.ones(3, dtype=torch.int64), [torch.ones(3), torch.ones(3)]], ids=str
)
def test_other_number_of_tensors_is_infinitely_wrong(value: Any) -> None:
    """An output that was lost, or a further one."""
    assert relative_l2(value, torch.ones(3)) == INF


def test_of_a_tree_the_largest() -> None:
    """Each tensor by its own norm: a small one is not lost beside a large one."""
    large, small = torch.full((100,), 1e3), torch.full((2,), 1e-3)
    reference = {"a": large, "b": (small, [large])}
    assert relative_l2({"a": large, "b": (1.5 * small, [large])}, reference) == pytest.approx(0.5)
    assert relative_l2({"a": 1.25 * large, "b": (1.5 * small, [large])}, reference) == pytest.approx(0.5)
    assert relative_l2({"a": 1.75 * large, "b": (1.5 * small, [large])}, reference) == pytest.approx(0.75)


def test_tensors_of_a_tree_in_order() -> None:
    """Out of every container, model outputs (which are dicts) included; what is no tensor is passed over."""
    a, b, c, d = (torch.full((1,), float(i)) for i in range(4))
    tree = [a, {"x": (b, None, "text"), "y": 3}, OrderedDict(first=c), torch.tensor([1, 2]), (d,)]
    assert [float(t) for t in tensors_in(tree)] == [0.0, 1.0, 2.0, 3.0]


def test_integers_are_no_numbers_to_compare() -> None:
    """Tokens and indices have no rounding error; they neither add one nor hide one."""
    tokens, other = torch.tensor([1, 2, 3]), torch.tensor([7, 8])
    assert relative_l2([tokens, torch.ones(2)], [other, torch.ones(2)]) == 0.0
    assert relative_l2([tokens, torch.ones(2)], [other, 2 * torch.ones(2)]) == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(), (4,), (100, 100)])
def test_reference_of_zeros(shape: tuple[int, ...]) -> None:
    """It has no scale: equal is 0, and what is not zero is a finite error in units of 1e-6 an element."""
    zero = torch.zeros(shape)
    assert relative_l2(zero.clone(), zero) == 0.0
    assert relative_l2(torch.full(shape, 1e-8), zero) == pytest.approx(1e-2, rel=1e-4)
    assert relative_l2(torch.ones(shape), zero) == pytest.approx(1e6, rel=1e-4)


def test_nothing_equals_nothing() -> None:
    """Trees without tensors, and tensors without elements."""
    assert relative_l2([], ()) == 0.0
    assert relative_l2(torch.ones(0, 4), torch.ones(0, 4)) == 0.0


def test_gradients_do_not_matter() -> None:
    """A parameter is compared like a plain tensor, and is left as it was."""
    parameter = torch.nn.Parameter(torch.ones(4))
    assert relative_l2(2 * parameter, parameter) == pytest.approx(1.0)
    assert parameter.grad is None
