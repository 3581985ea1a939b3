"""The ladder's shape: least speed-ups between variants, for devices that have no baseline.

History of the format:

* 1: ``{"schema_version": 1, "bounds": [ShapeBound, ...]}``
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from perfsuite.store.documents import CONFIG, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import read_bytes

SCHEMA_VERSION = 1
SHAPE_FILE = "ladder-shape.json"
"""Its name in the folder of the baselines."""


@dataclass(frozen=True)
class ShapeBound:
    """The least speed-up of one variant over another, on one kind of device."""

    device_kind: Literal["cpu", "cuda"]
    workload: str
    variant: str
    over: str
    """The variant that it is compared with."""
    least_speedup: Annotated[float, Gt(0)]
    """Latency of `over` divided by the latency of `variant`; below 1 allows a slowdown."""
    source: str
    """Where the figure comes from."""


@dataclass(frozen=True)
class _Document:
    __pydantic_config__ = CONFIG
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    bounds: tuple[ShapeBound, ...]


def load_shape(path: str | Path) -> tuple[ShapeBound, ...]:
    """Return the bounds stored in `path`, none if there is no such file.

    Raises:
        StoreError: if there is a file and anything in it is wrong, or two bounds are of one pair.
    """
    path = Path(path)
    raw = read_bytes(path)
    if raw is None:
        return ()
    place = Place(path, f"correct it, or restore it with `git checkout -- {path}`")
    bounds = parse(_Document, raw, place, SCHEMA_VERSION).bounds
    seen: dict[tuple[str, str, str, str], int] = {}
    for index, bound in enumerate(bounds):
        pair = (bound.device_kind, bound.workload, bound.variant, bound.over)
        if pair in seen:
            raise place.at(entry=f"bounds[{index}]", field="device_kind, workload, variant, over").error(
                f"bounds[{seen[pair]}] is of {' '.join(pair)} already"
            )
        seen[pair] = index
    return bounds
