"""What the denoiser did, call by call, in one short eager generation: batch log, run matrix, latents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import NotEngagedError, eager, models, some

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from perfsuite.pipelines.technique import Context


@dataclass
class Steps:
    """One generation, a place a call of the denoiser."""

    batches: list[int] = field(default_factory=list)
    """Rows that the denoiser was given."""
    timesteps: list[float] = field(default_factory=list)
    ran: dict[str, list[bool]] = field(default_factory=dict)
    """By qualified name inside the denoiser: whether the module ran in the call."""
    latents: list[Any] = field(default_factory=list)
    """After each step, on the device."""

    @property
    def final(self) -> Any:
        """The last latents."""
        return self.latents[-1]


def watch(pipe: Any, context: Context, steps: int | None = None, modules: Iterable[str] = ()) -> Steps:
    """Draw one picture and keep what happened in each call of the denoiser; of all steps without `steps`."""
    family = family_of(pipe)
    denoiser = models(pipe)[family.denoiser]
    found = Steps(ran={name: [] for name in modules})

    def entering(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample, timestep, _ = family.spelling.read(args, kwargs)
        found.batches.append(len(sample))
        found.timesteps.append(float(timestep.reshape(-1)[0]))
        for calls in found.ran.values():
            calls.append(False)

    def running(name: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            found.ran[name][-1] = True

        return hook

    def after_step(step: int, latents: Any) -> None:
        found.latents.append(latents.detach().clone())

    handles = [denoiser.register_forward_pre_hook(entering, with_kwargs=True)]
    try:
        handles += [denoiser.get_submodule(n).register_forward_hook(running(n)) for n in found.ran]
        with eager(pipe):
            context.generate(pipe, steps=steps, **family.on_latents(after_step))
    finally:
        for handle in handles:
            handle.remove()
    return found


def check_ran(found: Steps, wanted: Mapping[str, list[bool]]) -> None:
    """Raise `NotEngagedError` where modules ran in other calls than they are to."""
    wrong = [
        f"{name} ran in {said_calls(found.ran[name])} calls of the UNet, wanted {said_calls(calls)}"
        for name, calls in wanted.items()
        if found.ran[name] != calls
    ]
    if wrong:
        raise NotEngagedError(some(wrong))


def said_calls(calls: list[bool]) -> str:
    """As ``2 of 5 (x..x.)``."""
    return f"{sum(calls)} of {len(calls)} ({''.join('x' if ran else '.' for ran in calls)})"


def check_batches(found: Steps, wanted: list[int]) -> None:
    """Raise `NotEngagedError` where the UNet was given other numbers of rows."""
    if found.batches != wanted:
        raise NotEngagedError(f"the UNet was called with batches {found.batches}, wanted {wanted}")
