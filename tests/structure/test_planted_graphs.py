"""Planted breaks, recompilations, skips and fallbacks: each is found with its reason and line.

Compiled by Dynamo alone (``backend="eager"``) where the gate reads what Dynamo says; by Inductor, for one
small module, where it reads generated code.
"""

from dataclasses import replace

import pytest
from gates import finds, passes

from perfsuite.structure.counting import count
from perfsuite.structure.gates import GATES


def forget():
    """Compiled code goes; what is compiled next is what the test has planted."""
    import torch

    torch._dynamo.reset()


@pytest.fixture
def activation(rung):
    """The pipeline with nothing compiled, and a small module of it to compile: `unet.conv_act`."""
    prepared = rung("fp32+sdpa+compile-regional")
    for block in prepared.pipe.unet.modules():
        block._compiled_call_impl = None
    forget()
    return prepared, prepared.pipe.unet.conv_act


def test_a_graph_break_in_a_unet_block(traced):
    """With the reason and the line; it makes more graphs than there are blocks."""
    import torch

    prepared, found = traced
    for block in found.values():
        forward = block.ff.forward

        def noisy(x, forward=forward):
            torch._dynamo.graph_break()
            return forward(x)

        block.ff.forward = noisy
    said = finds("graphs", prepared)
    assert "graph break: Call to `torch._dynamo.graph_break()`: User-inserted graph break" in said
    assert "structure/test_planted_graphs.py" in said
    assert "torch._dynamo.graph_break()\n    from models/attention.py" in said


def test_the_honest_blocks_pass(traced):
    """One graph a kind of block, no break, nothing compiled later, and compiled code is what runs."""
    prepared, found = traced
    assert "0 graph breaks" in passes("graphs", prepared)
    assert passes("recompilations", prepared).startswith("0 compilations")
    assert f"{2 * len(found)} compiled regions" in passes("compiled-runs", prepared)
    passes("cudagraphs", prepared)


def test_a_print_in_the_decoder(rung):
    """Of the VAE: it runs once a picture, and breaks all the same."""
    import torch

    prepared = rung("fp32+sdpa+compile")
    forget()
    pipe = prepared.pipe
    pipe.unet = pipe.unet._orig_mod
    del pipe.vae.decode
    post, forward = pipe.vae.post_quant_conv, pipe.vae.post_quant_conv.forward

    def loud(x):
        print("decoding", x.shape)
        return forward(x)

    post.forward = loud
    pipe.vae.decode = torch.compile(pipe.vae.decode, backend="eager")
    said = finds("graphs", prepared)
    assert "Dynamo does not know how to trace builtin operator `print`" in said
    assert 'print("decoding", x.shape)' in said
    assert "from autoencoders/autoencoder_kl.py" in said
    assert "compiled regions ran" in finds("compiled-runs", prepared)


def test_a_changing_integer(activation):
    """A counter in a module: Dynamo holds its value for a constant."""
    prepared, module = activation
    module.calls = 0

    def counting(x):
        module.calls += 1
        return x * x.sigmoid() * (1.0 if module.calls > 0 else 0.0)

    module.forward = counting
    module.compile(dynamic=False, backend="eager")
    said = finds("recompilations", prepared)
    assert "another prompt compiled" in said
    assert "calls" in said
    assert "test_planted_graphs.py" in said


def test_another_number_of_steps_that_recompiles(activation):
    """A schedule kept as a Python number."""
    prepared, module = activation
    pipe = prepared.pipe
    module.steps = 0
    module.forward = lambda x: x * x.sigmoid() * (module.steps / max(module.steps, 1))
    module.compile(dynamic=False, backend="eager")
    method = pipe.scheduler.set_timesteps

    def set_timesteps(num_inference_steps=None, device=None, **options):
        module.steps = num_inference_steps
        method(num_inference_steps, device=device, **options)

    pipe.scheduler.set_timesteps = set_timesteps
    said = finds("recompilations", prepared)
    assert "another number of steps compiled" in said
    assert "another seed compiled" not in said


@pytest.mark.parametrize("way", ["stance", "one block"])
def test_compiled_code_that_does_not_run(traced, way):
    """A stance that something left behind, or a block whose forward is called past its compiled form."""
    import torch

    prepared, found = traced
    passes("compiled-runs", prepared)
    if way == "stance":
        with torch.compiler.set_stance("force_eager"):
            said = finds("compiled-runs", prepared)
        assert (
            f"0 compiled regions ran in 2 calls of the UNet and one decoding, wanted {2 * len(found)}" in said
        )
        return
    block = next(iter(found.values()))
    block._compiled_call_impl = block._call_impl
    said = finds("compiled-runs", prepared)
    assert f"{2 * len(found) - 2} compiled regions" in said
    assert f"wanted {2 * len(found)}" in said


