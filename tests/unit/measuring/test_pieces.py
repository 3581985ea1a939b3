"""A call in pieces is the whole call: same picture, same settings, same errors; the pipeline is a fake."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from perfsuite.measuring import pieces
from perfsuite.measuring.pieces import Piece, Pieces, kinds_of
from perfsuite.pipelines.families.table import FAMILIES

STEPS = 3


class Schedule:
    """As many timesteps as steps."""

    def set_timesteps(self, steps: int, device: str) -> None:
        self.timesteps = list(range(steps))


class Pipe:
    """Calls what a diffusers pipeline calls, under no_grad as it does; the picture depends on all of it."""

    def __init__(self, start: float, fails_in: str = "", clock: SimpleNamespace | None = None) -> None:
        self.start, self.fails_in, self.clock = start, fails_in, clock
        self.scheduler = Schedule()
        self.grad: list[bool] = []

    def _work(self, part: str, seconds: float) -> None:
        import torch

        self.grad.append(torch.is_grad_enabled())
        if self.clock is not None:
            self.clock.time_s += seconds
        if part == self.fails_in:
            raise FloatingPointError(part)

    def encode_prompt(self, prompt: str, *, scale: float) -> float:
        self._work("text", 1.0)
        return len(prompt) * scale

    def __call__(
        self,
        prompt: str,
        callback_on_step_end: Callable[..., dict[str, Any]] = lambda *a: {},
        callback_on_step_end_tensor_inputs: Any = ("latents",),
    ) -> np.ndarray:
        import torch

        with torch.no_grad():
            value = self.start + self.encode_prompt(prompt, scale=0.1)
            tensors = dict.fromkeys(callback_on_step_end_tensor_inputs, value)
            for index in range(STEPS):
                self._work("step", 10.0)
                value = np.sin(value) + index
                assert callback_on_step_end(self, index, 1000 - index, tensors) == {}
            self._work("vae", 100.0)
            return np.full((2, 2, 3), np.exp(value))


def prepared(pipe: Pipe) -> Any:
    context = SimpleNamespace(
        drawn=SimpleNamespace(steps=STEPS), generate=lambda pipe, **options: pipe("a cat", **options)
    )
    return SimpleNamespace(pipe=pipe, context=context)


def run_call(side: Pieces) -> list[Piece]:
    return [side.advance() for _ in range(side.per_call)]


def test_pieces_of_a_call_with_their_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text encoders, each step, VAE; then the next call begins. What runs between them does not count."""
    clock = SimpleNamespace(time_s=0.0)
    monkeypatch.setattr(pieces, "now", lambda: clock.time_s)
    side = Pieces(prepared(Pipe(0.5, clock=clock)))
    found = []

    for _ in range(2 * side.per_call):
        found.append(side.advance())
        clock.time_s += 7.0

    call = [("text", 1.0), *[("step", 10.0)] * STEPS, ("vae", 100.0)]
    assert side.per_call == STEPS + 2
    assert found == call * 2


def test_pieces_are_what_the_scheduler_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """PNDM ends one step more than it is asked for; a pipeline without text encoders has no such piece."""

    def one_more(self: Schedule, steps: int, device: str) -> None:
        self.timesteps = list(range(steps + 1))

    assert kinds_of(Pipe(0.5), STEPS) == {"text": 1, "step": STEPS, "vae": 1}
    monkeypatch.setattr(Schedule, "set_timesteps", one_more)
    assert kinds_of(Pipe(0.5), STEPS) == {"text": 1, "step": STEPS + 1, "vae": 1}
    without: Any = SimpleNamespace(family=FAMILIES["kandinsky"], scheduler=Schedule())
    assert kinds_of(without, STEPS) == {"step": STEPS + 1, "vae": 1}


def test_picture_is_the_whole_calls() -> None:
    """Known after the last piece; bit for bit."""
    pipe = Pipe(0.5)
    whole = pipe("a cat")
    side = Pieces(prepared(pipe))

    for _ in range(side.per_call - 1):
        side.advance()
        assert side.picture is None
    side.advance()

    assert np.array_equal(side.picture, whole)


def test_two_pipelines_in_turns_draw_as_each_alone() -> None:
    """In any order, one in the middle of a call while the other begins."""
    pipes = [Pipe(0.5), Pipe(0.7)]
    alone = [pipe("a cat") for pipe in pipes]
    sides = [Pieces(prepared(pipe)) for pipe in pipes]

    for index in (0, 0, 1, 0, 1, 1, 0, 1, 0, 1):
        sides[index].advance()

    assert np.array_equal(sides[0].picture, alone[0])
    assert np.array_equal(sides[1].picture, alone[1])
    assert not np.array_equal(*alone)


@pytest.mark.parametrize("enabled", [True, False])
def test_gradients_are_off_inside_and_as_before_outside(enabled: bool) -> None:
    """After each piece, with calls that overlap, and after giving one up."""
    import torch

    pipes = [Pipe(0.5), Pipe(0.7)]
    sides = [Pieces(prepared(pipe)) for pipe in pipes]

    with torch.set_grad_enabled(enabled):
        for index in (0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1):
            sides[index].advance()
            assert torch.is_grad_enabled() is enabled
        for side in sides:
            side.close()
            assert torch.is_grad_enabled() is enabled
    assert set(pipes[0].grad + pipes[1].grad) == {False}


@pytest.mark.parametrize(("part", "before"), [("text", 0), ("step", 1), ("vae", STEPS + 1)])
def test_errors_of_the_pipeline_are_those_of_its_piece(part: str, before: int) -> None:
    """They leave the pipeline as it was, and the next piece begins a new call."""
    import torch

    pipe = Pipe(0.5, fails_in=part)
    side = Pieces(prepared(pipe))
    for _ in range(before):
        side.advance()

    with pytest.raises(FloatingPointError, match=part):
        side.advance()

    assert torch.is_grad_enabled()
    assert "encode_prompt" not in vars(pipe)
    pipe.fails_in = ""
    assert [name for name, _ in run_call(side)] == ["text", *["step"] * STEPS, "vae"]
    assert side.picture is not None


@pytest.mark.parametrize("done", range(STEPS + 3))
def test_close_gives_up_the_call_and_restores_the_pipeline(done: int) -> None:
    """Wherever it stands; closing twice is nothing, and it can go on with a new call."""
    pipe = Pipe(0.5)
    whole = pipe("a cat")
    side = Pieces(prepared(pipe))
    for _ in range(done):
        side.advance()
    assert ("encode_prompt" in vars(pipe)) is (0 < done < side.per_call or done > side.per_call)

    side.close()
    side.close()

    assert "encode_prompt" not in vars(pipe)
    assert np.array_equal(pipe("a cat"), whole)
    assert run_call(side)[0].name == "text"
    assert np.array_equal(side.picture, whole)


@pytest.mark.parametrize(("swapped", "order"), [(False, ["one", "two"]), (True, ["two", "one"])])
def test_run_calls_in_either_order(swapped: bool, order: list[str]) -> None:
    ran: list[str] = []

    def side(name: str) -> Callable[[], Piece]:
        def run() -> Piece:
            ran.append(name)
            return Piece(name, 1.0)

        return run

    found = pieces.run_calls(side("one"), side("two"), swapped)

    assert [piece.name for piece in found] == ["one", "two"]
    assert ran == order
