"""What is generated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """What is generated: model, size, steps, guidance, prompts and the seed of the latents."""

    name: str
    model: str
    """Name of a model, one of the suite's or a registered one."""
    width: int
    height: int
    """Pixels."""
    steps: int
    """Denoising steps."""
    guidance: float
    """Classifier-free guidance scale; above 1 each step denoises two samples."""
    prompts: tuple[str, ...]
    """The first is timed; all are compared with float32."""
    seed: int
    """Of the CPU generator that draws the first latents; prompt i uses seed + i."""
    batch: int = 1
    """Pictures of one prompt that a call draws, each from latents of its own."""
    variations: tuple[str, ...] = ()
    """Other calls that a built pipeline is to serve without compiling anew, each as in a workload's name
    after the ``@``: ``640x640``, ``b2``, ``g0`` (guidance)."""

    @property
    def protocol(self) -> str:
        """What must be equal for two latencies to be comparable, as one line of text."""
        return (
            f"{self.model} {self.width}x{self.height} {self.steps} steps guidance {self.guidance:g} "
            f"batch {self.batch} seed {self.seed} prompt {self.prompts[0]!r}"
        )
