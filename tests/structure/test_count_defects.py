"""Planted defects are found by the counts and named; honest repeats, also on a busy machine, are equal."""

import contextlib
import dataclasses
import subprocess
import sys
from collections import Counter

import pytest

from perfsuite.pipelines import prepare, release, workloads
from perfsuite.records import Status
from perfsuite.structure import allocations, operators
from perfsuite.structure.comparing import compare
from perfsuite.structure.counting import count

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=2)
BLOCK = "BasicTransformerBlock"


@pytest.fixture(scope="module")
def prepared():
    """float32 with SDPA, eager: the planted defects are taken away again after each test."""
    made = prepare(WORKLOAD, "fp32+sdpa", "cpu")
    yield made
    release(made.pipe)


@pytest.fixture(scope="module")
def honest(prepared):
    """Its counts."""
    return count(prepared)


@pytest.fixture
def blocks(prepared):
    """All transformer blocks of the UNet; their own forward is put back."""
    found = [m for m in prepared.pipe.unet.modules() if type(m).__name__ == BLOCK]
    yield found
    for block in found:
        vars(block).pop("forward", None)


def after(blocks, change):
    """Let `change(block, output)` replace what each block returns."""

    def changing(block, forward):
        return lambda *args, **kwargs: change(block, forward(*args, **kwargs))

    for block in blocks:
        block.forward = changing(block, block.forward)


def found(prepared, honest):
    """The verdict on the pipeline as it is now, with changes by measure: name to difference."""
    verdict = compare(honest, count(prepared))
    changes = {}
    for change in verdict.changes:
        changes.setdefault(change.measure, {})[change.name] = change.difference
    return verdict, changes


def test_an_honest_pipeline_counts_as_before(prepared, honest):
    """And everything is counted."""
    verdict, changes = found(prepared, honest)
    assert (verdict.status, changes, verdict.unjudged) == (Status.OK, {}, {})
    assert honest.absent == {}
    assert honest.kernels is None
    assert set(honest.weights_bytes) == {"text_encoder", "text_encoder_2", "unet", "vae"}
    assert list(honest.peak_bytes) == list(allocations.STAGES)


def test_counts_are_those_of_the_architecture(prepared, honest, blocks):
    """One product for each linear layer that ran, one convolution for each convolution, by their blocks."""
    import torch

    kinds = Counter()
    handles = []
    for module in prepared.pipe.unet.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
            handles.append(
                module.register_forward_hook(lambda m, args, out: kinds.update([type(m).__name__]))
            )
    prepared.context.generate(prepared.pipe, steps=1)
    for handle in handles:
        handle.remove()

    def calls(names, of):
        return sum(
            n
            for key, n in honest.operators.items()
            if key.split(" in ")[0] in names and (" of " in key.split(" in ")[1]) is of
        )

    outside = honest.operators.get(f"aten.mm in {operators.OUTSIDE}", 0)
    assert calls({"aten.addmm", "aten.mm"}, of=False) - outside == kinds["Linear"]
    assert calls({"aten.convolution"}, of=False) == kinds["Conv2d"]
    attentions = honest.operators[f"aten._scaled_dot_product_flash_attention_for_cpu in {BLOCK}"]
    assert attentions == 2 * len(blocks)


def test_arithmetic_is_that_of_the_real_call(prepared, honest):
    """As counted from the configuration, without data, for the whole step; attention included."""
    from perfsuite.measuring.limits import work

    text, step, vae = work(prepared.pipe, WORKLOAD)
    assert honest.flop["unet"] == step
    # Attention without SDPA is counted in `work` as products; the VAE has its layer after the latents' own.
    assert honest.flop["vae"] + honest.flop[operators.OUTSIDE] == vae
    assert honest.flop["text_encoder"] + honest.flop["text_encoder_2"] == text


def test_an_extra_operator_is_named_with_its_block(prepared, honest, blocks):
    """Something is added once in each block."""
    after(blocks, lambda block, output: output + 0.0)
    verdict, changes = found(prepared, honest)
    assert verdict.status is Status.REGRESSED
    assert changes["operators"] == {f"aten.add in {BLOCK}": len(blocks)}
    assert set(changes) == {"operators"}


def test_a_copy_for_another_layout_is_named(prepared, honest, blocks):
    """`.contiguous()` of what is not."""
    after(blocks, lambda block, output: output.transpose(1, 2).contiguous().transpose(1, 2))
    verdict, changes = found(prepared, honest)
    assert verdict.status is Status.REGRESSED
    assert changes["operators"][f"aten.clone in {BLOCK}"] == len(blocks)


