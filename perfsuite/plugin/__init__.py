"""The pytest plugin: options, parameters, fixtures, hooks. The only room that knows pytest."""

from perfsuite.plugin.asking import pytest_collection_finish
from perfsuite.plugin.collection import pytest_collection_modifyitems, pytest_generate_tests
from perfsuite.plugin.fixtures import (
    count_gate,
    golden_gate,
    honest_gate,
    latency_gate,
    look_gate,
    memory_gate,
    picture_gate,
    pipeline,
    start_gate,
    structure_gate,
    task_gate,
    workbench,
)
from perfsuite.plugin.hooks import (
    pytest_benchmark_group_stats,
    pytest_runtest_makereport,
    pytest_runtest_teardown,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from perfsuite.plugin.options import (
    pytest_addhooks,
    pytest_addoption,
    pytest_configure,
    pytest_unconfigure,
)

__all__ = [
    "count_gate",
    "golden_gate",
    "honest_gate",
    "latency_gate",
    "look_gate",
    "memory_gate",
    "picture_gate",
    "pipeline",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_benchmark_group_stats",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_makereport",
    "pytest_runtest_teardown",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_unconfigure",
    "start_gate",
    "structure_gate",
    "task_gate",
    "workbench",
]
