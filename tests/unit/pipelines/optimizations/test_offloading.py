"""Offloading asks for the models that a pipeline has."""

from types import SimpleNamespace
from typing import Any

import pytest

from perfsuite.device import fingerprint
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.families import SD3
from perfsuite.pipelines.optimizations import NotEngagedError, offloading
from perfsuite.pipelines.technique import Context

CONTEXT = Context(workloads.get("tiny-sd3"), variants.get("bf16+sdpa+model-offload"), fingerprint("cpu"))


def pipeline(**models: Any) -> Any:
    hooked = dict.fromkeys(SD3.components, SimpleNamespace(_hf_hook=1))
    return SimpleNamespace(family=SD3, **(hooked | models))


def test_an_encoder_that_was_left_out_needs_no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SD3 without its T5; one that is there does."""
    monkeypatch.setattr(offloading, "check_offloaded", lambda pipe, context: "seen")
    said = offloading.MODEL_OFFLOAD.verify(pipeline(text_encoder_3=None), CONTEXT)
    assert said == "text_encoder, text_encoder_2, transformer, vae are moved when called; seen"
    with pytest.raises(NotEngagedError, match="1 of 5 models have no hook that moves them: text_encoder_3"):
        offloading.MODEL_OFFLOAD.verify(pipeline(text_encoder_3=SimpleNamespace()), CONTEXT)


@pytest.mark.parametrize("name", ["first-block-cache", "taylorseer"])
def test_groups_are_not_fetched_ahead_of_what_is_spared(name: str) -> None:
    """They come in the order of the first step, in which everything ran."""
    with pytest.raises(variants.ContradictionError, match="exclude each other"):
        variants.get(f"bf16+sdpa+{name}+group-offload")
    assert variants.get(f"bf16+sdpa+{name}+model-offload")
