"""Who did it: a search along nights or versions, with an A/B or a count as its oracle."""

from perfsuite.tracking.bisection.candidates import Candidate, NoSuchCandidateError
from perfsuite.tracking.bisection.journal import Journal, Question
from perfsuite.tracking.bisection.running import Outcome, bisect
from perfsuite.tracking.bisection.search import Answer, BrokenError, OutOfTimeError, Reply

__all__ = [
    "Answer",
    "BrokenError",
    "Candidate",
    "Journal",
    "NoSuchCandidateError",
    "OutOfTimeError",
    "Outcome",
    "Question",
    "Reply",
    "bisect",
]
