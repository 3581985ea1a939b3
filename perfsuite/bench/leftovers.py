"""What a variant leaves behind in memory: tensors of its pipeline that are alive after its release."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from perfsuite.records import Quantity, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE_BYTES = 256 << 20
"""Allocated by torch on CUDA once all is released: workspaces of libraries, which stay."""


HELD_BYTES, HELD_PICTURES = 256 << 20, 64
"""Of a CPU's memory more after a variant's release than before its build, besides so many pictures in
float32: what libraries set up once, and what reports and verdicts keep of it."""


class Leftovers:
    """Knows the weights of a pipeline that is about to be released, without holding them."""

    def __init__(self, pipe: Any) -> None:
        self._tensors = [(weakref.ref(t), t.numel() * t.element_size()) for t in _tensors(pipe)]

    def alive_bytes(self) -> int:
        """Of the weights that somebody still holds; garbage is to be collected before."""
        return sum(size for tensor, size in self._tensors if tensor() is not None)


def _tensors(pipe: Any) -> Iterator[Any]:
    for part in getattr(pipe, "components", {}).values():
        if hasattr(part, "parameters"):
            yield from part.parameters()
            yield from part.buffers()


def left_behind(size: int) -> Quantity:
    """The verdict on bytes that a released variant still holds: there must be none."""
    detail = f"{size / 2**20:.1f} MiB of its weights are held after it was released: something keeps them"
    verdict = Verdict(Status.REGRESSED, candidate_sessions=1, detail=detail)
    return Quantity("left behind", "bytes", float(size), verdict, 0.0)


def held_behind(before: int, after: int, picture_bytes: int) -> Quantity | None:
    """The verdict on what else is held once a variant is released, None where that is little.

    Args:
        before: bytes that allocators had given out before it was built.
        after: once it was released, and garbage was collected.
        picture_bytes: of one picture in float32.
    """
    more, allowed = after - before, HELD_BYTES + HELD_PICTURES * picture_bytes
    if more <= allowed:
        return None
    detail = (
        f"{more / 2**20:.0f} MiB more are held after it was released than before it was built, none of them "
        f"its weights; allowed are {allowed / 2**20:.0f} MiB"
    )
    verdict = Verdict(Status.REGRESSED, candidate_sessions=1, detail=detail)
    return Quantity("held behind", "bytes", float(more), verdict, float(allowed))
