"""The hook that this plugin calls in others: in a project's ``conftest.py``, or in another plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfsuite.pipelines import Registry


def pytest_perfsuite_register(registry: Registry) -> None:
    """Add techniques, variants, workloads and models by name; see ``perfsuite guide extending``.

    Called once, before tests are collected, and in every fresh process that measures. Nothing heavy may be
    imported here: torch belongs into the functions that are registered.
    """
