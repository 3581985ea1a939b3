"""Every status and cause has words and a sign."""

from perfsuite.records import Cause, PictureStatus, Status
from perfsuite.report.html.overview import SEVERITY
from perfsuite.report.html.words import CAUSES, badge, glossary


def test_the_vocabulary_is_closed():
    """A new status or cause needs a row."""
    every = {s.value for kind in (Status, PictureStatus) for s in kind}
    assert {b.word for b, _ in glossary()} == every
    assert every <= set(SEVERITY)
    assert set(CAUSES) == set(Cause)


def test_what_fails_is_told_without_colour():
    """Its sign is nobody else's."""
    signs = {b.word: b.sign for b, _ in glossary()}
    bad = (
        Status.REGRESSED, Status.LESS_JUDGED, Status.INCOMPATIBLE, PictureStatus.DEGRADED,
        PictureStatus.BROKEN,
    )  # fmt: skip
    failing = {badge(s).sign for s in bad}
    assert failing.isdisjoint(sign for word, sign in signs.items() if word not in bad)


def test_not_judged_is_a_failure_of_latency_alone():
    """Of pictures it may be what random weights were asked for."""
    assert badge(Status.NOT_JUDGED).tone == "bad"
    assert badge(PictureStatus.NOT_JUDGED).tone == "plain"
