"""LoRA adapters: what is none is refused; a swap or a few-step recipe that did not take hold is found."""

import json

import pytest
from adapter_files import write_adapter
from proving import holds, refuses

from perfsuite.pipelines.optimizations import NotEngagedError, adapters, few_step, fusing, hotswap
from perfsuite.pipelines.promises import Parameter
from perfsuite.pipelines.schedules import ScheduleError


@pytest.fixture
def adapter(bench, tmp_path, monkeypatch):
    """Three adapters of random numbers in the places of the trained ones."""
    pytest.importorskip("peft")
    pipe, _ = bench
    made = {
        (name, "shapes"): write_adapter(tmp_path / f"{name}.safetensors", pipe.unet, seed)
        for seed, name in enumerate(("lcm-lora", "lora-a", "lora-b"))
    }
    monkeypatch.setattr(adapters, "ADAPTERS", made)
    return made


def test_the_scheduler_without_its_adapter_is_found(built, adapter):
    """It runs, and draws its own pictures; with it there are the timesteps, and one row a call."""
    from diffusers import LCMScheduler

    pipe, context, technique = built("fp32+sdpa+lcm:4", applied=False)
    refuses((pipe, context, technique), "the scheduler is .*, wanted LCMScheduler")
    own = pipe.scheduler
    pipe.scheduler = LCMScheduler.from_config(own.config)
    refuses((pipe, context, technique), "no adapter was fused")
    pipe.scheduler = own
    technique.apply(pipe, context)
    said = "LCMScheduler, 4 UNet calls of 1 rows at timesteps [999.0, 759.0, 499.0, 259.0]"
    holds((pipe, context, technique), said)


@pytest.mark.parametrize(
    ("scheduler", "settings", "said"),
    [
        ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}, None),
        ("HeunDiscreteScheduler", {}, None),
        ("EulerDiscreteScheduler", {"timestep_spacings": "trailing"}, "has no setting 'timestep_spacings'"),
        ("EulerDiscreteSchedule", {}, "diffusers has no class 'EulerDiscreteSchedule'"),
    ],
)
def test_a_recipes_scheduler_is_what_the_recipe_says(built, adapter, scheduler, settings, said):
    """diffusers passes over settings that it does not know; and some call the UNet twice a step."""
    pipe, context, _ = built("fp32+sdpa+lcm:4", applied=False)
    recipe = few_step.Recipe("lcm", "lcm-lora", scheduler, 1.0, settings)
    technique = few_step.few_step(recipe, "", Parameter("steps", 4, 1, 16), margin=0.1)
    if said is None:
        technique.apply(pipe, context)
        holds((pipe, context, technique), f"{scheduler}, {7 if 'Heun' in scheduler else 4} UNet calls")
        return
    with pytest.raises((NotEngagedError, ScheduleError), match=said):
        technique.verify(technique.apply(pipe, context) or pipe, context)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda path: path.unlink(), "there is no such file"),
        (lambda path: path.write_bytes(b"\x80\x04"), "the adapter is damaged"),
        (lambda path: path.rename(path.with_suffix(".bin")), "may run code when they are read"),
    ],
)
def test_a_file_that_is_no_adapter_is_refused(bench, tmp_path, break_it, said):
    """With its name and the remedy."""
    pipe, _ = bench
    path = write_adapter(tmp_path / "a.safetensors", pipe.unet, 0)
    break_it(path)
    found = path if said != "may run code when they are read" else path.with_suffix(".bin")
    with pytest.raises(adapters.AdapterError, match=said):
        adapters.read(found, pipe)


def test_an_adapter_of_another_architecture_is_refused(bench, tmp_path):
    """Layers that are not there, none that is, other shapes, two notations, and one that changes nothing."""
    from safetensors.torch import load_file, save_file

    pipe, _ = bench
    path = write_adapter(tmp_path / "a.safetensors", pipe.unet, 0)
    tensors = load_file(path)
    none = {k.replace("down_blocks", "layers"): t for k, t in tensors.items()}
    some = tensors | {k.replace("down_blocks.1", "down_blocks.9"): t.clone() for k, t in tensors.items()}
    narrow = {k: t[:, :5].contiguous() if "lora_A" in k else t for k, t in tensors.items()}
    mixed = {k.replace("attn1.to_q.lora_A", "attn1.to_q.lora.down"): t for k, t in tensors.items()}
    zero = {k: t * 0 if "lora_B" in k else t for k, t in tensors.items()}
    changes = {
        "it targets no layer of this UNet": none,
        "are no layers of this UNet": some,
        "have other shapes": narrow,
        "every lora_B is zero": zero,
        "in diffusers' former notation": mixed,
    }
    for said, changed in changes.items():
        save_file(changed, path)
        with pytest.raises(adapters.AdapterError, match=said):
            adapters.read(path, pipe)


@pytest.mark.parametrize("naming", ["kohya", "with alpha", "beside a text encoder's"])
def test_published_adapters_are_read_as_diffusers_reads_them(bench, tmp_path, naming):
    """In kohya's naming, with an alpha of its own, or beside a text encoder's: fused, it adds that."""
    import torch
    from safetensors.torch import load_file, save_file

    pipe, _ = bench
    path = write_adapter(tmp_path / "a.safetensors", pipe.unet, 0)
    plain, tensors = adapters.read(path, pipe), load_file(path)
    metadata = None
    if naming == "kohya":
        tensors = {}
        for name, layer in plain.items():
            base = f"lora_unet_{name.replace('.', '_')}"
            tensors |= {f"{base}.lora_down.weight": layer.down.clone(),
                        f"{base}.lora_up.weight": layer.up.clone(),
                        f"{base}.alpha": torch.tensor(2.0)}  # fmt: skip
    elif naming == "with alpha":
        said = {"unet.r": 4, "unet.lora_alpha": 2, "unet.target_modules": list(plain)}
        metadata = {"format": "pt", "lora_adapter_metadata": json.dumps(said)}
    else:
        other = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"
        tensors |= {f"{other}.lora_{part}.weight": torch.ones(4, 4) for part in "AB"}
    save_file(tensors, path, metadata)
    read = adapters.read(path, pipe)
    assert read.keys() == plain.keys()
    scale = 1.0 if naming == "beside a text encoder's" else 0.5
    assert {layer.scale for layer in read.values()} == {scale}
    if scale == 1.0:
        return
    name = next(iter(plain))
    before = pipe.unet.get_submodule(name).weight.detach().clone()
    fusing.fuse(pipe, path)
    added = pipe.unet.get_submodule(name).weight.detach() - before
    assert torch.allclose(added, scale * (plain[name].up @ plain[name].down), atol=1e-6)


def test_a_swap_that_changes_nothing_is_found(built, adapter, monkeypatch):
    """One that is taken without a word; in the honest one each layer holds what either file holds."""
    honest = built("fp32+sdpa+lora-hotswap")
    holds(honest, "9 layers held what each file holds")
    monkeypatch.setattr(hotswap, "swap", lambda pipe, path: None)
    refuses(honest, "do not add what lora-b.safetensors holds")
