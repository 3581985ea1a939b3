"""What a pipeline does, counted: no timing, so no noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from perfsuite.records.units import Count
from perfsuite.records.verdict import Cause, Status


@dataclass(frozen=True)
class StructureCheck:
    """What one deterministic gate found in a pipeline."""

    gate: str
    facts: tuple[str, ...]
    """What was counted, a line each."""
    problems: tuple[str, ...] = ()
    """What must not be, each with its place."""
    skipped: str | None = None
    """Why nothing can be said here, for instance what this torch does not count."""


@dataclass(frozen=True)
class Counts:
    """What one variant does, counted: no timing, so no noise.

    A mapping is from what is counted to how often or how much; None where it does not apply or could not be
    counted, for which `absent` has the reason then.
    """

    versions: Mapping[str, str]
    code_for: str
    """What generated code and scratch memory depend on beside the versions: instruction set, threads."""
    operators: Mapping[str, Count] | None
    """``aten.clone in BasicTransformerBlock``: calls in an eager generation of one step."""
    flop: Mapping[str, Count] | None
    """Floating point operations of each component, in the same generation."""
    weights_bytes: Mapping[str, Count] | None
    """Distinct memory that each component's modules hold in tensors."""
    kernels: Mapping[str, Count] | None
    """Calls in the generated code of all graphs: fused kernels by their operators, library kernels."""
    peak_bytes: Mapping[str, Count] | None
    """The most that the allocator gave out beyond the state before the call, in each stage of a call."""
    code_bytes: Mapping[str, Count] | None
    """Size of what was generated."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Field to the reason why it could not be counted."""


@dataclass(frozen=True)
class CountChange:
    """One count that is not what it was."""

    measure: str
    """Field of `Counts`."""
    name: str
    """What is counted; the key in the field's mapping."""
    before: int
    after: int

    @property
    def difference(self) -> int:
        """Above 0: more than before."""
        return self.after - self.before


@dataclass(frozen=True)
class CountVerdict:
    """Counts against stored ones."""

    status: Status
    """REGRESSED if anything at all rose: what an operator costs in place of another no count can tell."""
    changes: tuple[CountChange, ...] = ()
    """By measure in the order of `Counts`, the largest first."""
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """Field of `Counts` to the reason why it was not compared."""
    detail: str = ""
    """One line for a person."""
    causes: tuple[Cause, ...] = ()
