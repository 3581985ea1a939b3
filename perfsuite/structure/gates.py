"""The deterministic gates by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.structure.activations import check_dtypes, check_layout, why_no_layout
from perfsuite.structure.engagement import check_engagement
from perfsuite.structure.graphs import (
    check_compiled_runs,
    check_cudagraphs,
    check_fallbacks,
    check_graphs,
    check_recompilations,
)
from perfsuite.structure.leaks import check_leaks
from perfsuite.structure.syncs import check_syncs

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import StructureCheck

GATES: dict[str, Callable[[Prepared], StructureCheck]] = {
    "engagement": check_engagement,
    "dtypes": check_dtypes,
    "layout": check_layout,
    "graphs": check_graphs,
    "recompilations": check_recompilations,
    "compiled-runs": check_compiled_runs,
    "cudagraphs": check_cudagraphs,
    "fallbacks": check_fallbacks,
    "syncs": check_syncs,
    "leaks": check_leaks,
}

_UNCONCERNED: dict[str, Callable[[Variant], str | None]] = {"layout": why_no_layout}
"""Gates that have nothing to say of some variants, as the variant's techniques tell before it is built."""


def unconcerned(gate: str, variant: Variant) -> str | None:
    """Why a gate has nothing to say of a variant, None if it has."""
    return _UNCONCERNED[gate](variant) if gate in _UNCONCERNED else None
