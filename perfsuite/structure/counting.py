"""All counts of one prepared pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.device import versions
from perfsuite.records import Counts
from perfsuite.structure.allocations import peak_bytes
from perfsuite.structure.kernels import kernels_in
from perfsuite.structure.missing import NoCounterError
from perfsuite.structure.operators import count_operators
from perfsuite.structure.weights import weights_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.technique import Context

_AUTOTUNED = "autotuning picks other code in each cold start"
_NO_CODE = "Inductor handed out no code for what the first call compiled"


def count(prepared: Prepared) -> Counts:
    """Count what a pipeline does: two short calls of it, one eager and one as it is built.

    Must run after the first call (`Context.first_call`), whose generated code is counted. What this torch has
    no counter for is None, with the reason in `Counts.absent`.
    """
    pipe, context = prepared.pipe, prepared.context
    absent: dict[str, str] = {}

    def taken(field: str, counter: Callable[[], Any]) -> Any:
        try:
            return counter()
        except NoCounterError as error:
            absent[field] = str(error)
            return None

    ran = taken("operators", lambda: count_operators(pipe, context))
    operators, flop = ran or (None, NoCounterError(absent.get("operators", "")))
    if isinstance(flop, NoCounterError):
        absent["flop"], flop = str(flop), None
    kernels, code_bytes = _generated(context, absent)
    return Counts(
        versions=versions(),
        code_for=code_for(context.device.kind, context.device.count),
        operators=operators,
        flop=flop,
        weights_bytes=weights_bytes(pipe),
        kernels=kernels,
        peak_bytes=taken("peak_bytes", lambda: peak_bytes(pipe, context)),
        code_bytes=code_bytes,
        absent=absent,
    )


def code_for(kind: str, threads: int) -> str:
    """What code is generated for: instruction set and threads, ``AVX512, 2 threads``, ``sm_90``."""
    import torch

    if kind == "cuda":
        major, minor = torch.cuda.get_device_capability()
        return f"sm_{major}{minor}"
    return f"{torch.backends.cpu.get_cpu_capability()}, {threads} threads"


def _generated(
    context: Context, absent: dict[str, str]
) -> tuple[dict[str, int] | None, dict[str, int] | None]:
    """Kernels in the generated code and its size; neither for what is not compiled."""
    if not context.variant.compiled:
        return None, None
    made = context.compiled
    assert made is not None, "count after the first call"
    if not made.sources:
        reason = made.missing.get("sources", _NO_CODE)
        absent.update(kernels=reason, code_bytes=reason)
        return None, None
    autotuned = context.device.kind == "cuda"
    kernels = kernels_in(made.sources, autotuned=autotuned)
    if autotuned:
        absent["code_bytes"] = _AUTOTUNED
        return kernels, None
    return kernels, {"generated source": sum(len(code.encode()) for code in made.sources)}
