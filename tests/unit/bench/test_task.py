"""What captions are drawn without, once for all variants that are compared with the same pictures."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from perfsuite.bench import pictures
from perfsuite.pipelines import variants, workloads

if TYPE_CHECKING:
    import pytest

HAND = SimpleNamespace(device=None, enter=lambda *where: None, watched=lambda key: contextlib.nullcontext())
READER = SimpleNamespace(judge=lambda variant, without, with_it: without)


def test_pictures_without_are_those_of_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter makes another model of the model, whose captions are not compared with the plain one's."""
    drawn: list[str] = []

    def without(context: Any, *given: Any) -> str:
        drawn.append(variants.without_loss(context.variant).name)
        return drawn[-1]

    monkeypatch.setattr(pictures.task, "reader_for", lambda *given: READER)
    monkeypatch.setattr(pictures.task, "marks", lambda *given: "with")
    monkeypatch.setattr(pictures.task, "marks_without", without)
    settings: Any = SimpleNamespace(captions=10, weights="auto", judge=None)
    judged: Any = pictures.Pictures(settings, HAND, None, None)  # type: ignore[arg-type]

    def judge(variant: str) -> Any:
        context = SimpleNamespace(workload=workloads.SHAPES, variant=variants.get(variant))
        return judged._task(SimpleNamespace(pipe=None, context=context))

    assert judge("bf16+sdpa+deepcache") == judge("bf16+sdpa+compile+cfg-cutoff") == "bf16-sdpa"
    assert judge("bf16+sdpa+lora-hotswap+deepcache") == "bf16-sdpa-lora"
    assert judge("fp32+deepcache") == "fp32-sdpa"
    assert drawn == ["bf16-sdpa", "bf16-sdpa-lora", "fp32-sdpa"]
