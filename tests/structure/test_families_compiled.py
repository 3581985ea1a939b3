"""The ladder's last rung on every family, compiled by Inductor: each gate has its say, and passes."""

import dataclasses

import pytest
from gates import passes
from machine import here

from perfsuite.pipelines import prepare, release, workloads
from perfsuite.structure.gates import GATES

pytestmark = pytest.mark.selftest
CASES = {
    **dict.fromkeys(("tiny-sd15", "tiny-pixart", "tiny-sd3", "tiny-flux"), "bf16+sdpa+compile+qkv+int8"),
    "tiny-kandinsky": "bf16+sdpa+compile+int8",
}


@pytest.mark.parametrize(
    ("name", "variant"), [*CASES.items(), ("tiny-flux", "bf16+sdpa+compile-regional+qkv+int8")]
)
def test_every_gate_passes(name, variant):
    """One graph a part, nothing compiled anew, int8 products in generated code, channels_last kept."""
    workload = workloads.get(name)
    asked = dataclasses.replace(workload, steps=2, prompts=workload.prompts[:2])
    prepared = prepare(asked, here(variant), "cpu")
    try:
        facts = {gate: passes(gate, prepared) for gate in GATES}
    finally:
        release(prepared.pipe)
    # Of Flux's two kinds of blocks one is given its first pictures in another layout.
    assert f"{3 if 'regional' in variant else 2} graphs" in facts["graphs"]
    assert "layers in int8" in facts["engagement"]
