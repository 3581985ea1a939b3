"""LoRA adapters: what is none is refused; a swap or a few-step recipe that did not take hold is found."""

import dataclasses
import functools
import json
from types import SimpleNamespace

import pytest
from adapter_files import LAYERS, write_adapter
from proving import holds, refuses

from perfsuite.pipelines import workloads
from perfsuite.pipelines.optimizations import (
    OPTIMIZATIONS,
    NotEngagedError,
    adapters,
    few_step,
    fusing,
    hotswap,
)
from perfsuite.pipelines.promises import ContradictionError, Parameter
from perfsuite.pipelines.schedules import ScheduleError
from perfsuite.pipelines.technique import Variant


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
    short = {k: t[:5].contiguous() if "lora_B" in k else t for k, t in tensors.items()}
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
    for said, changed in [*changes.items(), ("have other shapes", short)]:
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
    # One that is stabilized by the rank's root.
    if metadata is not None:
        steady = {**said, "unet.use_rslora": True}
        save_file(tensors, path, {"format": "pt", "lora_adapter_metadata": json.dumps(steady)})
        assert {layer.scale for layer in adapters.read(path, pipe).values()} == {1.0}
        save_file(tensors, path, metadata)
    name = next(iter(plain))
    before = pipe.unet.get_submodule(name).weight.detach().clone()
    fusing.fuse(pipe, path)
    added = pipe.unet.get_submodule(name).weight.detach() - before
    assert torch.allclose(added, scale * (plain[name].up @ plain[name].down), atol=1e-6)


@pytest.mark.parametrize("name", ["lcm:4", "lora"])
@pytest.mark.parametrize(
    ("times", "said"), [(0.5, "9 of 9 layers were changed by another amount"), (0.0, "changed nothing in 9")]
)
def test_an_adapter_of_another_strength_is_found(built, adapter, monkeypatch, name, times, said):
    """`lora_scale` of somebody's, or an alpha that was not read."""
    pipe, context, technique = built(f"fp32+sdpa+{name}", applied=False)
    own = pipe.fuse_lora
    monkeypatch.setattr(type(pipe), "fuse_lora", lambda self, **given: own(**given, lora_scale=times))
    technique.apply(pipe, context)
    refuses((pipe, context, technique), said)


def test_an_adapter_that_the_model_comes_with_is_not_lost(built, adapter):
    """Fusing takes all of them away: refused with the remedy, by which both are there."""
    pipe, context, technique = built("fp32+sdpa+lora", applied=False)
    adapters.load(pipe, adapter["lora-b", "shapes"], "style")
    with pytest.raises(adapters.AdapterError, match=r"comes with the adapter style .* fuse it"):
        technique.apply(pipe, context)
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    technique.apply(pipe, context)
    holds((pipe, context, technique), "9 layers changed")


def test_a_scheduler_that_was_made_anew_is_found(built, adapter):
    """Of the same class, with other times, which are then its own."""
    honest = built("fp32+sdpa+lcm:4")
    pipe = honest[0]
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, original_inference_steps=20)
    refuses(honest, "not as it was made: original_inference_steps is 20, was 50")


