"""What of a graph is tapped, and how its modules are called."""

import pytest

from perfsuite.quality.compiled.graph import Tap, affordable, plain_name


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("L['self'].down_blocks[0].resnets[1]", "down_blocks.0.resnets.1"),
        ("L['self']._modules['up']._modules['0'].norm", "up.0.norm"),
        ("L['self'].__dict__['_modules']['time_proj']", "time_proj"),
        ("L['self']._orig_mod.mid_block", "mid_block"),
        ("L['fn'].decoder.conv_in", "decoder.conv_in"),
        ("L['self']", ""),
        ("", ""),
    ],
)
def test_every_spelling_of_a_module_is_its_plain_name(where: str, name: str) -> None:
    """As `named_modules` has it."""
    assert plain_name(where) == name


def tap(name: str, kind: str, size: int) -> Tap:
    return Tap(name, name, kind, kind, "float32", size)


def test_one_of_each_kind_is_tapped_before_a_second() -> None:
    """Small ones first, in the order of the graph."""
    taps = [
        tap("a", "conv", 5),
        tap("b", "conv", 3),
        tap("c", "norm", 4),
        tap("d", "linear", 100),
        tap("e", "norm", 2),
    ]
    assert [t.name for t in affordable(taps, 7)] == ["b", "e"]
    assert [t.name for t in affordable(taps, 14)] == ["a", "b", "c", "e"]
    assert affordable(taps, 1000) == taps
    assert affordable(taps, 1) == []
