"""How a pipeline spells the call of its denoiser, so that the same call can be made apart from it.

Compiled code serves only calls that are spelled as those that it was compiled for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Spelling:
    """Which argument is what."""

    conditions: Mapping[str, str] = field(hash=False)
    """What stays the same from step to step: a name, and the argument's, inside a dictionary after a dot."""
    fixed: Mapping[str, Any] = field(hash=False)
    """Arguments that are no tensors, and are the same in every call."""
    sample: str = ""
    """Argument of the latents; empty: the first of those without a name."""
    timestep: str = ""
    """Argument of the time; empty: the second of those without a name."""
    each: bool = False
    """Whether the time is given once a sample."""
    casts: bool = False
    """Whether the time is in the precision of the latents; else it is as the scheduler has it."""
    kept: tuple[str, ...] = ()
    """Conditions that are in float32 whatever the precision."""
    shared: tuple[str, ...] = ()
    """Conditions that are the same for every sample, and have no rows."""

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        """Latents, time and conditions of a call; a condition that is not given is left out."""
        sample = kwargs[self.sample] if self.sample else args[0]
        time = kwargs[self.timestep] if self.timestep else args[1]
        found = {name: _at(kwargs, path) for name, path in self.conditions.items()}
        return sample, time, {name: value for name, value in found.items() if value is not None}

    def call(self, denoiser: Any, sample: Any, timestep: Any, conditions: Mapping[str, Any]) -> Any:
        """What the denoiser gives first."""
        kwargs: dict[str, Any] = {}
        for name, path in self.conditions.items():
            holder, _, key = path.rpartition(".")
            inner = kwargs.setdefault(holder, {}) if holder else kwargs
            inner[key] = conditions.get(name)
        if self.each:
            timestep = timestep.expand(len(sample))
        if self.casts:
            timestep = timestep.to(sample.dtype)
        args = []
        for name, value in ((self.sample, sample), (self.timestep, timestep)):
            if name:
                kwargs[name] = value
            else:
                args.append(value)
        return denoiser(*args, **kwargs, **self.fixed)[0]


def _at(kwargs: Mapping[str, Any], path: str) -> Any:
    holder, _, key = path.rpartition(".")
    inner = (kwargs.get(holder) or {}) if holder else kwargs
    return inner.get(key)


_AS_A_TUPLE: Mapping[str, Any] = {"return_dict": False}
_OF_UNET = {**_AS_A_TUPLE, "timestep_cond": None, "cross_attention_kwargs": None}
SDXL = Spelling(
    conditions={
        "embeds": "encoder_hidden_states",
        "pooled": "added_cond_kwargs.text_embeds",
        "time_ids": "added_cond_kwargs.time_ids",
    },
    fixed=_OF_UNET,
)
SD15 = Spelling(conditions={"embeds": "encoder_hidden_states"}, fixed={**_OF_UNET, "added_cond_kwargs": None})
PIXART = Spelling(
    conditions={
        "embeds": "encoder_hidden_states",
        "mask": "encoder_attention_mask",
        "resolution": "added_cond_kwargs.resolution",
        "aspect_ratio": "added_cond_kwargs.aspect_ratio",
    },
    fixed=_AS_A_TUPLE,
    timestep="timestep",
    each=True,
)
SD3 = Spelling(
    conditions={"embeds": "encoder_hidden_states", "pooled": "pooled_projections"},
    fixed={**_AS_A_TUPLE, "joint_attention_kwargs": None},
    sample="hidden_states",
    timestep="timestep",
    each=True,
)
FLUX = Spelling(
    conditions={
        "embeds": "encoder_hidden_states",
        "pooled": "pooled_projections",
        "guidance": "guidance",
        "txt_ids": "txt_ids",
        "img_ids": "img_ids",
    },
    fixed={**_AS_A_TUPLE, "joint_attention_kwargs": {}},
    sample="hidden_states",
    timestep="timestep",
    each=True,
    casts=True,
    kept=("guidance",),
    shared=("txt_ids", "img_ids"),
)
KANDINSKY = Spelling(
    conditions={"image_embeds": "added_cond_kwargs.image_embeds"},
    fixed={**_AS_A_TUPLE, "encoder_hidden_states": None},
    sample="sample",
    timestep="timestep",
)
