"""Ages and dates as people say them."""

from datetime import timedelta

import pytest

from perfsuite.report.html.dates import age, day


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=20), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=3, hours=5), "3 days"),
        (timedelta(days=70), "2 months"),
        (timedelta(days=800), "2 years"),
    ],
)
def test_age(span, said):
    assert age(span) == said


def test_day_is_in_utc():
    assert day("2026-03-04T00:30:00+01:00") == "2026-03-03 23:30 UTC"
    assert day("<b>") == "<b>"
