"""The work of each piece of a call of any pipeline, by what it gives its models.

One short eager call tells the shapes; the arithmetic is then counted on models without memory, so it is that
of the mathematics, whatever a variant fuses or quantizes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import decoder_part, eager, models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfsuite.pipelines import Prepared


def work_of(prepared: Prepared) -> tuple[int, int, int]:
    """Floating point operations of the text encoders, of one denoising step, and of the decoder."""
    pipe = prepared.pipe
    family, roots = family_of(pipe), models(pipe)
    watched = {
        **{name: getattr(pipe, name) for name in family.encoders},
        family.denoiser: roots[family.denoiser],
        family.decoder: decoder_part(pipe),
    }
    with _hearing(watched) as calls, eager(pipe):
        prepared.context.generate(pipe, steps=1)
    decoder = _without_memory(roots[family.decoder]).decoder
    denoiser = _without_memory(roots[family.denoiser])
    text = sum(
        _flop(_without_memory(watched[name]), call) for name in family.encoders for call in calls[name]
    )
    return text, _flop(denoiser, calls[family.denoiser][0]), _flop(decoder, calls[family.decoder][0])


@contextlib.contextmanager
def _hearing(watched: dict[str, Any]) -> Iterator[dict[str, list[Any]]]:
    """What each model is given while the block runs, without data."""
    calls: dict[str, list[Any]] = {name: [] for name in watched}

    def hear(name: str) -> Callable[..., None]:
        def heard(module: Any, args: Any, kwargs: Any) -> None:
            # A mask changes no arithmetic, and without data nobody can look whether it masks anything.
            kwargs = {key: None if key == "attention_mask" else value for key, value in kwargs.items()}
            calls[name].append((_without_data(args), _without_data(kwargs)))

        return heard

    handles = [
        model.register_forward_pre_hook(hear(name), with_kwargs=True) for name, model in watched.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _without_data(tree: Any) -> Any:
    import torch
    from torch.utils._pytree import tree_map

    def bare(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        dtype = torch.float32 if value.is_floating_point() else value.dtype
        return torch.empty(value.shape, dtype=dtype, device="meta")

    return tree_map(bare, tree)


def _without_memory(model: Any) -> Any:
    """The same architecture as diffusers or transformers makes it."""
    import torch

    with torch.device("meta"):
        made = type(model).from_config if hasattr(model, "from_config") else type(model)
        return made(model.config).eval()


def _flop(model: Any, call: Any) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    args, kwargs = call
    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        model(*args, **kwargs)
    return int(counter.get_total_flops())