def test_an_added_linear_layer_is_found_three_ways(prepared, honest, blocks):
    """By its operator, its arithmetic and its weights."""
    import torch

    block = blocks[0]
    width = block.norm1.weight.shape[0]
    layer = torch.nn.Linear(width, width)
    places = []

    def through(block, output):
        places.append(output.shape[0] * output.shape[1])
        return layer(output)

    after([block], through)
    block.extra = layer
    try:
        verdict, changes = found(prepared, honest)
    finally:
        del block.extra
    assert verdict.status is Status.REGRESSED
    assert changes["operators"][f"aten.addmm in {BLOCK}"] == 1
    assert changes["flop"] == {"unet": 2 * places[0] * width * width}
    assert changes["weights_bytes"] == {"unet": 4 * (width * width + width)}


@pytest.mark.parametrize("kept", ["attribute", "list"])
def test_weights_kept_twice_are_found(kept, prepared, honest, blocks):
    """A copy that nothing uses, where no parameter is: nothing else shows it."""
    weights = [block.attn1.to_q.weight for block in blocks]
    for block, weight in zip(blocks, weights, strict=True):
        copy = weight.detach().clone()
        block.kept = copy if kept == "attribute" else [copy]
    try:
        verdict, changes = found(prepared, honest)
    finally:
        for block in blocks:
            del block.kept
    assert verdict.status is Status.REGRESSED
    assert changes == {"weights_bytes": {"unet": sum(4 * weight.numel() for weight in weights)}}


def test_weights_in_twice_the_width_are_found(prepared, honest, blocks):
    """One layer left in another dtype, which still runs."""
    layer = blocks[0].attn1.to_out[0]
    size = layer.weight.numel() + layer.bias.numel()
    forward = layer.forward
    layer.double()
    layer.forward = lambda x: forward(x.double()).float()
    try:
        verdict, changes = found(prepared, honest)
    finally:
        del layer.forward
        layer.float()
    assert verdict.status is Status.REGRESSED
    assert changes["weights_bytes"] == {"unet": 4 * size}


def test_a_kept_activation_raises_the_peak(prepared, honest, blocks):
    """Each block remembers what it returned: no operator, no arithmetic, only memory."""
    kept = []
    after(blocks, lambda block, output: kept.append(output) or output)
    verdict, changes = found(prepared, honest)
    assert verdict.status is Status.REGRESSED
    assert "operators" not in changes
    assert "flop" not in changes
    assert changes["peak_bytes"]["denoising"] > 0


def test_a_fused_block_is_less_work(prepared, honest):
    """What goes is an improvement: one attention module with fused projections has two products less."""
    attention = prepared.pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    from diffusers.models.attention_processor import AttnProcessor2_0, FusedAttnProcessor2_0

    attention.fuse_projections()
    attention.set_processor(FusedAttnProcessor2_0())
    try:
        _, changes = found(prepared, honest)
    finally:
        attention.set_processor(AttnProcessor2_0())
        attention.fused_projections = False
        del attention.to_qkv
    assert changes["operators"][f"aten.mm in {BLOCK}"] == -2


@contextlib.contextmanager
def busy():
    """Another process that keeps a core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_counts_are_the_same_in_repeats_and_beside_a_busy_process(prepared, honest):
    """Exactly: also what has a tolerance."""
    repeats = [count(prepared) for _ in range(2)]
    with busy():
        repeats.append(count(prepared))
    assert all(repeat == honest for repeat in repeats)


def test_a_torch_without_counters_has_the_rest_counted(prepared, honest, monkeypatch):
    """No dispatch modes, no counter of arithmetic, no profiler: each with its reason."""
    monkeypatch.setitem(sys.modules, "torch.utils._python_dispatch", None)
    monkeypatch.setitem(sys.modules, "torch.profiler", None)
    lacking = count(prepared)
    assert lacking.operators is None
    assert lacking.peak_bytes is None
    assert lacking.weights_bytes == honest.weights_bytes
    assert set(lacking.absent) == {"operators", "flop", "peak_bytes"}
    assert "this torch has no counter of operators" in lacking.absent["operators"]
    verdict = compare(honest, lacking)
    assert (verdict.status, set(verdict.unjudged)) == (Status.OK, {"operators", "flop", "peak_bytes"})


def test_a_torch_without_a_counter_of_arithmetic_has_operators_counted(prepared, honest, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.flop_counter", None)
    lacking = count(prepared)
    assert lacking.operators == honest.operators
    assert lacking.flop is None
    assert set(lacking.absent) == {"flop"}


def test_nothing_is_left_of_the_counting(prepared, honest):
    """No hook, no attribute, no mode, and garbage is collected as before."""
    import gc

    from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

    modules = [m for model in operators.components(prepared.pipe).values() for m in model.modules()]
    before = [(list(m._forward_hooks), list(m._forward_pre_hooks)) for m in modules]
    count(prepared)
    assert [(list(m._forward_hooks), list(m._forward_pre_hooks)) for m in modules] == before
    assert "encode_prompt" not in vars(prepared.pipe)
    assert _get_current_dispatch_mode_stack() == []
    assert gc.isenabled()
