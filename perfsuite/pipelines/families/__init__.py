"""What pipeline classes differ in: the names of their parts, and how they are called."""

from perfsuite.pipelines.families.family import Family
from perfsuite.pipelines.families.table import (
    FAMILIES,
    FLUX,
    KANDINSKY,
    PIXART,
    SD3,
    SD15,
    SDXL,
    family_of,
)

__all__ = ["FAMILIES", "FLUX", "KANDINSKY", "PIXART", "SD3", "SD15", "SDXL", "Family", "family_of"]
