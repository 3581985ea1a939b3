"""Compiled code of a small network, looked into at every operation: honest code, and code with a mistake."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from perfsuite.quality.compiled import lockstep
from perfsuite.quality.compiled.backend import Seen, Tapping
from perfsuite.quality.compiled.graph import operation_of
from perfsuite.quality.relative_errors import error_of


class Block(torch.nn.Module):
    """Convolution, norm, activation and residual, then a linear layer: what a UNet is made of."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = torch.nn.GroupNorm(2, channels)
        self.out = torch.nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.nn.functional.silu(self.norm(self.conv(x))) + x
        return self.out(hidden.permute(0, 2, 3, 1))


Mistake = Callable[[torch.fx.Graph], None]


def nothing(graph: torch.fx.Graph) -> None:
    """Honest."""


def _of(graph: torch.fx.Graph, name: str) -> torch.fx.Node:
    return next(node for node in graph.nodes if name in str(node.target) or name in node.name)


def lost_bias(graph: torch.fx.Graph) -> None:
    """The convolution's bias is left out."""
    node = _of(graph, "conv2d")
    node.args = (*node.args[:2], None, *node.args[3:])


def residual_twice(graph: torch.fx.Graph) -> None:
    """The sum reads one operand twice."""
    node = next(n for n in graph.nodes if n.op == "call_function" and n.name.startswith("hidden"))
    node.args = (node.args[0], node.args[0])


def nan(graph: torch.fx.Graph) -> None:
    """The linear layer divides by zero."""
    node = _of(graph, "linear")
    with graph.inserting_before(node):
        wrong = graph.call_function(torch.div, (node.args[0], 0.0))
    node.args = (wrong, *node.args[1:])


def compiler(mistake: Mistake) -> Callable[..., Any]:
    """Stands for Inductor, whose compilations take many seconds: it runs the graph as it got it."""

    def compile_(module: Any, inputs: Any) -> Any:
        mistake(module.graph)
        module.recompile()
        return module.forward

    return compile_


@pytest.fixture(autouse=True)
def nothing_stays_compiled() -> Iterator[None]:
    yield
    torch._dynamo.reset()


def look(mistake: Mistake, dtype: torch.dtype = torch.bfloat16, limit: int = 1 << 30) -> list[Seen]:
    torch.manual_seed(0)
    model, seen = Block().to(dtype), []
    picture = torch.randn(2, 8, 6, 6).to(dtype)
    with torch.no_grad():
        wanted = model(picture)
        found = torch.compile(model, backend=Tapping(compiler(mistake), limit, seen.append))(picture)
    if mistake is nothing:
        assert torch.equal(found, wanted)
    return seen


def test_what_libraries_take_and_give_is_looked_at() -> None:
    """The convolution, the sum that the linear layer takes, and its result; each named by its module."""
    places = [(one.tap.module, one.tap.operation) for one in look(nothing)]
    assert places == [("conv", "conv2d"), ("", "add"), ("out", "linear")]


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 5e-3), (torch.float32, 1e-6)])
def test_honest_code_is_as_far_from_exact_as_eager_code(dtype: torch.dtype, most: float) -> None:
    """The same operations: the same rounding, which is neither nothing nor much."""
    for one in look(nothing, dtype):
        assert one.error == one.same
        assert 0.0 < one.error < most


@pytest.mark.parametrize(
    ("mistake", "wrong"), [(lost_bias, "conv2d"), (residual_twice, "add"), (nan, "linear")]
)
def test_a_mistake_stands_out_where_it_is_and_nowhere_else(mistake: Mistake, wrong: str) -> None:
    """What follows is computed from what the wrong code gave, so that it is right."""
    for one in look(mistake):
        if one.tap.operation == wrong:
            assert one.error > 10 * one.same
        else:
            assert one.error <= 1.01 * one.same


class Counting(Block):
    """Writes into what it is given, before and after a convolution."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.add_(1.0)
        hidden = self.conv(x)
        x.mul_(2.0)
        hidden += x
        return self.out(hidden.permute(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_code_that_writes_into_its_inputs_is_looked_at_once_and_writes_once(dtype: torch.dtype) -> None:
    """What it got is kept for the look, and the caller's tensor is changed by the compiled code alone."""
    torch.manual_seed(0)
    model, seen = Counting().to(dtype), []
    picture = torch.randn(2, 8, 6, 6).to(dtype)
    wanted, given = picture.clone(), picture.clone()
    with torch.no_grad():
        expected = model(wanted)
        found = torch.compile(model, backend=Tapping(compiler(nothing), 1 << 30, seen.append))(given)
    assert torch.equal(found, expected)
    assert torch.equal(given, wanted)
    assert [one.tap.operation for one in seen] == ["iadd", "linear"]
    assert all(one.error == one.same < 5e-3 for one in seen)
    assert seen[0].same == pytest.approx(error_of(*sums(model, picture)), rel=1e-3)


