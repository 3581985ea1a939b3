"""Where a mistake was seen, told from where it was planted; which builds are honest."""

import pytest

from perfsuite.quality.compiled_trials import (
    VARIANTS,
    _module,
    _points_at,
    get_variant,
    honest_cases,
    is_near,
)

BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"
ORDER = ["conv_in", "down_blocks.0.resnets.0.conv2", f"{BLOCK}.norm1", f"{BLOCK}.attn1", "conv_out"]


@pytest.mark.parametrize(
    ("place", "planted", "near"),
    [
        (f"{BLOCK}.attn1", f"{BLOCK}.attn1", True),
        (f"{BLOCK}.attn1", "attn1", True),  # of a block compiled alone
        ("decoder.conv_in", "conv_in", True),
        (f"{BLOCK}.attn1", f"{BLOCK}.attn1.to_out.0", True),  # holds it
        (f"{BLOCK}.attn1.to_out.0", f"{BLOCK}.attn1", True),
        (f"{BLOCK}.norm2", f"{BLOCK}.attn1", True),  # beside it
        (f"{BLOCK}.ff.net.2", f"{BLOCK}.ff.net.0", True),
        (f"{BLOCK}.norm1", "down_blocks.0.resnets.0.conv2", True),  # the next of a generation
        ("conv_out", f"{BLOCK}.attn1", True),
        ("conv_in", f"{BLOCK}.attn1", False),
        ("conv_out", "conv_in", False),
        ("down_blocks", f"{BLOCK}.attn1", False),  # holds half of the model
        ("up_blocks.0.resnets.0.conv1", "up_blocks.0.resnets.1.conv1", False),
        ("up_blocks.1.resnets.0.norm1", "up_blocks.0.resnets.0.norm1", False),
    ],
)
def test_nearness(place, planted, near):
    """The module, what holds it or is held, what stands beside it, and the next; nothing else."""
    assert is_near(place, planted, ORDER) is near


@pytest.mark.parametrize(
    ("place", "module"),
    [
        ("unet.down_blocks.0.resnets.1.conv1:conv2d, step 3, prompt 1", "down_blocks.0.resnets.1.conv1"),
        ("unet down_blocks.0.conv, prompt 1", "down_blocks.0.conv"),
        ("vae.decoder.conv_in, prompt 0", "decoder.conv_in"),
        ("unet, step 0, prompt 0", ""),
    ],
)
def test_the_module_of_a_place(place, module):
    """Without component, operation, step and prompt."""
    assert _module(place) == module


def test_all_calls_of_a_kind_point_at_what_was_planted_in_all_of_them():
    """One of them alone would be pointed at by its own place."""
    places = [f"unet.blocks.{i}.ff.net.0: mul, step 5, prompt 0" for i in (0, 1)]
    places += ["unet.blocks.0.norm: layer_norm, step 5, prompt 0", "unet, all 2 calls of mul in GEGLU"]
    both = ["blocks.0.ff.net.0", "blocks.1.ff.net.0"]
    assert _points_at(places[-1], both, places)
    assert not _points_at(places[-1], both[:1], places)
    assert not _points_at(places[-1], [*both, "conv_in"], places)
    assert not _points_at("unet, all 2 calls of layer_norm in LayerNorm", both, places)
    assert _points_at(places[0], both[:1], places)


def test_a_variant_that_is_not_compiled_is_refused():
    """With the remedy."""
    with pytest.raises(ValueError, match="bf16-sdpa: nothing of it is compiled; name a variant with compile"):
        get_variant("bf16-sdpa")


def test_honest_builds_are_twenty():
    """Of the two variants that are tried without being named, each under a name of its own."""
    names = [(v, case.name) for v in VARIANTS for case in honest_cases(v)]
    assert len(set(names)) == len(names) >= 20


def test_another_size_is_another_workload():
    """With its own name, so that its float32 reference is its own too."""
    from perfsuite.pipelines import workloads

    shapes = workloads.get("shapes")
    drawn = {case.workload(shapes) for case in honest_cases(VARIANTS[0])}
    assert {(w.width, w.height) for w in drawn} == {(shapes.width, shapes.height), (192, 128)}
    assert len(drawn) == 5
