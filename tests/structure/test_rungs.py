"""No rung loses what its name says: deterministic, exact, the same on every run."""

import pytest

pytestmark = pytest.mark.structure


def test_engagement(pipeline, structure_gate):
    """Each optimization's proof holds, and its numbers are those that the architecture gives."""
    check = structure_gate(pipeline, "engagement")
    assert check, check.message


def test_dtypes(pipeline, structure_gate):
    """Weights, and all that modules take and give, are in the rung's precision."""
    check = structure_gate(pipeline, "dtypes")
    assert check, check.message


@pytest.mark.structure("layout")
def test_layout(pipeline, structure_gate):
    """channels_last is kept on the way through UNet and VAE."""
    check = structure_gate(pipeline, "layout")
    assert check, check.message


def test_graphs(pipeline, structure_gate):
    """One graph a compiled part, and no graph break."""
    check = structure_gate(pipeline, "graphs")
    assert check, check.message


def test_recompilations(pipeline, structure_gate):
    """Another prompt, seed or number of steps compiles nothing."""
    check = structure_gate(pipeline, "recompilations")
    assert check, check.message


def test_compiled_runs(pipeline, structure_gate):
    """What was compiled is what runs."""
    check = structure_gate(pipeline, "compiled-runs")
    assert check, check.message


def test_cudagraphs(pipeline, structure_gate):
    """No graph is refused as a CUDA graph."""
    check = structure_gate(pipeline, "cudagraphs")
    assert check, check.message


def test_fallbacks(pipeline, structure_gate):
    """Generated code calls no eager kernels but those of libraries that it should."""
    check = structure_gate(pipeline, "fallbacks")
    assert check, check.message


def test_syncs(pipeline, structure_gate):
    """Nothing in the denoising loop waits for the device."""
    check = structure_gate(pipeline, "syncs")
    assert check, check.message


def test_leaks(pipeline, structure_gate):
    """The rung changes the settings that it declares, and no other."""
    check = structure_gate(pipeline, "leaks")
    assert check, check.message