def sums(model: Counting, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What is added up in `Counting`, in its own precision and exactly."""
    exact = copy.deepcopy(model).to(torch.float32 if picture.dtype is torch.bfloat16 else torch.float64)
    found = []
    for network, x in ((model, picture), (exact, picture.to(exact.out.weight.dtype))):
        with torch.no_grad():
            found.append(network.conv(x + 1.0) + 2.0 * (x + 1.0))
    return found[0], found[1]


def test_little_memory_taps_less() -> None:
    """As many as fit; with room for none the code runs without."""
    assert len(look(nothing, limit=2 * 2 * 8 * 6 * 6)) == 1
    assert look(nothing, limit=10) == []


def test_taps_are_read_before_the_next_replay() -> None:
    """Stands for CUDA graphs, which there are none of here: outputs that the next call overwrites."""
    seen: list[Seen] = []
    memory: list[torch.Tensor] = []

    def replaying(module: Any, inputs: Any) -> Any:
        def replay(*given: Any) -> Any:
            found = module.forward(*given)
            if memory:
                for old, new in zip(memory, found, strict=True):
                    old.copy_(new)
            else:
                memory.extend(new.clone() for new in found)
            return tuple(memory)

        return replay

    torch.manual_seed(0)
    model = Block().bfloat16()
    compiled = torch.compile(model, backend=Tapping(replaying, 1 << 30, seen.append))
    with torch.no_grad():
        for _ in range(3):
            compiled(torch.randn(2, 8, 6, 6).bfloat16())
    assert len(seen) == 9
    assert all(one.error == one.same for one in seen)


def test_taps_that_break_the_compiler_are_left_out_and_named() -> None:
    """Half of them is tried, then the other half; what the compiler said is kept."""

    def refusing(module: Any, inputs: Any) -> Any:
        (output,) = [node for node in module.graph.nodes if node.op == "output"]
        if any("conv" in str(node.target) for node in output.args[0]):
            raise ValueError("no convolution is given out")
        return module.forward

    torch.manual_seed(0)
    seen: list[Seen] = []
    tapping = Tapping(refusing, 1 << 30, seen.append)
    with torch.no_grad():
        torch.compile(Block(), backend=tapping)(torch.randn(2, 8, 6, 6))
    (graph,) = tapping.graphs
    assert graph.refused == ("taps from conv to conv left out: ValueError: no convolution is given out",)
    assert [one.tap.operation for one in seen] == ["add", "linear"]
    assert (graph.wanted, len(graph.taps)) == (3, 2)


def test_an_operation_that_cannot_be_run_alone_ends_the_look_there_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What came before is judged, and the outputs stay; a lack of memory is no such case."""
    run = lockstep._run_exactly
    error: Exception = TypeError("no kernel for these types\nand more")

    def refusing(node: Any, *others: Any) -> Any:
        if operation_of(node) == "linear":
            raise error
        return run(node, *others)

    monkeypatch.setattr(lockstep, "_run_exactly", refusing)
    torch.manual_seed(0)
    seen: list[Seen] = []
    model, tapping = Block(), Tapping(compiler(nothing), 1 << 30, seen.append)
    picture = torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        found = torch.compile(model, backend=tapping)(picture)
        assert torch.equal(found, model(picture))
    assert [one.tap.operation for one in seen] == ["conv2d", "add"]
    (reason,) = tapping.without
    assert reason.startswith("not looked into beyond linear in out, which cannot be run alone")
    assert reason.endswith("(TypeError: no kernel for these types)")
    error = torch.OutOfMemoryError("CUDA out of memory")
    with torch.no_grad(), pytest.raises(torch.OutOfMemoryError):
        torch.compile(model, backend=Tapping(compiler(nothing), 1 << 30, seen.append))(picture)


def test_code_that_cannot_be_compiled_at_all_is_an_error() -> None:
    """It is no matter of taps."""

    def broken(module: Any, inputs: Any) -> Any:
        raise ValueError("no compiler here")

    with (
        torch.no_grad(),
        pytest.raises(Exception, match="no compiler here"),
    ):
        torch.compile(Block(), backend=Tapping(broken, 1 << 30, lambda seen: None))(torch.randn(2, 8, 6, 6))
