"""No variant's pictures, and no numbers on the way to them, are further from float32 than they may be."""

from __future__ import annotations

from typing import Any

import pytest


def test_ssim(pipeline: Any, picture_gate: Any) -> None:
    """Each prompt's picture against float32's of this run."""
    check = picture_gate(pipeline)
    assert check, check.message


@pytest.mark.parametrize("look", ["components", "modules", "loop"])
def test_look(pipeline: Any, look_gate: Any, look: str) -> None:
    """Each part of the pipeline, fed with what it was fed in float32."""
    check = look_gate(pipeline, look)
    assert check, check.message


@pytest.mark.compiled
def test_compiled(pipeline: Any, look_gate: Any) -> None:
    """Compiled code against eager code, at every place inside it."""
    check = look_gate(pipeline, "compiled")
    assert check, check.message


@pytest.mark.task
def test_task(pipeline: Any, task_gate: Any) -> None:
    """What is not exact draws captions as well as without it."""
    check = task_gate(pipeline)
    assert check, check.message


def test_golden(workload: Any, golden_gate: Any) -> None:
    """Float32 itself still draws the pictures that are stored."""
    check = golden_gate(workload)
    assert check, check.message


def test_honest_code(workload: Any, honest_gate: Any) -> None:
    """Eager code of each precision, which the budgets are made of, has not got worse itself."""
    check = honest_gate(workload)
    assert check, check.message
