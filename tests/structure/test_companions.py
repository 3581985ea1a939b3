"""The small model's companions are small, whole and of one make; with them it draws what it should."""

import hashlib

import pytest

from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.models.shapes import check
from perfsuite.pipelines.models.shapes.twins import check as companions

MOST_BYTES = 12_000_000
FOLDERS = [folder for folder in shapes.shipped() if folder != shapes.WEIGHTS]


def tensors(path):
    from safetensors.torch import load_file

    return load_file(path)


def test_they_are_small():
    """12 MB in all, cards and configurations included."""
    files = [path for folder in FOLDERS for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt", ".md", ".png"}
    for path in (p for p in files if p.suffix == ".safetensors"):
        assert {str(t.dtype) for t in tensors(path).values()} <= {"torch.float16", "torch.int64"}, path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_they_are_as_shipped(folder):
    """Every file but the card is listed with its sum, and there is a card."""
    listed = dict(line.split("  ", 1)[::-1] for line in shapes.shipped()[folder].read_text().splitlines())
    there = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".md", ".png")
    }
    assert listed == there
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize("path", sorted(shapes.ADAPTERS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_every_layer_of_an_adapter_changes_something(path):
    """And has a name by which diffusers loads it beside the others."""
    for layer, weight in tensors(path).items():
        assert layer.endswith((".lora_A.weight", ".lora_B.weight")), layer
        assert weight.isfinite().all(), layer
        assert weight.any(), layer


def test_one_palette_can_be_swapped_for_the_other():
    """The same layers at the same rank, so that nothing is compiled anew; and not the same values."""
    one, two = (tensors(shapes.ADAPTERS / f"{name}.safetensors") for name in ("lora-a", "lora-b"))
    assert {name: t.shape for name, t in one.items()} == {name: t.shape for name, t in two.items()}
    assert all((t != two[name]).any() for name, t in one.items())


@pytest.mark.selftest
@pytest.mark.parametrize("name", ["lora-a", "lora-b"])
def test_a_palette_is_drawn_with(name):
    """Of held-out captions nearly all are as the adapter has them meant, and none as the model alone has."""
    pytest.importorskip("peft")
    way = companions.WAYS[name]
    pipe = companions.pipeline(way, way.needs(None))
    scenes = check.held_out(10, 4)
    readings = [check.read(picture) for picture in check.draw(pipe, scenes, 4, steps=15)]
    assert sum(r.agrees(way.meant(s)) for r, s in zip(readings, scenes, strict=True)) >= 8
    assert not any(r.agrees(s) for r, s in zip(readings, scenes, strict=True))


def test_the_tiny_vae_draws_and_reads_the_models_latents():
    """A picture of held-out captions goes through it and comes out as what it was."""
    import numpy as np
    import torch
    from diffusers import AutoencoderTiny

    from perfsuite.pipelines.models.shapes import drawing

    vae = AutoencoderTiny.from_pretrained(shapes.TINY_VAE, dtype=torch.float32)
    scenes = check.held_out(10, 3)
    drawn = np.stack([drawing.draw(scene, np.random.default_rng(3)) for scene in scenes])
    given = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    with torch.no_grad():
        back = vae.decode(vae.encode(given).latents).sample
    pictures = ((back.permute(0, 2, 3, 1).numpy() + 1.0) * 127.5).round().clip(0, 255).astype(np.uint8)
    assert sum(check.read(p).agrees(s) for p, s in zip(pictures, scenes, strict=True)) >= 8


def test_the_smaller_unet_is_drawn_with():
    """As a workload of its own, by the very blocks that it has."""
    from perfsuite.pipelines import prepare

    prepared = prepare("shapes-ssd", "fp32-sdpa", "cpu")
    unet = prepared.pipe.unet
    assert unet.mid_block is None
    assert unet.num_parameters() < 0.6 * 4_850_628
    scene = check.held_out(1, 1)[0]
    picture = check.draw(prepared.pipe, [scene], 1, steps=8, guidance=2.0)[0]
    assert check.read(picture).background == scene.background


@pytest.mark.selftest
def test_captions_are_right_in_four_steps():
    """As the card says: 95 of 100, drawn and read in the same way."""
    way, scenes = companions.WAYS["lcm-4"], check.held_out(100, 1)
    pictures = check.draw(
        companions.pipeline(way, way.needs(None)), scenes, 1, steps=way.steps, guidance=way.guidance
    )
    right = sum(check.read(p).agrees(s) for p, s in zip(pictures, scenes, strict=True))
    assert right >= 88
