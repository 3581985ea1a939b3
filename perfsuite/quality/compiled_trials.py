"""What is tried of compiled code: a compiler's mistakes, and builds that are honest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import variants
from perfsuite.quality.trials import Honest, Trial

if TYPE_CHECKING:
    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.compiled_crediting import Located

LOOK = "compiled"
"""The look that sees into compiled code; all others see what leaves it."""
VARIANTS = ("bf16-sdpa-compile", "bf16-sdpa-compile-qkv-int8")
OTHER_SIZE = "@192x128"


@dataclass(frozen=True)
class CompiledTrial(Trial):
    """One compiled pipeline, honest or with a mistake in its code, and where a look saw it."""

    component: str = ""
    source: str = ""
    """The report of the mistake."""
    planted: tuple[str, ...] = ()
    """Modules in which the graph was changed, in a block that is compiled alone by their name within it."""
    change: float | None = None
    """Relative L2 distance of the component's output from that of honest compiled code; in a group that
    of its graph with this mistake alone, both run operator by operator. Without any it is no mistake."""
    rounding: float | None = None
    """The same distance of honest compiled code's output from that of float32: what rounding does anyway."""
    group: int | None = None
    """Number, from 1, of the group that was compiled together; None where it was alone."""
    place: str = ""
    """Where the look into compiled code saw most of it, as near as it saw it."""
    ratio: float | None = None
    """The error there, in multiples of its budget; None where it was not seen, or where it is NaN."""
    located: Located | None = None
    seconds: float = 0.0

    def caught_by_outputs(self) -> bool:
        """True if a look that sees outputs alone fails the pipeline, with all that was planted in it."""
        return any(self.caught(look.name) for look in self.quality.looks if look.name != LOOK)

    def finders(self) -> tuple[str, ...]:
        """The looks that fail the pipeline."""
        return tuple(look.name for look in self.quality.looks if self.caught(look.name))


def _again(prepared: Prepared, **flags: object) -> None:
    """Compile anew what runs next, with these flags of Inductor, which `release` puts back."""
    import torch

    for name, value in flags.items():
        setattr(torch._inductor.config, name, value)
    torch._dynamo.reset()


def _threads(count: int) -> Any:
    def change(prepared: Prepared) -> None:
        import torch

        torch.set_num_threads(count)
        _again(prepared, fx_graph_cache=False)

    return change


def _fused(prepared: Prepared) -> None:
    _again(prepared, epilogue_fusion=True)


def _cold(prepared: Prepared) -> None:
    _again(prepared, force_disable_caches=True)


def honest_cases(variant: str) -> tuple[Honest, ...]:
    """Ways to compile a variant that change nothing in what is computed."""
    return (
        Honest("as built", variant),
        Honest("other seeds", variant, other_seed=True),
        Honest("other prompts", variant, other_prompts=True),
        Honest("other seeds and prompts", variant, other_seed=True, other_prompts=True),
        Honest("other size", variant, size=OTHER_SIZE),
        Honest("one thread", variant, _threads(1)),
        Honest("two threads", variant, _threads(2)),
        Honest("epilogues fused", variant, _fused),
        Honest("compiled from the cache", variant, _again),
        Honest("compiled without any cache", variant, _cold),
    )


def get_variant(name: str) -> Variant:
    """A variant of which something is compiled; raises `ValueError` for another."""
    variant = variants.get(name)
    if not variant.compiled:
        raise ValueError(
            f"{variant.name}: nothing of it is compiled; name a variant with compile or compile-regional, "
            f"or leave --compiled out"
        )
    return variant