def test_a_graph_that_is_refused_as_a_cuda_graph(activation):
    """By Inductor's own function for it, which needs no GPU; the reason is in the message."""
    from torch._inductor.cudagraph_utils import log_cudagraph_skip_and_bump_counter

    def refusing(graph, inputs):
        log_cudagraph_skip_and_bump_counter("skipping cudagraphs due to mutated inputs (1 instances)")
        return graph.forward

    prepared, module = activation
    module.forward = lambda x: x * x.sigmoid()
    module.compile(backend=refusing)
    assert "due to mutated inputs (1 instances)" in finds("cudagraphs", prepared)


def test_an_operator_that_inductor_has_nothing_for(activation):
    """A custom operator runs as it is, between two generated kernels."""
    import torch

    prepared, module = activation

    @torch.library.custom_op("perfsuite_tests::slow_silu", mutates_args=())
    def slow_silu(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(x)

    slow_silu.register_fake(torch.empty_like)
    module.forward = lambda x: slow_silu(x + 1.0)
    module.compile()
    said = finds("fallbacks", prepared)
    assert "perfsuite_tests.slow_silu.default runs as an eager kernel, 1 times" in said


def test_generated_code_alone_is_no_fallback(activation):
    """The same module without it; its kernels are counted."""
    prepared, module = activation
    module.forward = lambda x: x * x.sigmoid()
    module.compile()
    assert passes("fallbacks", prepared).endswith("none")
    assert passes("graphs", prepared).startswith("1 graphs of unet")
    assert len(prepared.context.compiled.sources) == 1
    counts = count(prepared)
    assert counts.kernels["C++ kernels generated"] == 1
    assert counts.code_bytes["generated source"] > 0


def test_a_backend_that_generates_nothing(traced):
    """Compiled regions run, graphs are whole, and all of it is eager code."""
    prepared, found = traced
    assert f"no code was generated for {len(found)} blocks of the unet" in finds("fallbacks", prepared)
    for gate in ("graphs", "recompilations", "compiled-runs"):
        passes(gate, prepared)
    counts = count(prepared)
    assert counts.kernels is None
    assert "handed out no code" in counts.absent["kernels"]


def test_what_was_not_tried_is_said(traced):
    """Another size, batch or guidance may compile anew, which the small calls of the gate cannot tell."""
    prepared, _ = traced
    said = passes("recompilations", prepared)
    assert "not tried, and may compile anew: another size, another batch, guidance on or off" in said


def test_a_variation_that_compiles_anew(traced):
    """A workload declares what its pipeline is to serve; that is tried, and the rest is said."""
    prepared, _ = traced
    prepared.context.workload = replace(prepared.context.workload, variations=("b2", "g0"))
    said = finds("recompilations", prepared)
    assert "variation b2 compiled" in said
    facts = "\n".join(GATES["recompilations"](prepared).facts)
    assert "variation b2, variation g0" in facts
    assert "not tried, and may compile anew: another size;" in facts


# -- what a torch version does not count -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("get_compilation_metrics", {"recompilations"}),
        ("counters", {"graphs", "cudagraphs"}),
        ("save_output_code", {"fallbacks"}),
    ],
)
def test_a_torch_without_a_counter(traced, monkeypatch, name, skipped):
    """Its gates skip with the reason; the others run."""
    import torch
    from torch._inductor.graph import GraphLowering

    monkeypatch.delattr(GraphLowering if name == "save_output_code" else torch._dynamo.utils, name)
    prepared, _ = traced
    gates = ("graphs", "recompilations", "compiled-runs", "cudagraphs", "fallbacks")
    said = {gate: GATES[gate](prepared) for gate in gates}
    assert {gate for gate, check in said.items() if check.skipped} == skipped
    for gate in skipped:
        assert f"torch {torch.__version__} has no torch." in said[gate].skipped
        assert name in said[gate].skipped
    for gate in set(gates) - skipped - {"fallbacks"}:  # nothing was generated here, which that gate says
        assert said[gate].problems == ()
        assert said[gate].facts


def test_a_torch_that_does_not_mark_regions(traced, monkeypatch):
    """The profiler shows none, not even of a function that is surely compiled."""
    from perfsuite.structure import graphs

    monkeypatch.setattr(graphs, "_REGION", "a mark of another version")
    assert "does not mark compiled regions" in GATES["compiled-runs"](traced[0]).skipped
