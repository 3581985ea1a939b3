"""What a compiler's mistake is, and how a function becomes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines.technique import Variant

    Plant = Callable[[Any], tuple[str, ...]]

OWN = "of our own making"
"""The source of a mistake for which no public report is known."""


@dataclass(frozen=True)
class Mistake:
    """One way for compiled code to be wrong while the eager form is right."""

    name: str
    summary: str
    """What is wrong, in one line."""
    source: str
    """The report of the mistake that it is modelled on, or `OWN`."""
    component: str
    """Whose graph is changed: ``unet`` or ``vae``, of which only the decoder is compiled."""
    plant: Callable[[Any], tuple[str, ...]]
    """Change the FX graph that Inductor gets; the modules in which something was changed, none if it has no
    place for this mistake."""
    in_blocks: bool = False
    """Whether a transformer block compiled alone has places for it."""
    needs: str = ""
    without: str = ""
    """Optimizations that make the graph have places for it, or lose them."""

    def changes(self, component: str) -> bool:
        """Whether a compiled graph is one that it is planted into; `component` as of `component_of`."""
        return component == self.component or (component == "block" and self.in_blocks)

    def applies(self, variant: Variant) -> str | None:
        """None, or the reason why it cannot be planted in this variant."""
        if not variant.compiled:
            return "nothing of it is compiled"
        if "compile-regional" in variant and not self.in_blocks:
            return "only its transformer blocks are compiled"
        if self.needs and self.needs not in variant:
            return f"it has no {self.needs}"
        if self.without and self.without in variant:
            return f"{self.without} replaces what it would change"
        return None


def entering(table: dict[str, Mistake], component: str = "unet") -> Callable[..., Callable[[Plant], Plant]]:
    """What enters functions into this table, as mistakes of this component."""

    def mistake(
        name: str,
        summary: str,
        source: str = OWN,
        *,
        of: str = component,
        in_blocks: bool = False,
        needs: str = "",
        without: str = "",
    ) -> Callable[[Plant], Plant]:
        def enter(function: Plant) -> Plant:
            table[name] = Mistake(name, summary, source, of, function, in_blocks, needs, without)
            return function

        return enter

    return mistake


def entering_both(table: dict[str, Mistake]) -> Callable[..., Callable[[Plant], Plant]]:
    """What enters a function as a mistake of the UNet, and as the same of the decoder."""
    mistake = entering(table)

    def both(name: str, summary: str, source: str = OWN) -> Callable[[Plant], Plant]:
        def enter(function: Plant) -> Plant:
            mistake(name, summary, source)(function)
            return mistake(f"decoder-{name}", f"{summary}, in the decoder", source, of="vae")(function)

        return enter

    return both


def issue(number: int) -> str:
    """Address of an issue or a pull request of PyTorch."""
    return f"https://github.com/pytorch/pytorch/issues/{number}"
