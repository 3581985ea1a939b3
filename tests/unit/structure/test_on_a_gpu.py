"""What gates and proofs say on a GPU only; torch's side of it is stood in for."""

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from perfsuite.pipelines.optimizations import compilation, precision
from perfsuite.pipelines.optimizations.evidence import NotEngagedError
from perfsuite.structure import graphs, syncs
from perfsuite.structure.activations import _Layouts

Tree = dict[int, list[SimpleNamespace]]


def node(children: Tree | None = None) -> SimpleNamespace:
    return SimpleNamespace(children=children or {})


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], int | None]:
    """How many CUDA graphs are seen where torch's manager is this."""
    import torch

    def count(manager: Any) -> int | None:
        module = ModuleType("torch._inductor.cudagraph_trees")
        module.get_manager = lambda device, create_if_none_exists: manager  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "torch._inductor.cudagraph_trees", module)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        return graphs.cudagraphs_recorded()

    return count


@pytest.mark.parametrize(
    ("manager", "count"),
    [
        (None, 0),
        (SimpleNamespace(roots={}), 0),
        (SimpleNamespace(roots={1: [node(), node()], 2: [node({3: [node({1: [node()]})]})]}), 3),
        (SimpleNamespace(), None),
    ],
)
def test_graphs_are_counted_by_function_wherever_in_the_tree(
    manager: Any, count: int | None, recorded: Callable[[Any], int | None]
) -> None:
    """Recorded anew it is the same one; a torch that keeps another tree does not tell."""
    assert recorded(manager) == count


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 CUDA graphs were recorded, wanted 2"), (2, ""), (None, "")]
)
def test_a_part_that_was_not_recorded_is_a_problem(
    count: int | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though none was refused."""
    monkeypatch.setattr(
        graphs, "_first_call", lambda prepared: SimpleNamespace(cudagraph_skips=(), missing={})
    )
    monkeypatch.setattr(graphs, "_unknown", lambda *arguments: None)
    monkeypatch.setattr(graphs, "graph_parts", lambda prepared: ["unet", "vae"])
    monkeypatch.setattr(graphs, "cudagraphs_recorded", lambda: count)
    context = SimpleNamespace(device=SimpleNamespace(kind="cuda"), generate=lambda pipe, steps: None)
    prepared: Any = SimpleNamespace(context=context, pipe=None)
    found = graphs.check_cudagraphs(prepared)
    assert bool(found.problems) == bool(said)
    assert said in "".join(found.problems)


def test_a_wait_that_is_asked_for_by_name_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA's sync debugging says nothing of it; outside the loop nobody minds."""
    import torch

    waited: list[str] = []
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append("device"))
    loop = syncs._Loop()
    with syncs._debugging(loop):
        torch.cuda.synchronize()
        assert not loop.found
        loop.running = True
        torch.cuda.synchronize()
    assert waited == ["device"] * 2
    ((operation, _, step),) = loop.found
    assert (operation, step) == ("torch.cuda.synchronize", 0)


@pytest.mark.parametrize(("kind", "known"), [("cuda", True), ("cpu", False)])
def test_the_copy_for_a_group_norm_is_known_on_a_gpu_alone(kind: str, known: bool) -> None:
    """torch makes it before CUDA's kernel, as an operator of its own."""

    class GroupNorm:
        pass

    flow: Any = SimpleNamespace(running=[("unet.norm", GroupNorm())])
    made = SimpleNamespace(shape=(1, 4, 8, 8))
    assert _Layouts(flow, kind, ("unet", "vae"))._is_known("clone", made) is known
    flow.running = [("unet.conv", object())]
    assert not _Layouts(flow, kind, ("unet", "vae"))._is_known("clone", made)


def test_float32_that_loses_bits_is_not_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the settings say: the driver's override is none of them."""
    monkeypatch.setattr(precision, "_tf32_settings", lambda problem: ("highest", False))
    monkeypatch.setattr(precision, "_drops_bits", lambda kind: True)
    context: Any = SimpleNamespace(device=SimpleNamespace(kind="cuda"))
    with pytest.raises(NotEngagedError, match="NVIDIA_TF32_OVERRIDE"):
        precision._verify_fp32(None, context)


@pytest.mark.parametrize(
    ("said", "error"),
    [("Detected recompile when torch.compile stance is 'fail_on_recompile'", NotEngagedError),
     ("CUDA out of memory", RuntimeError)],
)  # fmt: skip
def test_only_a_recompilation_is_called_one(said: str, error: type[Exception]) -> None:
    """Any other error of the second call is for those whose business it is."""

    def generate(pipe: Any, steps: int) -> None:
        raise RuntimeError(said)

    context: Any = SimpleNamespace(first_call=lambda pipe: 1.0, compiled=None, generate=generate)
    with pytest.raises(error) as found:
        compilation.check_calls(None, context)
    assert type(found.value) is error
