"""Relative errors of tensors, and the places that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class QualityError(RuntimeError):
    """Quality cannot be judged: the message names what does not fit, and the remedy."""


@dataclass(frozen=True)
class Place:
    """Where in a generation an error was measured."""

    component: str
    """``text_encoder``, ``text_encoder_2``, ``unet``, ``vae`` or ``loop``."""
    part: str = ""
    """Qualified name of a module inside the component, or which of the loop's values; empty: its output."""
    prompt: int = 0
    step: int | None = None
    """Denoising step, from 0."""

    def __str__(self) -> str:
        words = [f"{self.component}.{self.part}" if self.part else self.component]
        if self.step is not None:
            words.append(f"step {self.step}")
        words.append(f"prompt {self.prompt}")
        return ", ".join(words)

    @property
    def key(self) -> str:
        """As text that `from_key` reads."""
        step = "" if self.step is None else str(self.step)
        return "|".join((self.component, self.part, str(self.prompt), step))

    @classmethod
    def from_key(cls, key: str) -> Place:
        """The place that `key` was made of; raises `ValueError` for other text."""
        component, part, prompt, step = key.split("|")
        return cls(component, part, int(prompt), int(step) if step else None)


Errors = dict[Place, float]
"""Relative L2 errors in the order in which their places are passed during a generation."""


def tensors_in(tree: Any) -> Iterator[Any]:
    """The floating tensors of nested tuples, lists, dicts and model outputs, in a fixed order."""
    import torch

    if isinstance(tree, torch.Tensor):
        if tree.is_floating_point():
            yield tree
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from tensors_in(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from tensors_in(item)


def relative_l2(value: Any, reference: Any) -> float:
    """``|value - reference| / |reference|`` (L2 norms) of two tensors or trees of tensors.

    Of a tree the largest over its tensors. Infinite where `value` holds NaN or Inf, or differs from
    the reference in shape or number of tensors.
    """
    import torch

    values, references = list(tensors_in(value)), list(tensors_in(reference))
    if len(values) != len(references):
        return float("inf")
    worst = 0.0
    for one, other in zip(values, references, strict=True):
        value, target = (t.detach().to(device="cpu", dtype=torch.float32) for t in (one, other))
        worst = max(worst, error_of(value, target))
    return worst


def error_of(value: Any, exact: Any) -> float:
    """`relative_l2` of two tensors, computed where they are and in the type of `exact`."""
    import torch

    if value.shape != exact.shape:
        return float("inf")
    difference = value.to(exact.dtype) - exact
    size = float(torch.linalg.vector_norm(exact, dtype=torch.float64))
    error = float(torch.linalg.vector_norm(difference, dtype=torch.float64))
    if not error < float("inf"):
        return float("inf")
    # A value of zeros (a masked branch) has no scale of its own.
    return error / max(size, 1e-6 * max(exact.numel(), 1) ** 0.5)
