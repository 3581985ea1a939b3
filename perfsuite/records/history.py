"""What is known from one night to the next: series of figures, and what became of their changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class SeriesKind(StrEnum):
    """How a series is judged."""

    EXACT = "exact"
    """Counted: any difference is a change."""
    NOISY = "noisy"
    """Measured: a change needs statistics."""


@dataclass(frozen=True, order=True)
class Series:
    """One figure of one variant on one device, followed over nights. All fields are its identity."""

    device: str
    """Name of the device in the history: its slug, unless it was renamed."""
    workload: str
    protocol: str
    """Another protocol is another series, for its figures cannot be compared."""
    variant: str
    metric: str
    """For instance ``latency``, ``relative latency``, ``compile, cold`` or ``operators: aten.clone``."""
    unit: str
    """``s``, ``ratio``, ``bytes``, ``count`` and so on."""
    kind: SeriesKind
    higher_is_better: bool = False

    @property
    def name(self) -> str:
        """For a person: ``bf16-sdpa latency, shapes on cpu-amd-epyc``."""
        return f"{self.variant} {self.metric}, {self.workload} on {self.device}"


@dataclass(frozen=True)
class Environment:
    """What a run ran with."""

    id: str
    """Hash of the rest."""
    versions: Mapping[str, str]
    """Package to its exact version."""
    git: Mapping[str, str] = field(default_factory=dict)
    """Package to the git hash that it was built from, where it tells."""
    surroundings: Mapping[str, str] = field(default_factory=dict)
    """Python, driver, threads, instruction set: what may change under the same packages."""


class Outcome(StrEnum):
    """What a run came to, as a night's run."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    """Something that it was to measure it did not."""
    NOTHING = "nothing"
    """It measured nothing."""


@dataclass(frozen=True)
class NightRun:
    """One run of the suite, in the history."""

    id: str
    night: str
    """ISO date, in UTC, that the run counts for."""
    date: str
    """When it began, ISO 8601, UTC."""
    device: str
    environment: Environment
    outcome: Outcome
    commit: str | None = None
    """Of the checkout that the suite ran in."""
    missing: tuple[str, ...] = ()
    """``workload/variant`` that was asked for and not measured."""


@dataclass(frozen=True)
class Point:
    """The value of a series in one run."""

    night: str
    run: str
    value: float
    """NaN where it was not finite, which is excluded."""
    error: float | None = None
    """Standard error of the value's natural logarithm, from within the session; None where unknown."""
    samples: int = 1
    excluded: str = ""
    """Why it has no weight: throttled, disturbed, unsteady, not finite; empty if it has."""


@dataclass(frozen=True)
class HistoryEvent:
    """Something known that begins a new epoch: the level starts anew, the spread carries over."""

    device: str
    night: str
    """The first night that it holds for."""
    kind: str
    """``driver``, ``machine``, ``protocol`` or ``other``."""
    text: str
    workload: str | None = None
    """None: all of the device."""


class Shape(StrEnum):
    """What kind of change was nominated."""

    EXACT = "exact"
    STEP = "step"
    DRIFT = "drift"
    """Slow: the latest level against the best since the last accepted change."""


@dataclass(frozen=True)
class Nomination:
    """A change that history alone suggests; only an A/B of the two environments decides."""

    shape: Shape
    last_good: str
    """The last night before it."""
    first_bad: str
    """The first night with it."""
    before: float
    after: float
    """Levels, in the series' unit."""
    interval: tuple[float, float] | None
    """Of after over before; None where the shape is exact."""
    statistic: float
    """How clear it is, by the rule's own measure; infinite where the shape is exact."""
    rule: str
    """Name and version of the rule, for instance ``changes 1``."""

    @property
    def ratio(self) -> float:
        """After over before; infinite where something appeared from nothing."""
        if self.before == 0:
            return float("inf") if self.after else 1.0
        return self.after / self.before


