"""What shows the suite's own worth: a few cases run every time, all of them in ``tox run -e selftest``."""

import pytest


def all_but(kept, cases):
    """Parameters: those `kept` run every time, all others are left to the self-test."""
    cases = list(cases)
    unknown = [case for case in kept if case not in cases]
    assert not unknown, f"no such cases: {unknown}"
    return [case if case in kept else pytest.param(case, marks=pytest.mark.selftest) for case in cases]
