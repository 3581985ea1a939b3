"""A pipeline of a few layers with the parts of SDXL, and what float32 was fed in it."""

from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.technique import Context
from perfsuite.quality.generation import Trace
from perfsuite.quality.modules import ModuleRecord, record_modules
from perfsuite.records import Device

INF = float("inf")
CPU = Device("cpu", "Example CPU", "cpu-example-1t", 1, 2**30)
Encoded = namedtuple("Encoded", ["first", "hidden_states"])


class Block(torch.nn.Module):  # type: ignore[misc]
    """Takes nested arguments and gives nested outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(6)
        self.linear = torch.nn.Linear(6, 6)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, sample: Any, *conditions: Any, mask: Any = None, options: Any = None) -> Any:
        """A tuple of the output and a further one."""
        hidden = self.dropout(self.linear(self.norm(sample)))
        for embeds, scale in conditions:
            hidden = hidden + scale * embeds.mean(1, keepdim=True)
        if options is not None and options["add"]:
            hidden = hidden + options["values"][0]
        if mask is not None:
            hidden = hidden + torch.softmax(mask + hidden, -1)
        return hidden, {"extra": [hidden * 2]}


class Strange(torch.nn.Module):  # type: ignore[misc]
    """Is called with what no file holds; what is inside it can be judged all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(6, 6)

    def forward(self, sample: Any, *, how: Any) -> Any:
        """`how` is a function."""
        return how(self.inner(sample))


class Unet(torch.nn.Module):  # type: ignore[misc]
    """Called as the pipeline calls its UNet."""

    def __init__(self) -> None:
        super().__init__()
        self.time = torch.nn.Linear(1, 6)
        self.block = Block()
        self.strange = Strange()
        self.twice = torch.nn.Linear(6, 6)
        self.unused = torch.nn.Linear(6, 6)

    def forward(
        self, sample: Any, timestep: Any, *, encoder_hidden_states: Any, added_cond_kwargs: Any, **rest: Any
    ) -> Any:
        """The output in a tuple."""
        hidden = sample.flatten(1)[:, None, :6] + self.time(timestep.to(sample.dtype).reshape(1, 1))
        mask = torch.zeros(1, 6, dtype=torch.float32)
        mask[0, 1] = torch.finfo(torch.float32).min
        hidden, _ = self.block(
            hidden,
            (encoder_hidden_states, 0.5),
            mask=mask.to(sample.dtype).clamp(min=torch.finfo(sample.dtype).min),
            options={"add": True, "values": [added_cond_kwargs["text_embeds"][:, None, :6]]},
        )
        hidden = self.strange(hidden, how=torch.tanh)
        return (self.twice(self.twice(hidden)),)


class Encoder(torch.nn.Module):  # type: ignore[misc]
    """Called as the pipeline calls its text encoders."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 6)
        self.layer = torch.nn.Linear(6, 6)

    def forward(self, tokens: Any, *, output_hidden_states: bool) -> Encoded:
        """First output and hidden states."""
        hidden = self.embedding(tokens)
        return Encoded(self.layer(hidden).mean(1), [hidden, self.layer(hidden), hidden])


class Vae(torch.nn.Module):  # type: ignore[misc]
    """Decodes as the pipeline's VAE does."""

    config = SimpleNamespace(force_upcast=False)

    def __init__(self) -> None:
        super().__init__()
        self.decoder = torch.nn.Conv2d(1, 3, 1)

    @property
    def dtype(self) -> Any:
        """Of the weights."""
        return self.decoder.weight.dtype

    def decode(self, latents: Any, return_dict: bool = True) -> Any:
        """The picture in a tuple."""
        return (self.decoder(latents),)


def make_pipe(dtype: torch.dtype = torch.float32) -> Any:
    """Equal weights whenever it is called."""
    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "text_encoder": Encoder(),
        "text_encoder_2": Encoder(),
        "unet": Unet(),
        "vae": Vae(),
    }
    return SimpleNamespace(**{name: model.eval().to(dtype) for name, model in parts.items()})


def make_context(variant: str = "fp32") -> Context:
    return Context(workloads.SHAPES, variants.get(variant), CPU)


def make_trace(steps: int = 12) -> Trace:
    generator = torch.Generator().manual_seed(1)
    sizes = {
        "samples": (steps, 2, 1, 2, 3), "noise": (steps, 2, 1, 6), "embeds": (2, 4, 6), "pooled": (2, 8),
        "time_ids": (2, 6), "decoder_input": (1, 1, 2, 3),
    }  # fmt: skip
    tensors = {name: torch.randn(size, generator=generator) for name, size in sizes.items()}
    tensors["timesteps"] = torch.linspace(0.9, 0.1, steps)
    tensors["rows"] = torch.full((steps,), 2)
    for name in ("text_encoder", "text_encoder_2"):
        tensors[f"{name}.tokens"] = torch.tensor([[1, 2, 3]])
    return Trace(tensors, np.zeros((2, 3, 3), dtype=np.float32))


def record_all(folder: Path, traces: list[Trace], **options: Any) -> list[ModuleRecord]:
    with torch.no_grad():
        return record_modules(make_pipe(), make_context(), traces, folder, **options)


def names(records: list[ModuleRecord], component: str = "unet") -> list[str]:
    return [r.place.part for r in records if r.place.component == component]
