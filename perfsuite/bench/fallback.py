"""Weights that nobody chose: random ones, because the hub did not answer, where baselines are of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.pipelines import models

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.records import Workload
    from perfsuite.store import BaselineFile


def fallen_back(workload: Workload, weights: str, stored: BaselineFile | None, folder: Path) -> str:
    """Why nothing may be compared, or stored, with the weights that `auto` came to; empty if it may.

    Args:
        workload: what is generated.
        weights: as the user asked for.
        stored: the device's latencies.
        folder: of the baselines, where reference pictures and thresholds are.
    """
    taken = models.resolve(workload.model, weights)
    if taken.kind != "random" or not taken.reason:
        return ""
    own = models.protocol(workload, weights)
    entries = stored.entries.values() if stored is not None else ()
    other = {
        models.weights_in(e.protocol)
        for e in entries
        # At another size, too: where the model's weights were the hub's, random ones are nobody's wish.
        if e.protocol.startswith(f"{workload.model} ") and models.others(own, e.protocol)
    }
    reference = folder / "reference" / workload.name
    if not other and not reference.is_dir():
        return ""
    of = ", ".join(sorted(filter(None, other))) or f"those of {reference}"
    return (
        f"the weights are random, for they are {taken.reason}; the baselines are of other weights ({of}), so "
        "nothing could be compared with them, and nothing is stored; connect to the hub once, or give the "
        "weights as a folder or file; if random weights are meant, say so: --perf-weights=random"
    )
