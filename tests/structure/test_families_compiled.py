"""The ladder's last rung on every family, compiled by Inductor: each gate has its say, and passes."""

import dataclasses

import pytest
from gates import passes
from machine import here

from perfsuite.pipelines import prepare, release, workloads
from perfsuite.structure.gates import GATES

pytestmark = pytest.mark.selftest
FUSES = ("tiny-sd15", "tiny-pixart", "tiny-sd3", "tiny-flux")


@pytest.mark.parametrize("name", [*FUSES, "tiny-kandinsky"])
def test_every_gate_passes(name):
    """One graph a part, nothing compiled anew, int8 products in generated code, channels_last kept."""
    workload = workloads.get(name)
    asked = dataclasses.replace(workload, steps=2, prompts=workload.prompts[:2])
    prepared = prepare(asked, here(f"bf16+sdpa+compile{'+qkv' if name in FUSES else ''}+int8"), "cpu")
    try:
        facts = {gate: passes(gate, prepared) for gate in GATES}
    finally:
        release(prepared.pipe)
    assert "2 graphs" in facts["graphs"]
    assert "layers in int8" in facts["engagement"]
