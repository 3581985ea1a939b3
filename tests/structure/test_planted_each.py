"""Every technique once: its own proof accepts the honest pipeline, and finds that it does not take hold."""

import copy
import functools

import pytest
from adapter_files import write_adapter
from machine import needs_bfloat16
from planted_techniques import ELSEWHERE, PLANTS

from perfsuite.pipelines import building, optimizations, prepare, release
from perfsuite.pipelines.optimizations import NotEngagedError, adapters, packaged, tiny

TRACED = ("compile", "dynamic")
"""Whose whole UNet Dynamo traces, for half a minute."""


@pytest.fixture(scope="module")
def tally():
    """Techniques that were accepted, and those that were then found lost; said at the end."""
    accepted, found = [], []
    yield accepted, found
    print(
        f"\nplanted: found {len(found)} of {len(accepted)}; honest: {len(accepted)} accepted of {len(PLANTS)}"
    )


@pytest.fixture
def stand_ins(loaded, monkeypatch, tmp_path):
    """What would take minutes or a GPU: a compiler that compiles nothing, adapters of random numbers, the
    UNet itself as its package, float8 products of a CPU, and the small model read once."""
    import torch
    from torchao.quantization import quant_api

    load = building.models.load

    def copied(workload, device, dtype, weights="auto"):
        if workload.model != "shapes":
            return load(workload, device, dtype, weights)
        return copy.deepcopy(loaded).to(dtype)

    def compiled(model, mode=None, backend=None, **options):
        return compiler(model, backend="eager", **options)

    def write(pipe, context, path):
        path.write_bytes(b"a package")

    def read(pipe, path):
        pipe.unet.forward = packaged.Packaged(
            pipe.unet.forward, pipe.unet.forward, "0123456789abcdef", packaged.weights_of(pipe.unet)
        )

    compiler = torch.compile
    monkeypatch.setattr(building.models, "load", copied)
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(packaged, "save", write)
    monkeypatch.setattr(packaged, "load", read)
    monkeypatch.setattr(quant_api, "_check_hardware_support", lambda granularity: None)
    files = {
        (name, "shapes"): functools.partial(
            write_adapter, tmp_path / f"{name}.safetensors", loaded.unet, seed
        )
        for seed, name in enumerate(("lcm-lora", "lora-a", "lora-b"))
    }
    monkeypatch.setattr(adapters, "ADAPTERS", {key: write_file() for key, write_file in files.items()})
    monkeypatch.setattr(tiny, "DECODERS", {"shapes": _tiny_decoder(tmp_path / "tiny")})


def _tiny_decoder(folder):
    from diffusers import AutoencoderTiny

    blocks = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    AutoencoderTiny(**blocks, num_encoder_blocks=(1,) * 4, num_decoder_blocks=(1,) * 4).save_pretrained(
        folder
    )
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.selftest) if n in TRACED else n for n in PLANTS]
)
def test_what_does_not_take_hold_is_found(name, stand_ins, tally):
    """The proof of the very pipeline that it accepted before."""
    plant, (accepted, found) = PLANTS[name], tally
    if "bf16" in plant.variant:
        needs_bfloat16()
    if name in ("lcm", "lora", "lora-hotswap"):
        pytest.importorskip("peft")
    prepared = prepare(plant.workload, plant.variant, "cpu", forced=True)
    try:
        technique = next(o for o in prepared.context.variant.optimizations if o.base == name)
        assert any(line.startswith(f"{technique.name}: ") for line in prepared.evidence)
        accepted.append(name)
        plant.does(prepared)
        with pytest.raises(NotEngagedError, match=plant.said):
            technique.verify(prepared.pipe, prepared.context)
        found.append(name)
    finally:
        release(prepared.pipe)


def test_every_technique_has_a_plant():
    """But those that are refused everywhere, and those that another place or machine must try."""
    refused = {o.base for o in optimizations.OPTIMIZATIONS.values() if o.card is not None and o.card.refused}
    assert PLANTS.keys() | ELSEWHERE.keys() | refused == optimizations.OPTIMIZATIONS.keys()
    assert not PLANTS.keys() & (ELSEWHERE.keys() | refused)
