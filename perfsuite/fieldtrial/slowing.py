"""Slower code in every process of an interpreter: the UNet of a bfloat16 rung does a share more of its work.

A ``.pth`` file of the trial's interpreter calls `install` at its start, so fresh worker processes are slowed
too and no line of the product knows. After each forward that took t seconds the same forward is begun again
and broken off, before one of its modules, once share * t seconds have passed; what that was too much or too
little is taken from the next one's. So the extra is the UNet's own work, the same share of each step, and
over a call exact to a module's time. The picture is that of the whole forward.

Nothing here is imported at start but what Python has loaded anyway.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PERCENT = "PERFSUITE_FIELD_SLOWER"
"""Environment variable: percent of more work; nothing is slowed without it."""
PROOF = "PERFSUITE_FIELD_PROOF"
"""Environment variable: folder in which each process notes what it did, in a file of its id."""
TARGET = "diffusers.models.unets.unet_2d_condition"
LEAST_S = 1e-6
"""Smaller debts wait for the next forward: beside the time of day they would be lost in rounding."""
NOTE_EVERY = 25
"""Forwards between notes: a worker ends without a last word."""


class _EnoughError(Exception):
    """Breaks off a repeated forward."""


class _Finder:
    """Slows the UNet's class as soon as its module is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        loader: Any = spec.loader
        run = loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            slow(module.UNet2DConditionModel, int(os.environ[PERCENT]) / 100)

        loader.exec_module = exec_module
        return spec


def install() -> None:
    """Slow what this process will import, if the environment says so.

    Once: in a virtual environment Python runs a path file's code twice, and twice the share is another share.
    """
    if int(os.environ.get(PERCENT) or 0) and not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def slow(model: Any, share: float, clock: Callable[[], float] = time.perf_counter) -> None:
    """Make a model's class do `share` more of its work in each forward of a bfloat16 instance."""
    import torch

    forward = model.forward
    debts: dict[int, _Debt] = {}

    @functools.wraps(forward)
    def slower(self: Any, *args: Any, **options: Any) -> Any:
        start = clock()
        result = forward(self, *args, **options)
        if self.dtype == torch.bfloat16:
            debt = debts.setdefault(id(self), _Debt(share, clock))
            debt.work_off(clock() - start, lambda: forward(self, *args, **options))
        return result

    model.forward = slower


class _Debt:
    """What one model owes of its extra work, in seconds."""

    def __init__(self, share: float, clock: Callable[[], float]) -> None:
        self._share, self._clock = share, clock
        self._owed_s = self._own_s = self._extra_s = 0.0
        self._forwards = 0

    def work_off(self, took_s: float, again: Callable[[], object]) -> None:
        """Owe the share of a forward's seconds, and repeat so much of it."""
        self._own_s += took_s
        self._owed_s += self._share * took_s
        while self._owed_s > LEAST_S:
            start = self._clock()
            self._begin(again, start + self._owed_s)
            spent = self._clock() - start
            self._owed_s -= spent
            self._extra_s += spent
        self._forwards += 1
        if self._forwards % NOTE_EVERY == 0:
            self._note()

    def _begin(self, again: Callable[[], object], until: float) -> None:
        """Run the forward, as far as the time reaches."""
        from torch.nn.modules.module import register_module_forward_pre_hook

        def stop(module: Any, inputs: Any) -> None:
            if self._clock() >= until:
                raise _EnoughError

        hook = register_module_forward_pre_hook(stop)
        try:
            again()
        except _EnoughError:
            pass
        finally:
            hook.remove()

    def _note(self) -> None:
        """Leave the share that was done so far."""
        folder = os.environ.get(PROOF)
        if folder:
            with open(os.path.join(folder, str(os.getpid())), "w") as file:
                file.write(f"{self._extra_s / self._own_s}\n")
