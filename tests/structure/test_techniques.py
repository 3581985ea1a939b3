"""TF32, float8, weight-only int8, regional compilation: a `verify` passes where it should, and only there."""

import functools

import pytest

from perfsuite.pipelines.optimizations import OPTIMIZATIONS, NotEngagedError
from perfsuite.pipelines.optimizations.compilation import decoder_mode_for, mode_for
from perfsuite.records import Device

PRECISION = {"int8-weights": "fp32", "fp8": "bf16"}
GPU = Device("cuda", "NVIDIA A100", "nvidia-a100", 1, 2**36, {"capability": "8.0"})


@pytest.fixture
def float8_here(monkeypatch):
    """torchao makes float8 weights on a CPU too, and multiplies them, once it is not asked about the GPU."""
    from torchao.quantization import quant_api

    monkeypatch.setattr(quant_api, "_check_hardware_support", lambda granularity: None)


def apply_all(pipe, context):
    for step in context.variant.optimizations:
        step.apply(pipe, context)


def check_refuses(name, pipe, context, match):
    with pytest.raises(NotEngagedError, match=match):
        OPTIMIZATIONS[name].verify(pipe, context)


# -- TF32 ------------------------------------------------------------------------------------------


def test_tf32_is_allowed_for_products_and_convolutions(bench):
    """The evidence names both; on a CPU it is the settings alone."""
    pipe, make = bench
    context = make("tf32")
    OPTIMIZATIONS["tf32"].apply(pipe, context)
    assert OPTIMIZATIONS["tf32"].verify(pipe, context).endswith("TF32 allowed in matrix products and cuDNN")


@pytest.mark.parametrize("setting", ["matmul", "cudnn", "newer"])
def test_tf32_that_is_off_is_found(bench, setting):
    """For matrix products, for cuDNN, or by torch's newer settings that contradict the older ones."""
    import torch

    pipe, make = bench
    context = make("tf32")
    OPTIMIZATIONS["tf32"].apply(pipe, context)
    if setting == "matmul":
        torch.set_float32_matmul_precision("highest")
    elif setting == "cudnn":
        torch.backends.cudnn.allow_tf32 = False
    else:
        torch.backends.cuda.matmul.fp32_precision = "ieee"
    check_refuses("tf32", pipe, context, "TF32 (is|may be) off")


def test_products_that_keep_all_bits_are_no_tf32(bench, monkeypatch):
    """The settings allow it and the device does not do it, as this CPU."""
    from perfsuite.pipelines.optimizations import precision

    assert not precision._drops_bits("cpu")
    pipe, make = bench
    context = make("tf32")
    OPTIMIZATIONS["tf32"].apply(pipe, context)
    monkeypatch.setattr(precision, "_verify", lambda *found: "float32")
    context.device = GPU
    for drops in (True, False):
        monkeypatch.setattr(precision, "_drops_bits", lambda kind, drops=drops: drops)
        if drops:
            assert "used by a matrix product" in OPTIMIZATIONS["tf32"].verify(pipe, context)
        else:
            check_refuses("tf32", pipe, context, "kept all of its bits")


def test_strict_float32_is_no_tf32_and_the_reverse(bench):
    """Neither passes for the other."""
    pipe, make = bench
    for name, other in (("tf32", "fp32"), ("fp32", "tf32")):
        OPTIMIZATIONS[name].apply(pipe, make(name))
        with pytest.raises(NotEngagedError):
            OPTIMIZATIONS[other].verify(pipe, make(other))


# -- quantization ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["int8-weights", "fp8"])
def test_quantized_weights_hold_and_a_lost_one_is_found(bench, float8_here, name):
    """Applied to fused projections it holds and draws; one layer with plain weights is found."""
    import torch

    pipe, make = bench
    context = make(f"{PRECISION[name]}+sdpa+qkv+{name}")
    apply_all(pipe, context)
    assert "linear layers hold" in OPTIMIZATIONS[name].verify(pipe, context)
    assert context.generate(pipe, steps=1).std() > 0.01
    layer = pipe.unet.mid_block.attentions[0].proj_in
    layer.weight = torch.nn.Parameter(torch.zeros(layer.weight.shape, dtype=layer.bias.dtype))
    check_refuses(name, pipe, context, r"1 of \d+ linear layers not quantized: unet\.mid_block")


@pytest.mark.parametrize("name", ["int8-weights", "fp8"])
def test_what_was_never_quantized_is_found(bench, name):
    """All layers are plain."""
    pipe, make = bench
    check_refuses(
        name, pipe, make(f"{PRECISION[name]}+sdpa+{name}"), r"(\d+) of \1 linear layers not quantized"
    )


