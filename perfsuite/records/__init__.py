"""What the rooms hand to each other: frozen data, no behaviour beyond refusing nonsense.

Plain dataclasses, one file a subject, so that importing them costs nothing; `perfsuite.store` validates them
against these annotations (with pydantic) when they come from a file. Every quantity carries its unit in its
name: seconds (``_s``), bytes (``_bytes``). No type of another room stands here.
"""

from perfsuite.records.counts import CountChange, Counts, CountVerdict, StructureCheck
from perfsuite.records.device import Device
from perfsuite.records.entry import ANCHOR, RECENT, Entry
from perfsuite.records.finding import Finding, Health
from perfsuite.records.history import (
    OPEN,
    UNDECIDED,
    Absence,
    Change,
    ChangeGroup,
    Decision,
    Environment,
    HistoryEvent,
    Level,
    NightRun,
    Nomination,
    Outcome,
    Overview,
    Point,
    Series,
    SeriesKind,
    Shape,
    State,
    Tracked,
    Trial,
)
from perfsuite.records.quality import (
    Deviation,
    DriftCurve,
    Exhibits,
    Look,
    Numbers,
    PictureFiles,
    PictureScore,
    PictureStatus,
    Quality,
)
from perfsuite.records.quantity import Quantity
from perfsuite.records.run import Result, Run
from perfsuite.records.session import (
    FIXED_WORK,
    CodeSource,
    Compilation,
    Hot,
    Limits,
    Memory,
    Profile,
    Relative,
    Session,
    Stages,
    Start,
)
from perfsuite.records.units import Bytes, Count, Seconds
from perfsuite.records.verdict import UNJUDGED, Cause, Status, Verdict
from perfsuite.records.workload import Workload

__all__ = [
    "ANCHOR",
    "FIXED_WORK",
    "OPEN",
    "RECENT",
    "UNDECIDED",
    "UNJUDGED",
    "Absence",
    "Bytes",
    "Cause",
    "Change",
    "ChangeGroup",
    "CodeSource",
    "Compilation",
    "Count",
    "CountChange",
    "CountVerdict",
    "Counts",
    "Decision",
    "Deviation",
    "Device",
    "DriftCurve",
    "Entry",
    "Environment",
    "Exhibits",
    "Finding",
    "Health",
    "HistoryEvent",
    "Hot",
    "Level",
    "Limits",
    "Look",
    "Memory",
    "NightRun",
    "Nomination",
    "Numbers",
    "Outcome",
    "Overview",
    "PictureFiles",
    "PictureScore",
    "PictureStatus",
    "Point",
    "Profile",
    "Quality",
    "Quantity",
    "Relative",
    "Result",
    "Run",
    "Seconds",
    "Series",
    "SeriesKind",
    "Session",
    "Shape",
    "Stages",
    "Start",
    "State",
    "Status",
    "StructureCheck",
    "Tracked",
    "Trial",
    "Verdict",
    "Workload",
]