def test_few_steps_that_do_not_fit_are_refused_before_anything_is_loaded(tmp_path):
    """A recipe of one's own: on transformers, by a pickled file, and beside another."""
    path = tmp_path / "a.safetensors"
    path.touch()
    recipe = few_step.Recipe("fast", path, "LCMScheduler", 1.0, {})
    fits = functools.partial(few_step._fits, variant=None)
    assert fits(workloads.SHAPES, recipe=recipe) is None
    assert "not for Flux.1: adapters are proven in UNets" in fits(workloads.get("tiny-flux"), recipe=recipe)
    assert "not for Kandinsky" in fits(workloads.get("tiny-kandinsky"), recipe=recipe)
    path.with_suffix(".bin").touch()
    pickled = dataclasses.replace(recipe, adapter=path.with_suffix(".bin"))
    assert "is no .safetensors file, and others may run code" in fits(workloads.SHAPES, recipe=pickled)
    fast, faster = (
        few_step.few_step(
            dataclasses.replace(recipe, name=name), "", Parameter("steps", 4, 1, 16), margin=0.1
        )
        for name in ("fast", "faster")
    )
    assert {"lcm", "lora", "layerwise-fp8", "model-offload"} <= set(fast.conflicts)
    with pytest.raises(ContradictionError, match="fast:4 and faster:4 each draw by steps of their own"):
        Variant("both", (OPTIMIZATIONS["bf16"], fast.at(), faster.at()))
    with pytest.raises(ContradictionError, match="DeepCache takes features over from step to step"):
        Variant("one", (OPTIMIZATIONS["bf16"], fast.at(), OPTIMIZATIONS["deepcache"].at()))


def test_a_recipe_waits_for_nothing_that_it_does_not_name():
    """What LCM's scheduler does is no excuse for another's, as Lightning's Euler, that begins to wait."""
    recipe = few_step.Recipe("lightning", "lcm-lora", "EulerDiscreteScheduler", 0.0, {})
    made = few_step.few_step(recipe, "", Parameter("steps", 4, 1, 16), margin=0.1)
    assert made.waits == ()
    assert OPTIMIZATIONS["lcm"].waits == ("schedulers/scheduling_lcm.py:",)


@pytest.mark.parametrize("lose", ["off", "left over"])
def test_a_swap_that_holds_in_some_layers_alone_is_found(built, adapter, lose):
    """One layer's adapter is switched off, or one keeps numbers for which the file has none."""
    from safetensors.torch import load_file, save_file

    honest = built("fp32+sdpa+lora-hotswap")
    pipe = honest[0]
    layer = adapters.targets(pipe)[LAYERS[-1]]
    if lose == "off":
        layer.enable_adapters(False)
        refuses(honest, "does not add its adapter: it is switched off")
        return
    path = adapter["lora-b", "shapes"]
    fewer = {key: tensor for key, tensor in load_file(path).items() if LAYERS[-1] not in key}
    save_file(fewer, path)
    holds(honest, "9 layers held")
    hotswap.swap(pipe, path)
    assert hotswap.check_holds(pipe, path) == 8
    layer.lora_B[hotswap.PLACE].weight.data.fill_(1.0)
    layer.lora_A[hotswap.PLACE].weight.data.fill_(1.0)
    with pytest.raises(NotEngagedError, match=r"1 of 9 layers do not add what lora-b\.safetensors holds"):
        hotswap.check_holds(pipe, path)


def test_compiled_code_that_a_swap_does_not_reach_is_found(built, adapter):
    """Its numbers are those of when it was compiled; eagerly all layers add what is in place."""
    pipe, context, technique = built("fp32+sdpa+lora-hotswap")
    assert technique.verify_last(pipe, context) is None
    layers = adapters.targets(pipe).values()
    for layer in layers:
        layer._compiled_call_impl = layer._call_impl
    context.compiled = SimpleNamespace()
    assert "compiled code drew by either" in technique.verify_last(pipe, context)
    for layer in layers:
        layer._compiled_call_impl = layer.base_layer.__call__
    for prove in (technique.verify, technique.verify_last):
        with pytest.raises(NotEngagedError, match="compiled code draws the same picture by another adapter"):
            prove(pipe, context)


def test_a_swap_that_changes_nothing_is_found(built, adapter, monkeypatch):
    """One that is taken without a word; in the honest one each layer holds what either file holds."""
    honest = built("fp32+sdpa+lora-hotswap")
    holds(honest, "9 layers held what each file holds")
    monkeypatch.setattr(hotswap, "swap", lambda pipe, path: None)
    refuses(honest, "do not add what lora-b.safetensors holds")
