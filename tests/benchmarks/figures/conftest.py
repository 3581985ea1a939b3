"""Figures are measured or left out: nothing is prepared for what nobody times."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def timed(request):
    """Before any other fixture, some of which take minutes."""
    if request.config.getoption("benchmark_disable"):
        pytest.skip("benchmarks are disabled")
