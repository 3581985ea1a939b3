"""What a planted fault is, and how a function becomes one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines.technique import Context, Variant

    Plant = Callable[[Any, Context], None]


@dataclass(frozen=True)
class Fault:
    """One way to be wrong, and where."""

    name: str
    summary: str
    """What is wrong, in one line."""
    plant: Callable[[Any, Context], None]
    """Change the built pipeline in place; it is of no other use afterwards."""
    component: str
    """Where it sits: ``loop``, ``unet``, ``vae``, ``text_encoder`` or ``text_encoder_2``."""
    source: str = ""
    """The real defect that it is modelled on."""
    applies: Callable[[Variant], str | None] = lambda variant: None
    """None, or the reason why it cannot be planted in this variant."""
    harmless: str = ""
    """Why it is no fault after all, so that a gate that fails it raises a false alarm."""


class Enter(Protocol):
    """Makes the decorator that enters a function into a table as a `Fault`."""

    def __call__(
        self,
        name: str,
        component: str,
        summary: str,
        source: str = "",
        applies: Callable[[Variant], str | None] = ...,
        harmless: str = "",
    ) -> Callable[[Plant], Plant]:
        """The arguments are the fields of `Fault`."""


def entering(table: dict[str, Fault]) -> Enter:
    """What enters functions into this table."""

    def fault(
        name: str,
        component: str,
        summary: str,
        source: str = "",
        applies: Callable[[Variant], str | None] = lambda variant: None,
        harmless: str = "",
    ) -> Callable[[Plant], Plant]:
        def enter(function: Plant) -> Plant:
            table[name] = Fault(name, summary, function, component, source, applies, harmless)
            return function

        return enter

    return fault
