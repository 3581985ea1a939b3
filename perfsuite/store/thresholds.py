"""How similar to float32 the pictures must be: ``baselines/reference/<workload>/thresholds.json``, those of
a GPU in ``thresholds-cuda.json`` beside it.

History of the format:

* 1: ``{"schema_version": 1, "workload", "protocol", "margin", "measured_on", "versions",
  "variants": {"<variant>": {"prompts": {"<prompt>": {"floor", "n", "threshold"}}}}}``
* 2: there is ``"loaded"``: by variant what its techniques loaded beside the model, name and hash of each
  file. It may be missing, as in 1, and variants that load nothing are not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

from perfsuite.store.documents import CONFIG, encode, parse
from perfsuite.store.errors import Place
from perfsuite.store.files import read_bytes, write_atomic

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class PromptThreshold:
    """The least structural similarity (SSIM) of one prompt's picture to its float32 counterpart."""

    floor: Annotated[float, Gt(0), Le(1)]
    """SSIM that intact runs of the variant were measured to reach."""
    n: Annotated[int, Ge(1)]
    """Runs that the floor was measured from."""
    threshold: float
    """SSIM; the floor less its margin."""

    def __post_init__(self) -> None:
        if self.threshold > self.floor:
            raise ValueError(f"threshold {self.threshold} is above the floor, {self.floor}")


@dataclass(frozen=True)
class Thresholds:
    """The picture thresholds of one workload."""

    workload: str
    protocol: str
    margin: Annotated[float, Gt(1)]
    """Factor on the distance of the floor from 1."""
    measured_on: str
    """Name of the device, for people to read."""
    versions: Mapping[str, str]
    variants: Mapping[str, Mapping[str, PromptThreshold]]
    """By variant, then by prompt."""
    loaded: Mapping[str, str] = field(default_factory=dict)
    """By variant, see `perfsuite.pipelines.loaded`; without those that load nothing."""


@dataclass(frozen=True)
class _Prompts:
    prompts: Mapping[str, PromptThreshold]


@dataclass(frozen=True)
class _Document:
    __pydantic_config__ = CONFIG
    schema_version: Annotated[int, Ge(1), Le(SCHEMA_VERSION)]
    workload: str
    protocol: str
    margin: Annotated[float, Gt(1)]
    measured_on: str
    versions: Mapping[str, str]
    variants: Mapping[str, _Prompts]
    loaded: Mapping[str, str] = field(default_factory=dict)


def thresholds_path(folder: Path, device_kind: str) -> Path:
    """File below ``baselines/reference/<workload>``: another kind of device rounds in other places, so what
    was measured on one does not bind the other."""
    return folder / ("thresholds.json" if device_kind == "cpu" else f"thresholds-{device_kind}.json")


def load_thresholds(path: str | Path) -> Thresholds | None:
    """Return the thresholds stored in `path`, None if there is no such file.

    Raises:
        StoreError: if there is a file and anything in it is wrong.
    """
    path = Path(path)
    raw = read_bytes(path)
    if raw is None:
        return None
    document = parse(_Document, raw, _place(path), SCHEMA_VERSION)
    values = {each.name: getattr(document, each.name) for each in fields(Thresholds)}
    variants = {name: variant.prompts for name, variant in document.variants.items()}
    return Thresholds(**{**values, "variants": variants})


def write_thresholds(path: str | Path, thresholds: Thresholds) -> None:
    """Replace `path` by `thresholds` in one step.

    Raises:
        StoreError: if they could not be read again, or the file cannot be written; the old file is then
            untouched.
    """
    path = Path(path)
    values = {each.name: getattr(thresholds, each.name) for each in fields(thresholds)}
    variants = {name: _Prompts(prompts) for name, prompts in thresholds.variants.items()}
    document = _Document(SCHEMA_VERSION, **{**values, "variants": variants})
    write_atomic(path, encode(document, _place(path)))


def _place(path: Path) -> Place:
    return Place(
        path, f"restore it with `git checkout -- {path}`, or delete it and measure the thresholds again"
    )