class State(StrEnum):
    """Where in its life a change is."""

    NOMINATED = "nominated"
    CONFIRMED = "confirmed"
    """By an A/B of the environments on both sides, or exact."""
    DRIFTED = "machine drifted"
    """The A/B shows no difference: the machine moved, not the code."""
    UNCONFIRMED = "unconfirmed"
    """The A/B could not tell, or could not be run; it is tried again as nights accumulate."""
    BISECTING = "bisecting"
    FOUND = "found"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    """The new level is the one to be held."""
    IGNORED = "ignored"
    """Until a date or a version."""
    FIXED = "fixed"
    """Somebody says so; it reopens where the level is not back."""
    RECOVERED = "recovered"
    """The level is back, by itself."""


OPEN = (State.CONFIRMED, State.BISECTING, State.FOUND)
"""States that want a person."""
UNDECIDED = (State.NOMINATED, State.UNCONFIRMED)
"""States that want an A/B."""


@dataclass(frozen=True)
class Trial:
    """One A/B of two environments, as evidence."""

    change: str
    """Id of the change."""
    purpose: str
    """``confirm`` or ``bisect``."""
    base: Mapping[str, str]
    """Package to version, as verified in the process that ran."""
    head: Mapping[str, str]
    verdict: str
    """A `perfsuite.records.Status`."""
    ratio: float | None
    interval: tuple[float, float] | None
    cost_s: float
    date: str
    detail: str = ""


@dataclass(frozen=True)
class Decision:
    """What a person said of a change; none is ever taken back, a later one holds."""

    change: str
    state: State
    """``ACKNOWLEDGED``, ``ACCEPTED``, ``IGNORED``, ``FIXED``, or ``CONFIRMED`` to open it again."""
    who: str
    date: str
    reason: str
    until: str | None = None
    """ISO date, or ``package>=version``, that an ignored change is ignored until."""


@dataclass(frozen=True)
class Change:
    """One change of one series, from nomination to its end."""

    id: str
    """Stable: the same change of the same series has the same id in every evaluation of the history."""
    series: Series
    nomination: Nomination
    state: State
    worse: bool
    """False for an improvement, which is stored and shown, and of which nobody is told."""
    nominated: str
    """The night whose run nominated it."""
    since: str
    """The night of its present state."""
    culprit: Mapping[str, str] = field(default_factory=dict)
    """What bisection found: `package`, `good`, `bad` (versions), `good_git`, `bad_git` and `link`."""
    trials: tuple[Trial, ...] = ()
    decisions: tuple[Decision, ...] = ()
    times_reopened: int = 0


@dataclass(frozen=True)
class ChangeGroup:
    """Changes whose intervals of nights overlap: one thing to look at."""

    id: str
    """Stable, as that of its earliest change."""
    headline: str
    """What they share: ``everything compiled``, ``int8 alone``, ``all rungs on this device``."""
    changes: tuple[Change, ...]
    """Exact ones first, then by size."""

    @property
    def last_good(self) -> str:
        """The latest night that is good for all of them."""
        return max(change.nomination.last_good for change in self.changes)

    @property
    def first_bad(self) -> str:
        """The earliest night that is bad for any of them."""
        return min(change.nomination.first_bad for change in self.changes)


@dataclass(frozen=True)
class Level:
    """A stretch of nights at one level, by the rule."""

    first: str
    last: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Tracked:
    """One series with all that is known of it, as it is shown."""

    series: Series
    points: tuple[Point, ...]
    levels: tuple[Level, ...] = ()
    epochs: tuple[HistoryEvent, ...] = ()
    """Events that began one."""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Absence:
    """Nights without a run, or a series that stopped: an alert of its own."""

    device: str
    what: str
    """``no run``, ``ran nothing``, or the series' name."""
    last: str
    """The last night that it was there."""
    nights: int
    """Without it, until the night of the evaluation."""


@dataclass(frozen=True)
class Overview:
    """Everything that the history says on one night."""

    night: str
    """Of the evaluation."""
    runs: tuple[NightRun, ...]
    tracked: tuple[Tracked, ...]
    groups: tuple[ChangeGroup, ...]
    """All, also closed ones; open ones first, the latest first."""
    absences: tuple[Absence, ...]
    worse: int = 0
    """Groups with a change for the worse in the last 90 nights, of noisy series: a group is one finding."""
    better: int = 0
    """Likewise for the better: far fewer than the other, and the process itself is suspect."""
