"""What a variant changes in the process beyond what it says, and what stays changed after it."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from perfsuite.device import Snapshot
from perfsuite.records import StructureCheck

if TYPE_CHECKING:
    from perfsuite.pipelines import Prepared


def _declared(prepared: Prepared, name: str, value: Any) -> bool:
    context = prepared.context
    if name == "torch.num_threads":  # set by every build on a CPU, to one for each core
        return context.device.kind == "cpu" and value == context.device.count
    return any(fnmatch(name, pattern) for o in context.variant.optimizations for pattern in o.settings)


def check_leaks(prepared: Prepared) -> StructureCheck:
    """No global setting differs from before the build but those that the variant's optimizations declare,
    and none once they are put back.

    Inductor, Dynamo, functorch, TF32, attention backend, default dtype, threads, environment: all of
    `perfsuite.device.Snapshot`. The pipeline is as before afterwards.
    """
    now = Snapshot.take()
    changed = prepared.snapshot.differences(now)
    leaked = {n: pair for n, pair in changed.items() if not _declared(prepared, n, pair[1])}
    problems = [f"leaked {_said(name, pair)}" for name, pair in leaked.items()]
    prepared.snapshot.restore()
    try:
        left = prepared.snapshot.differences(Snapshot.take())
    finally:
        now.restore()
    problems += [f"cannot be put back: {_said(name, pair)}" for name, pair in left.items()]
    names = ", ".join(sorted(changed.keys() - leaked.keys())) or "none"
    fact = f"{len(now.values)} settings looked at, changed as declared: {names}"
    return StructureCheck("leaks", (fact,), tuple(problems))


def _said(name: str, pair: tuple[Any, Any]) -> str:
    return f"{name}: {pair[0]!r} before, {pair[1]!r} now"
