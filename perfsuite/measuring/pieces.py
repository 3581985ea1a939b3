"""A pipeline's calls in pieces, so that two pipelines can be measured in turns of milliseconds.

The machine drifts within seconds; what is to be compared must run within tens of milliseconds of each
other. The pieces are those of the real call of the real pipeline: a greenlet runs it and hands over after
the text encoders and after each denoising step. A greenlet stays in its thread, so OpenMP keeps one pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from perfsuite.device.clock import now
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.schedules import calls_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from greenlet import greenlet

    from perfsuite.pipelines import Prepared


class Piece(NamedTuple):
    """A part of one call."""

    name: str
    """``text`` (text encoders), ``step`` (one denoising step; the first also prepares the latents) or
    ``vae`` (decoding, and what makes the picture)."""
    seconds: float


def kinds_of(pipe: Any, steps: int) -> dict[str, int]:
    """How many pieces of each kind a call of so many steps has.

    A scheduler may end more steps than it was asked for, as PNDM does; not every pipeline has text encoders.
    """
    text = {"text": 1} if family_of(pipe).encoders else {}
    return {**text, "step": calls_in(pipe.scheduler, steps), "vae": 1}


class Pieces:
    """Generations of one pipeline, a piece at a time, one after the other without end."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._inside: greenlet | None = None
        self.per_call = sum(kinds_of(prepared.pipe, prepared.context.drawn.steps).values())
        """Pieces of one call."""
        self.picture: Any = None
        """What the last whole call drew."""

    def advance(self) -> Piece:
        """Run the next piece; its seconds with the device idle on both sides.

        Raises what the pipeline raises.
        """
        import torch
        from greenlet import greenlet

        # Also around the pipeline's own no_grad: two calls that overlap would else each put back what
        # the other had set.
        with torch.no_grad():
            if self._inside is None or self._inside.dead:
                self._inside = greenlet(self._generate)
            start = now()
            name = self._inside.switch()
            return Piece(name, now() - start)

    def close(self) -> None:
        """Give up a call that is half done."""
        import torch

        if self._inside is not None and not self._inside.dead:
            with torch.no_grad():  # as in `advance`
                self._inside.throw()
        self._inside = None

    def _generate(self) -> str:
        pipe, context = self._prepared.pipe, self._prepared.context
        encode = pipe.encode_prompt

        def encode_prompt(*args: Any, **options: Any) -> Any:
            found = encode(*args, **options)
            self._hand_over("text")
            return found

        pipe.encode_prompt = encode_prompt
        try:
            step = family_of(pipe).on_step(lambda: self._hand_over("step"))
            self.picture = context.generate(pipe, **step)
        finally:
            del pipe.encode_prompt
        return "vae"

    @staticmethod
    def _hand_over(name: str) -> None:
        from greenlet import getcurrent

        parent = getcurrent().parent
        assert parent is not None
        parent.switch(name)


def run_calls(first: Callable[[], Piece], second: Callable[[], Piece], swapped: bool) -> tuple[Piece, Piece]:
    """Let both run their next piece, `second` before `first` if `swapped`; pieces in the order given."""
    if swapped:
        later = second()
        return first(), later
    earlier = first()
    return earlier, second()
