"""What importing the heavy packages takes, which a start begins with."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass

from perfsuite.device import load

MODULES = (
    "torch", "diffusers", "transformers",
    "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl",
    "diffusers.models.unets.unet_2d_condition", "diffusers.models.autoencoders.autoencoder_kl",
    "transformers.models.clip.modeling_clip",
)  # fmt: skip
"""All that building a pipeline needs, so that no build pays for it."""
COMPILER = ("torch._dynamo", "torch._inductor.compile_fx")
"""What compiling needs beside, some 150 modules: pytest looks into each that is imported, so a first call in
its process paid more for them than one in a worker's."""


@dataclass
class Imports:
    """Of this process."""

    seconds: float | None = None
    """None where somebody else imported torch before, so that nobody knows."""
    contended: bool = False
    fixed_work_s: tuple[float, float] = (0.0, 0.0)
    """Before and after."""
    _begun: bool = False

    def bring(self, *modules: str) -> None:
        """Import these now, or all, and remember how long it took; nothing where they are there."""
        wanted = [name for name in modules or MODULES if name not in sys.modules]
        if not self._begun:
            self._begun, self.seconds = True, 0.0 if "torch" in wanted else None
        if not wanted:
            return
        with load.watching(1) as watch:
            for name in wanted:
                importlib.import_module(name)
        if self.seconds is not None:
            self.seconds += watch.seconds
        self.contended |= watch.contended
        before_s, after_s = watch.fixed_work_s
        self.fixed_work_s = (self.fixed_work_s[0] or before_s, after_s)

    def take(self) -> float | None:
        """The seconds, once."""
        seconds, self.seconds = self.seconds, None
        return seconds


IMPORTS = Imports()
"""One a process."""