@pytest.mark.parametrize("name", ["int8-weights", "fp8"])
def test_quantized_dead_layers_are_found(bench, float8_here, name):
    """Projections that fusing replaced: `quantize_` without a filter takes them too."""
    from torchao.quantization import (
        Float8DynamicActivationFloat8WeightConfig,
        Int8WeightOnlyConfig,
        PerRow,
        quantize_,
    )

    pipe, make = bench
    context = make(f"{PRECISION[name]}+sdpa+qkv+{name}")
    apply_all(pipe, context)
    config = Int8WeightOnlyConfig if name == "int8-weights" else Float8DynamicActivationFloat8WeightConfig
    config = functools.partial(config, granularity=PerRow())
    attention = pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
    quantize_(attention, config(set_inductor_config=False), lambda module, fqn: fqn == "to_q")
    check_refuses(name, pipe, context, "nothing calls")


def test_one_way_of_int8_does_not_pass_for_the_other(bench):
    """Weight-only layers take plain activations, dynamic ones quantize them: the weights alone look alike."""
    pipe, make = bench
    dynamic, weights = make("fp32+sdpa+int8"), make("fp32+sdpa+int8-weights")
    apply_all(pipe, weights)
    for model in (pipe.unet, pipe.vae):
        from torchao.quantization import swap_conv2d_1x1_to_linear

        from perfsuite.pipelines.optimizations.quantization import wants_convolution

        swap_conv2d_1x1_to_linear(model, lambda module, name: wants_convolution(module))
    check_refuses("int8", pipe, dynamic, "not quantized")


def test_dynamic_int8_does_not_pass_for_weight_only(bench):
    """The reverse."""
    pipe, make = bench
    apply_all(pipe, make("fp32+sdpa+int8"))
    check_refuses("int8-weights", pipe, make("fp32+sdpa+int8-weights"), "not quantized")


def test_float8_takes_multiples_of_sixteen_alone(bench, float8_here):
    """torchao leaves other shapes as they are in silence; the evidence counts them."""
    import torch

    pipe, make = bench
    pipe.unet.odd = torch.nn.Linear(24, 16)
    context = make("bf16+sdpa+fp8")
    apply_all(pipe, context)
    assert OPTIMIZATIONS["fp8"].verify(pipe, context).endswith("1 left out for their shape")
    assert type(pipe.unet.odd.weight.data) is torch.Tensor


def test_rows_of_zeros_do_not_become_nan(bench, float8_here):
    """SDXL's empty negative prompt is rows of zeros; torchao's own default divides them by zero."""
    import torch
    from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_

    pipe, make = bench
    context = make("bf16+sdpa+fp8")
    apply_all(pipe, context)
    layer = pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_k
    zeros = torch.zeros(1, 4, layer.in_features, dtype=torch.bfloat16)
    assert torch.equal(layer(zeros), torch.zeros(1, 4, layer.out_features, dtype=torch.bfloat16))
    layer.weight = torch.nn.Parameter(torch.randn(layer.weight.shape, dtype=torch.bfloat16))
    config = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)
    quantize_(layer, config)
    check_refuses("fp8", pipe, context, r"row of zeros becomes NaN: unet\.mid_block.*attn2\.to_k$")
    with torch.no_grad():
        layer.weight.scale[0] = 0.0
    check_refuses("fp8", pipe, context, "weights with a row of zeros")


def test_float8_without_a_gpu_is_an_error(bench):
    """Forced onto a CPU: torchao's own words, no silent skip."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    pipe, make = bench
    with pytest.raises(AssertionError, match="compute capability"):
        OPTIMIZATIONS["fp8"].apply(pipe, make("bf16+sdpa+fp8"))


# -- regional compilation --------------------------------------------------------------------------


@pytest.fixture
def blocks(bench):
    """The small pipeline with its repeated blocks compiled by a backend that costs nothing."""
    import torch

    from perfsuite.pipelines.optimizations import regional

    pipe, make = bench
    context = make("fp32+sdpa+compile-regional")
    for step in context.variant.optimizations:
        step.apply(pipe, context)
    torch._dynamo.reset()
    found = regional.repeated_blocks(pipe)
    for block in found.values():
        block.compile(fullgraph=True, dynamic=False, backend="eager")
    return pipe, context, found


def test_regional_compilation_holds(blocks):
    """Every block ran compiled, with no more graphs than there are kinds of blocks."""
    pipe, context, found = blocks
    evidence = OPTIMIZATIONS["compile-regional"].verify(pipe, context)
    assert f"for {len(found)} blocks that all ran" in evidence
    assert 0 < context.graphs < len(found)
    assert "no graph break" in evidence


def test_blocks_that_are_not_compiled_are_found(bench):
    """`compile_repeated_blocks` was never called."""
    pipe, make = bench
    check_refuses(
        "compile-regional", pipe, make("fp32+sdpa+compile-regional"), "repeated blocks not compiled"
    )


def test_one_block_that_is_not_compiled_is_found(blocks):
    """One of all."""
    pipe, context, found = blocks
    name, block = next(iter(found.items()))
    block._compiled_call_impl = None
    check_refuses(
        "compile-regional", pipe, context, rf"1 of {len(found)} repeated blocks not compiled: {name}"
    )


def test_a_compiled_block_that_is_passed_by_is_found(blocks):
    """Something calls `forward` itself: the block is compiled, and runs eagerly."""
    pipe, context, _ = blocks
    block = pipe.unet.mid_block.attentions[0].transformer_blocks[0]

    class PassedBy(type(block)):
        def __call__(self, *args, **kwargs):
            return self.forward(*args, **kwargs)

    PassedBy.__name__ = type(block).__name__
    block.__class__ = PassedBy
    check_refuses("compile-regional", pipe, context, r"1 of \d+ compiled blocks were not called: unet\.mid")


def test_blocks_that_do_not_share_a_graph_are_found(blocks):
    """Each equal block with a graph of its own costs the whole UNet's compile time."""
    pipe, context, found = blocks
    context.first_call(pipe)
    context.graphs = len(found)
    check_refuses("compile-regional", pipe, context, "do not share")


