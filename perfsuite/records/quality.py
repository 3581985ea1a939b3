"""Pictures and numbers against float32, and what a report keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge


class PictureStatus(StrEnum):
    """The closed set of picture verdicts."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    """Less similar to float32 than the noise floor and its margin allow."""
    BROKEN = "BROKEN"
    """NaN, Inf, flat or saturated: no picture, whatever its score."""
    NEW = "NEW"
    """No threshold is stored for this variant, or no golden picture for this workload."""
    INCOMPATIBLE = "INCOMPATIBLE"
    """The threshold was measured with other files than the variant's techniques load now."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """Too few captions to tell whether more are lost than may be."""
    NOT_JUDGED = "NOT_JUDGED"
    """Nothing can be said, for the reason that stands beside it."""


@dataclass(frozen=True)
class PictureScore:
    """One prompt's picture against its float32 counterpart."""

    prompt: str
    status: PictureStatus
    ssim: float | None
    """Structural similarity, 1 for equal pictures; None for a BROKEN picture."""
    psnr_db: float | None
    """Peak signal-to-noise ratio; None for a BROKEN picture, infinite pairs are capped at 120."""
    threshold: float | None
    """Least SSIM allowed."""
    detail: str = ""
    flip: float | None = None
    """Mean FLIP error in [0, 1], 0 for equal pictures; None where it was not computed."""


@dataclass(frozen=True)
class Deviation:
    """One error beside what is allowed at its place."""

    place: str
    """Component, module, step and prompt, as text."""
    error: float | None
    """Relative L2 error against float32; None where it is infinite (NaN, or another shape)."""
    same_precision: float
    """The same error of the honest eager pipeline of the same precision."""
    budget: float

    @property
    def ratio(self) -> float:
        """Error over budget; above 1 the budget is left."""
        return float("inf") if self.error is None else self.error / self.budget


@dataclass(frozen=True)
class Look:
    """One way to look at a variant's numbers, and what it found."""

    name: str
    """``pictures``, ``components``, ``modules``, ``loop``, ``compiled`` or ``task``."""
    status: PictureStatus
    count: Annotated[int, Ge(0)] = 0
    """Errors that were judged."""
    first: Deviation | None = None
    """The first in the order of a generation that leaves its budget."""
    worst: Deviation | None = None
    """The largest in multiples of its budget, also where all is well."""
    beyond: Annotated[int, Ge(0)] = 0
    """How many leave their budget."""
    detail: str = ""
    """One line for a person."""


@dataclass(frozen=True)
class Quality:
    """The pictures and numbers of one variant against float32 of the same run."""

    status: PictureStatus
    """The gravest of the looks'."""
    scores: tuple[PictureScore, ...]
    looks: tuple[Look, ...] = ()
    """Empty where only pictures were compared."""

    @property
    def ssim(self) -> float | None:
        """The least SSIM over the prompts, None if a picture is BROKEN."""
        values = [s.ssim for s in self.scores]
        return None if None in values or not values else min(v for v in values if v is not None)

    def look(self, name: str) -> Look:
        """The look of this name; raises `KeyError` where it was not taken."""
        for look in self.looks:
            if look.name == name:
                return look
        raise KeyError(name)


@dataclass(frozen=True)
class DriftCurve:
    """Relative L2 error of one prompt's latents against the float32 run, after each denoising step.

    None stands for NaN and Inf. The last two may be empty.
    """

    prompt: str
    steps: tuple[int, ...]
    variant: tuple[float | None, ...]
    same_precision: tuple[float | None, ...] = ()
    """The honest eager pipeline of the same precision."""
    budget: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Numbers:
    """What lies behind the looks of one variant, for a report."""

    drift: tuple[DriftCurve, ...] = ()
    errors: Mapping[str, tuple[Deviation, ...]] = field(default_factory=dict)
    """By look, each in the order of a generation; of many places those nearest to their budget."""


@dataclass(frozen=True)
class PictureFiles:
    """PNG files of one prompt, each named relative to the folder of the results file."""

    prompt: str
    float32: str
    variant: str
    ssim_map: str | None = None
    """Dark where the pictures are equal; None where one is broken."""
    flip_map: str | None = None
    ssim_span: float | None = None
    """1 - SSIM of the map's brightest colour."""
    flip_span: float | None = None
    """FLIP error of the map's brightest colour."""


@dataclass(frozen=True)
class Exhibits:
    """What was kept of a variant for a report, in files beside the results file."""

    pictures: tuple[PictureFiles, ...] = ()
    numbers: str | None = None
    """JSON file of `Numbers`, relative to the folder of the results file."""
