"""What of a GPU's memory counts as taken, by torch's own words; torch is stood in for."""

import pytest

from perfsuite.device.memory import PeakMemory, free_bytes, graphs_bytes, reserved_bytes
from perfsuite.structure.allocations import peak_bytes
from perfsuite.structure.missing import NoCounterError

STATS = {
    "reserved_bytes.all.current": 900,
    "reserved_bytes_by_private_pools.0_1.all.current": 200,
    "reserved_bytes_by_private_pools.0_1.large_pool.current": 200,
    "reserved_bytes_by_private_pools.0_1.all.peak": 250,
    "reserved_bytes_by_private_pools.0_2.all.current": 30,
}


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 bytes allocated of 900 that torch holds, two pools of CUDA graphs among them; 1000 are free."""
    import torch

    for name, value in {
        "memory_stats": STATS,
        "max_memory_allocated": 600,
        "max_memory_reserved": 950,
        "memory_allocated": 500,
        "memory_reserved": 900,
        "mem_get_info": (1000, 2000),
        "reset_peak_memory_stats": None,
        "synchronize": None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)


@pytest.mark.usefixtures("cuda")
def test_the_pools_of_graphs_count() -> None:
    """Their memory is nobody else's, though torch calls it free."""
    assert graphs_bytes() == 230
    assert PeakMemory("cuda").bytes() == 600 + 230
    assert reserved_bytes("cuda") == 950
    assert free_bytes("cuda") == 1000 + 900 - 500 - 230


@pytest.mark.usefixtures("cuda")
def test_what_a_graph_takes_in_a_call_is_not_counted() -> None:
    """It allocates nothing then: no count is better than one of zero."""
    from types import SimpleNamespace
    from typing import Any

    context: Any = SimpleNamespace(device=SimpleNamespace(kind="cuda"))
    with pytest.raises(NoCounterError, match="CUDA graph"):
        peak_bytes(SimpleNamespace(), context)


def test_a_torch_that_does_not_tell_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "memory_stats", lambda: {"reserved_bytes.all.current": 900})
    assert graphs_bytes() == 0


def test_a_cpu_reserves_nothing() -> None:
    assert reserved_bytes("cpu") is None