@pytest.mark.parametrize("way", ["disable", "stance"])
def test_regional_compilation_that_is_switched_off_is_found(blocks, way):
    """By Dynamo's setting, or by the stance that makes compiled functions run eagerly."""
    import torch

    pipe, context, _ = blocks
    if way == "disable":
        torch._dynamo.config.disable = True
        check_refuses("compile-regional", pipe, context, "switched off")
        return
    with torch.compiler.set_stance("force_eager"):
        check_refuses("compile-regional", pipe, context, "compiled nothing")


def test_blocks_compiled_in_place_count_as_compiled(blocks):
    """So that their compiled form is compared with the eager one, which `eager` puts in place."""
    import torch

    from perfsuite.pipelines.optimizations.evidence import eager, is_compiled

    pipe, _, _ = blocks
    assert is_compiled(pipe.unet)
    with eager(pipe):
        assert not is_compiled(pipe.unet)
    assert is_compiled(pipe.unet)
    assert not is_compiled(pipe.vae)
    assert is_compiled(torch.compile(pipe.vae))


# -- what is compiled how --------------------------------------------------------------------------


class _Vae:
    def __init__(self, dtype, force_upcast):
        self.dtype = dtype
        self.config = type("Config", (), {"force_upcast": force_upcast})()


@pytest.mark.parametrize(
    ("dtype", "force_upcast", "graphs"),
    [("float16", True, False), ("float16", False, True), ("bfloat16", True, True), ("float32", True, True)],
)
def test_a_decoder_that_is_cast_on_every_call_gets_no_cuda_graph(dtype, force_upcast, graphs):
    """Its weights move with each cast, so a CUDA graph would be recorded anew on each call."""
    import torch

    pipe = type("Pipe", (), {"vae": _Vae(getattr(torch, dtype), force_upcast)})()
    assert decoder_mode_for(pipe, GPU) == ("max-autotune" if graphs else "max-autotune-no-cudagraphs")
    cpu = Device("cpu", "a CPU", "a-cpu", 2, 2**30)
    assert decoder_mode_for(pipe, cpu) == mode_for(cpu) == "default"


def test_a_compiled_decoder_is_up_cast_as_the_eager_one(bench):
    """float16 with a VAE that asks for it: compiled code takes the weights of the moment, no recompile."""
    import torch

    pipe, _ = bench
    pipe.vae.to(torch.float16)
    pipe.vae.register_to_config(force_upcast=True)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def decode():
        # As StableDiffusionXLPipeline does around its call.
        pipe.vae.to(torch.float32)
        with torch.no_grad():
            picture = pipe.vae.decode(latents, return_dict=False)[0]
        pipe.vae.to(torch.float16)
        return picture

    plain = decode()
    pipe.vae.decode = torch.compile(pipe.vae.decode, fullgraph=True, backend="eager")
    first = decode()
    with torch.compiler.set_stance("fail_on_recompile"):
        again = decode()
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert torch.allclose(first, plain, atol=1e-5)
    assert pipe.vae.dtype == torch.float16


def test_a_float16_vae_that_should_be_up_cast_and_is_not_is_found(bench, monkeypatch):
    """The stock VAE overflows in float16; a pipeline that skips the cast decodes in it."""
    import torch

    from perfsuite.pipelines.optimizations import precision
    from perfsuite.pipelines.optimizations.evidence import Observation

    pipe, make = bench
    context = make("fp16")
    OPTIMIZATIONS["fp16"].apply(pipe, context)
    pipe.vae.register_to_config(force_upcast=True)
    assert precision.is_upcast(pipe)

    def seeing(*dtypes):
        found = Observation(0, 0, frozenset(), frozenset(dtypes))
        monkeypatch.setattr(precision, "observe", lambda pipe, context: found)

    # Recorded, not drawn: float16 is emulated on a CPU.
    seeing("torch.float16", "torch.float32")
    assert "VAE up-cast to float32" in OPTIMIZATIONS["fp16"].verify(pipe, context)
    seeing("torch.float16")
    check_refuses("fp16", pipe, context, "in the VAE, float32")
    pipe.vae.register_to_config(force_upcast=False)
    assert not precision.is_upcast(pipe)
    assert OPTIMIZATIONS["fp16"].verify(pipe, context).endswith("torch.float16")
    assert pipe.vae.dtype == torch.float16
