"""What all tests share: how two workers of pytest-xdist divide them, and which rungs wait for the self-test.

A worker runs a file from its beginning to its end, so that what the file builds is built once. The files that
run over the ladder are one piece of work, so that each rung is built once. What takes longest comes first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite.pipelines import variants

if TYPE_CHECKING:
    from collections.abc import Iterator

LADDER = (
    "tests/benchmarks/test_latency.py", "tests/benchmarks/test_memory.py", "tests/benchmarks/test_start.py",
    "tests/quality/test_compiled.py", "tests/quality/test_components.py", "tests/quality/test_ssim.py",
    "tests/structure/test_counts.py", "tests/structure/test_rungs.py",
)  # fmt: skip
LONGEST = (
    *LADDER, "tests/outsider/", "tests/structure/", "tests/plugin/", "tests/unit/cli/", "tests/unit/workers/",
)  # fmt: skip
COMPILED = frozenset(rung.name for rung in variants.LADDER if rung.compiled)
"""Rungs that compile for a minute or two each; tests in tests/structure compile small parts of them."""


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        # Two processes of two threads each on two cores wait for each other twenty times as long.
        os.environ["OMP_NUM_THREADS"] = "1"
        # Runs that a test starts are no part of this one, and may use benchmarks.
        del os.environ["PYTEST_XDIST_WORKER"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        if _rung(item) in COMPILED:
            item.add_marker(pytest.mark.selftest)
    yield
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.nodeid))


def _rung(item: pytest.Item) -> str | None:
    """Name of the variant that a test over the ladder runs with."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("pipeline") if callspec is not None else None
    return found[1].name if isinstance(found, tuple) else None


def _is_ladder(nodeid: str) -> bool:
    return nodeid.startswith(LADDER)


def _place(nodeid: str) -> int:
    return next((i for i, name in enumerate(LONGEST) if nodeid.startswith(name)), len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "the ladder" if _is_ladder(nodeid) else nodeid.partition("::")[0]

    config.option.loadscopereorder = False  # in the order of `LONGEST`
    return ByFile(config, log)
