"""Mistakes that a compiler can make: the graph that Inductor gets is changed, the eager form stays right.

Most are modelled on ones that Inductor made, each with the report. They are chosen by their place among the
modules, so that any SDXL will do, and whatever else is compiled of the same model.
"""

from __future__ import annotations

from perfsuite.quality.faults.compiler import attention, convolutions, linears, norms, pointwise
from perfsuite.quality.faults.compiler.mistake import OWN, Mistake
from perfsuite.quality.faults.compiler.planting import NotPlantedError, miscompiled

__all__ = ["MISTAKES", "OWN", "Mistake", "NotPlantedError", "miscompiled"]

MISTAKES: dict[str, Mistake] = {
    **attention.MISTAKES,
    **convolutions.MISTAKES,
    **norms.MISTAKES,
    **pointwise.MISTAKES,
    **linears.MISTAKES,
}
