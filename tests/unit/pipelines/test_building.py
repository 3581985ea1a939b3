"""What a build that fails leaves behind: no changed setting, and no call to a GPU that is lost."""

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from perfsuite import pipelines
from perfsuite.device.imports import COMPILER
from perfsuite.pipelines import building, models, variants, workloads
from perfsuite.pipelines.technique import Context, Optimization, Variant
from perfsuite.records import Device

ILLEGAL = "CUDA error: an illegal memory access was encountered"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], list[str]]:
    """Make loading fail after it changed a setting; what is asked of CUDA, which seems to be in use."""
    import torch

    asked: list[str] = []

    def make(error: Exception) -> list[str]:
        def load(*arguments: Any) -> None:
            torch.backends.cudnn.benchmark = True
            raise error

        monkeypatch.setattr(models, "load", load)
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: asked.append("empty_cache"))
        return asked

    return make


@pytest.mark.parametrize(("said", "asked"), [("no such file", ["empty_cache"]), (ILLEGAL, [])])
def test_a_build_that_fails(failing: Callable[[Exception], list[str]], said: str, asked: list[str]) -> None:
    """It says what it was doing; memory is given back, unless CUDA is lost."""
    import torch

    calls = failing(RuntimeError(said))
    with pytest.raises(RuntimeError, match=said) as found:
        pipelines.prepare("shapes", "fp32", "cpu")
    assert found.value.__notes__ == ["while loading weights"]
    assert calls == asked
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize(("guidance", "said"), [(1.0, False), (1.5, True), (2.0, False), (5.0, False)])
def test_guidance_that_halves_no_batch_is_said(
    monkeypatch: pytest.MonkeyPatch, guidance: float, said: bool
) -> None:
    """Of any variant: who lowers it below 2 may think that it spares the second sample."""
    monkeypatch.setattr(models, "load", lambda *arguments: object())
    nothing = Optimization("fp32", "", lambda pipe, context: None, lambda pipe, context: "held")
    workload = replace(pipelines.workloads.SHAPES, guidance=guidance)
    prepared = pipelines.prepare(workload, Variant("fp32", (nothing,)), "cpu")
    pipelines.release(prepared.pipe)
    assert ("the denoiser's batch is not halved" in "; ".join(prepared.evidence)) == said


def test_a_device_that_is_lost_when_memory_is_given_back(
    failing: Callable[[Exception], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kernel did shows there: it is said, and settings are put back all the same."""
    import torch

    failing(RuntimeError("something else"))

    def empty_cache() -> None:
        raise RuntimeError(ILLEGAL)

    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    with pytest.raises(RuntimeError, match=ILLEGAL):
        pipelines.prepare("shapes", "fp32", "cpu")
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize("beside", [False, True])
def test_a_build_that_fails_beside_a_pipeline_leaves_its_compiled_code(
    failing: Callable[[Exception], list[str]], beside: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The float32 reference may not fit beside a compiled rung, which is to be looked at after."""
    import torch

    failing(RuntimeError("no room"))
    resets: list[int] = []
    monkeypatch.setattr(torch._dynamo, "reset", lambda: resets.append(1))
    monkeypatch.setattr(building, "_OPEN", {1: object()} if beside else {})
    with pytest.raises(RuntimeError, match="no room"):
        pipelines.prepare("shapes", "fp32", "cpu")
    assert len(resets) == (not beside)
    assert not torch.backends.cudnn.benchmark


def test_what_is_proven_once_all_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last technique: an earlier one, whose proof takes what a later one compiles."""
    done: list[str] = []

    def stand_in(name: str, phase: int, last: Any) -> Optimization:
        return Optimization(
            name=name, summary="", phase=phase, apply=lambda pipe, context: done.append(f"{name} applied"),
            verify=lambda pipe, context: "held", verify_last=last,
        )  # fmt: skip

    def all_applied(pipe: Any, context: Any) -> str:
        done.append("all proven")
        return "held by all"

    fp32 = stand_in("fp32", 0, all_applied)
    later = stand_in("later", 4, lambda pipe, context: None)
    monkeypatch.setattr(models, "load", lambda *arguments: object())
    prepared = pipelines.prepare("shapes", Variant("both", (fp32, later)), "cpu")
    pipelines.release(prepared.pipe)
    assert done == ["fp32 applied", "later applied", "all proven"]
    assert prepared.evidence[:3] == ("fp32: held", "later: held", "fp32: held by all")


@pytest.mark.parametrize(
    ("variant", "kind", "threads"),
    [
        ("bf16-sdpa", "cpu", 4),
        ("bf16-sdpa-compile", "cpu", 5),
        ("bf16-sdpa", "cuda", 1),
        ("bf16-sdpa-compile", "cuda", 2),
    ],
)
def test_a_compiler_needs_a_core_beside_the_threads(variant: str, kind: str, threads: int) -> None:
    """Beside a busy core of two, a cold compilation took 18 % longer, and nobody had seen why."""
    context = Context(workloads.SHAPES, variants.get(variant), Device(kind, "Example", "example", 4, 2**33))
    assert context.busy_threads == threads


def test_a_first_call_is_timed_alike_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It pays neither for the compiler's modules, which pytest looks into one by one, nor for the garbage of
    whoever else is in the process."""
    seen: list[tuple[bool, int]] = []

    def apply(pipe: Any, context: Any) -> None:
        seen.append((set(COMPILER) <= set(sys.modules), gc.get_freeze_count()))

    compiling = Optimization(
        name="fp32", summary="", phase=0, apply=apply, verify=lambda pipe, context: "held", compiles=True
    )
    monkeypatch.setattr(models, "load", lambda *arguments: object())
    prepared = pipelines.prepare("shapes", Variant("compiled", (compiling,)), "cpu")
    pipelines.release(prepared.pipe)
    ((there, frozen),) = seen
    assert there
    assert frozen > 100_000
    assert gc.get_freeze_count() == 0
