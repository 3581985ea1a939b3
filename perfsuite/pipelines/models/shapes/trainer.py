"""One network's training: schedule, moving average, checkpoints."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    temporary = path.with_suffix(".tmp")
    save_file({k: v.detach().contiguous() for k, v in tensors.items()}, temporary)
    os.replace(temporary, path)


class Trainer:
    """AdamW with warm-up and cosine decay, an EMA, checkpoints, and a progress line."""

    def __init__(
        self,
        name: str,
        modules: dict[str, torch.nn.Module],
        work: Path,
        steps: int,
        rate: float,
        average: float = 0.999,
        hold: int = 0,
    ) -> None:
        """`hold`: steps at the full rate, before the decay begins."""
        self.name, self.modules, self.steps, self.rate, self.hold = name, modules, steps, rate, hold
        self.path = work / f"{name}.safetensors"
        self.average = average
        self.parameters = {
            f"{m}.{k}": p
            for m, module in modules.items()
            for k, p in module.named_parameters()
            if p.requires_grad
        }
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-3
        )
        self.ema = {k: p.detach().clone() for k, p in self.parameters.items()}
        self.step, self.seconds = 0, 0.0
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        stored = load_file(self.path)
        self.step, self.seconds = int(stored["step"]), float(stored["seconds"])
        for name, parameter in self.parameters.items():
            parameter.data.copy_(stored[f"weight/{name}"])
            self.ema[name].copy_(stored[f"ema/{name}"])
            if self.step:
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.step)),
                    "exp_avg": stored[f"first/{name}"],
                    "exp_avg_sq": stored[f"second/{name}"],
                }
        print(f"{self.name}: resumed at step {self.step}", flush=True)

    def save(self) -> None:
        tensors = {"step": torch.tensor(self.step), "seconds": torch.tensor(self.seconds)}
        for name, parameter in self.parameters.items():
            state = self.optimizer.state.get(parameter) or {}
            tensors[f"weight/{name}"] = parameter
            tensors[f"ema/{name}"] = self.ema[name]
            tensors[f"first/{name}"] = state.get("exp_avg", torch.zeros_like(parameter))
            tensors[f"second/{name}"] = state.get("exp_avg_sq", torch.zeros_like(parameter))
        write(self.path, tensors)

    def run(
        self,
        loss_of: Callable[[int], torch.Tensor],
        every: int = 50,
        until: int | None = None,
        keep: int = 500,
    ) -> None:
        """Train to the planned step (or stop `until` there) with `loss_of(step)`.

        Says so `every` so many steps, and saves each time that `keep` are done.
        """
        end = self.steps if until is None else min(until, self.steps)
        warmup = min(200, max(1, self.steps // 10))
        mark, running = time.monotonic(), []
        while self.step < end:
            progress = max(0, self.step - self.hold) / (self.steps - self.hold)
            scale = min(1.0, (self.step + 1) / warmup) * 0.5 * (1.0 + math.cos(math.pi * progress))
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * max(scale, 0.01)
            loss = loss_of(self.step)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.step += 1
            decay = min(self.average, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.ema.values()), list(self.parameters.values()), 1 - decay)
            running.append(float(loss.detach()))
            if self.step % every == 0 or self.step == end:
                now = time.monotonic()
                self.seconds, elapsed, mark = self.seconds + now - mark, now - mark, now
                left = elapsed / len(running) * (end - self.step) / 60
                print(
                    f"{self.name}: step {self.step}/{end}  loss {np.mean(running):.4f}  "
                    f"{elapsed / len(running):.3f} s/step  {left:.0f} min left",
                    flush=True,
                )
                running = []
            if self.step % keep == 0 or self.step == end:
                self.save()

    def take_average(self) -> None:
        """Replace the weights by their moving average, as used for export."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.ema[name])
