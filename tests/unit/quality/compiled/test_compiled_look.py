"""The verdict of what taps showed."""

from dataclasses import replace

import pytest

from perfsuite.pipelines import variants
from perfsuite.quality.compiled.backend import Graph, Seen
from perfsuite.quality.compiled.graph import Tap
from perfsuite.quality.compiled.look import FACTOR, deviations, judge
from perfsuite.quality.compiled.looking import CompiledErrors
from perfsuite.quality.relative_errors import Place
from perfsuite.records import PictureStatus

VARIANT = variants.get("bf16-sdpa-compile")
HONEST = 0.002


def found(**errors: float) -> CompiledErrors:
    """Twelve linear layers and a norm; `errors` names those that differ, as ``layer_3``."""
    seen = {}
    for i in range(12):
        tap = Tap(f"linear_{i}", f"layer.{i}", "linear", "linear in Linear", "bfloat16", 64)
        seen[Place("unet", f"layer.{i}: linear", 0, 5)] = Seen(
            tap, errors.get(f"layer_{i}", HONEST), HONEST, f"cpp_fused_{i}", "/cache/code.py"
        )
    norm = Tap("norm", "norm", "layer_norm", "layer_norm in LayerNorm", "bfloat16", 64)
    seen[Place("unet", "norm: layer_norm", 0, 5)] = Seen(norm, errors.get("norm", 0.0), 0.0, "", "")
    taps = tuple(one.tap for one in seen.values())
    return CompiledErrors(seen, [Graph(taps, len(taps), (), (), ("",) * len(taps), "")])


def test_honest_code_passes_and_says_how_much_was_seen() -> None:
    """The count of the taps, and of kinds of operations together."""
    look = judge(found(), VARIANT)
    assert (look.status, look.count) == (PictureStatus.OK, 14)
    assert "13 taps in 1 graphs" in look.detail


def test_the_message_names_place_kernel_and_file() -> None:
    """Of the first place and of the worst."""
    look = judge(found(layer_3=2 * FACTOR * HONEST, layer_7=9 * FACTOR * HONEST), VARIANT)
    assert look.status is PictureStatus.DEGRADED
    assert look.first is not None
    assert look.worst is not None
    assert (look.first.place, look.worst.place) == (
        "unet.layer.3: linear, step 5, prompt 0", "unet.layer.7: linear, step 5, prompt 0",
    )  # fmt: skip
    assert "computed by cpp_fused_3 in /cache/code.py" in look.detail
    assert "computed by cpp_fused_7 in /cache/code.py" in look.detail


def test_many_small_errors_of_one_kind_are_found_together() -> None:
    """Each within its budget."""
    raised = found(**{f"layer_{i}": 1.2 * HONEST for i in range(12)})
    (beyond,) = [d for d in deviations(raised, VARIANT) if d.ratio > 1.0]
    assert beyond.place == "unet, all 12 calls of linear in Linear"


@pytest.mark.parametrize(("error", "status"), [(0.0024, PictureStatus.OK), (0.0026, PictureStatus.DEGRADED)])
def test_fused_code_may_use_what_was_not_rounded(error: float, status: PictureStatus) -> None:
    """The floor of what no library computes is two roundings."""
    assert judge(found(norm=error), VARIANT).status is status


def test_a_float32_value_inside_of_bfloat16_code_is_held_to_float32() -> None:
    """Sines of timesteps, say, that were computed in bfloat16."""
    honest = found()
    place = Place("unet", "norm: layer_norm", 0, 5)
    one = honest.seen[place]
    honest.seen[place] = replace(one, tap=replace(one.tap, dtype="float32"), error=1e-3)
    assert judge(honest, VARIANT).status is PictureStatus.DEGRADED


def test_quantized_layers_have_room_for_other_steps() -> None:
    """And take no part in what is judged together."""
    int8 = variants.get("bf16-sdpa-compile-qkv-int8")
    changed = frozenset(("unet", f"layer.{i}") for i in range(12))
    raised = found(**{f"layer_{i}": 1.6 * HONEST for i in range(12)})
    assert judge(raised, int8, changed).status is PictureStatus.OK
    assert judge(raised, int8).status is PictureStatus.DEGRADED


def test_nan_is_broken_unless_eager_code_gives_it_too() -> None:
    """As in the other looks."""
    wrong = found(layer_2=float("inf"))
    assert judge(wrong, VARIANT).status is PictureStatus.BROKEN
    place = Place("unet", "layer.2: linear", 0, 5)
    wrong.seen[place] = replace(wrong.seen[place], same=float("inf"))
    assert judge(wrong, VARIANT).status is PictureStatus.OK


def test_nothing_to_look_at_is_not_judged_and_says_why() -> None:
    """A compiled form that could not be compiled once more."""
    look = judge(CompiledErrors(without=["unet: this torch does not tell how it was compiled"]), VARIANT)
    assert look.status is PictureStatus.NOT_JUDGED
    assert look.detail == "unet: this torch does not tell how it was compiled"


def test_what_was_left_out_is_said() -> None:
    """Taps for want of memory, and what the compiler refused."""
    honest = found()
    (graph,) = honest.graphs
    honest.graphs[0] = replace(graph, wanted=20, refused=("taps from a to b left out: ValueError: no",))
    look = judge(honest, VARIANT)
    assert "7 more left out, for want of memory or because the compiler refused them" in look.detail
    assert "taps from a to b left out: ValueError: no" in look.detail
