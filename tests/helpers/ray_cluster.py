"""Ray's logical cluster: nodes with pretended GPUs on this machine, each with leases of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite.fleet.executors.machine import LEASES

if TYPE_CHECKING:
    from collections.abc import Iterator


class LogicalCluster:
    """Two nodes; the driver is at the first."""

    def __init__(self, folder: Path) -> None:
        from ray._common.utils import get_ray_address_file
        from ray.cluster_utils import Cluster

        self._folder = folder
        # Ray writes its newest address there, wherever the cluster itself has its files.
        Path(get_ray_address_file(None)).parent.mkdir(parents=True, exist_ok=True)
        self.ray = Cluster(initialize_head=True, head_node_args=self._options("a", temp_dir=str(folder)))
        self._second = self.ray.add_node(**self._options("b"))

    @property
    def address(self) -> str:
        return str(self.ray.address)

    def _options(self, pool: str, **further: Any) -> dict[str, Any]:
        # Root may leave Ray's low priority, as the supervisor does; others start Ray without.
        priority = {} if os.geteuid() == 0 else {"RAY_worker_niceness": "0"}
        return {
            "num_cpus": 2,
            "num_gpus": 2,
            "resources": {"measure": 1},
            "labels": {"pool": pool},
            "object_store_memory": 80 << 20,
            "include_dashboard": False,
            "env_vars": {LEASES: str(self._folder / f"leases-{pool}"), **priority},
            **further,
        }

    def lose_second(self) -> None:
        """At once, as a machine that loses its power."""
        self.ray.remove_node(self._second, allow_graceful=False)


@contextmanager
def logical_cluster() -> Iterator[LogicalCluster]:
    """Up, and gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: its sockets' names are bounded
    cluster = LogicalCluster(folder)
    try:
        yield cluster
    finally:
        cluster.ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
