"""Weights that nobody chose: random ones, because the hub did not answer, where baselines are of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfsuite.pipelines import models

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.records import Entry, Workload
    from perfsuite.store import BaselineFile


def unchosen(workload: Workload, weights: str) -> str:
    """Why the weights are random although nobody said so; empty where they are not, or somebody did."""
    taken = models.resolve(workload.model, weights)
    return taken.reason if taken.kind == "random" else ""


def none_begins(workload: Workload, weights: str, stored: BaselineFile | None) -> str:
    """Why no baseline may begin with these weights, and what to do; empty if one may.

    Random weights that nobody chose are meant only where baselines of the model have them. On the day when
    the hub answers everything would be INCOMPATIBLE with them.
    """
    reason = unchosen(workload, weights)
    entries = stored.entries.values() if stored is not None else ()
    if not reason or any(_of_random(workload, entry) for entry in entries):
        return ""
    return (
        f"no baseline begins with these weights: they are random, for they are {reason}; connect to the hub "
        "once, or give the weights as a folder or file; if random weights are meant, say so: "
        "--perf-weights=random"
    )


def _of_random(workload: Workload, entry: Entry) -> bool:
    own = entry.protocol.startswith(f"{workload.model} ")
    return own and models.weights_in(entry.protocol) == "random"


def fallen_back(workload: Workload, weights: str, stored: BaselineFile | None, folder: Path) -> str:
    """Why nothing may be compared, or stored, with the weights that `auto` came to; empty if it may.

    Args:
        workload: what is generated.
        weights: as the user asked for.
        stored: the device's latencies.
        folder: of the baselines, where reference pictures and thresholds are.
    """
    reason = unchosen(workload, weights)
    if not reason:
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
        f"the weights are random, for they are {reason}; the baselines are of other weights ({of}), so "
        "nothing could be compared with them, and nothing is stored; connect to the hub once, or give the "
        "weights as a folder or file; if random weights are meant, say so: --perf-weights=random"
    )
