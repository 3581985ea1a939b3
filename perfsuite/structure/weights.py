"""How much memory the models hold in tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.structure.operators import components

if TYPE_CHECKING:
    from collections.abc import Iterator


def weights_bytes(pipe: Any) -> dict[str, int]:
    """Bytes of the distinct memory that each component's modules hold: weights, buffers, plain attributes.

    What two modules share counts once, with the component that runs first. Plain attributes count because a
    copy that something keeps there is memory all the same.
    """
    seen: set[int] = set()
    found = {}
    for name, model in components(pipe).items():
        total = 0
        for module in model.modules():
            for tensor in _held(vars(module)):
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in seen:
                    seen.add(storage.data_ptr())
                    total += storage.nbytes()
        found[name] = total
    return found


def _held(value: Any, depth: int = 0) -> Iterator[Any]:
    """Plain tensors in an attribute, in a collection of a few levels, and inside tensor subclasses."""
    import torch

    if isinstance(value, torch.Tensor):
        if hasattr(value, "__tensor_flatten__"):
            for name in value.__tensor_flatten__()[0]:
                yield from _held(getattr(value, name))
        else:
            yield value
    elif depth < 3 and isinstance(value, dict):
        for member in value.values():
            yield from _held(member, depth + 1)
    elif depth < 3 and isinstance(value, list | tuple):
        for member in value:
            yield from _held(member, depth + 1)
