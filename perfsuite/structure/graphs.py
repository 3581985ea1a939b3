"""Whether the graph is whole, stays whole, and is what runs."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines import workloads
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.compilation import decoder_mode_for, mode_for
from perfsuite.pipelines.optimizations.evidence import compiled_parts_of
from perfsuite.pipelines.schedules import calls
from perfsuite.pipelines.watching.graphs import recording
from perfsuite.records import StructureCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from perfsuite.pipelines import Prepared
    from perfsuite.pipelines.watching.graphs import Graphs
    from perfsuite.records import Workload

LIBRARY_CALLS = re.compile(
    r"""
    extern_kernels\.(?:mm|addmm|bmm|baddbmm|bias_addmm|convolution|_int_mm|int_mm|mm_plus_mm|_scaled_mm)$
    | (?:aten|mkldnn|mkl|onednn|quantized)\.(?:
        (?:_)?(?:mm|addmm|bmm|baddbmm|_int_mm|_scaled_mm|convolution)
        | _?(?:convolution|linear|qlinear)_pointwise(?:_)? | _linear_pointwise | _mkl_linear
        | _?scaled_dot_product_\w+ | _flash_attention_forward | _efficient_attention_forward
    )(?:\.|$)
    """,
    re.VERBOSE,
)
"""Matrix products, convolutions and attention: here a library's kernel is what Inductor wants to call."""
_CALL = re.compile(r"(?<![\w.])((?:extern_kernels|torch\.ops(?:\.\w+)?|aten)\.\w+(?:\.\w+)?)\(")


def _first_call(prepared: Prepared) -> Graphs:
    """What the pipeline's first call compiled; of an eager one, what a call compiles now."""
    context = prepared.context
    if context.variant.compiled:
        context.first_call(prepared.pipe)
        if context.compiled is not None:
            return context.compiled
    with recording() as record:
        context.generate(prepared.pipe, steps=2)
    return record.found


def _unknown(gate: str, found: Graphs, *names: str) -> StructureCheck | None:
    reasons = [found.missing[name] for name in names if name in found.missing]
    return StructureCheck(gate, (), skipped=reasons[0]) if reasons else None


def compiled_parts(pipe: Any) -> dict[str, int]:
    """Compiled callables by model (``unet`` or ``transformer``, ``vae``): one, or as many blocks as were
    compiled in place.

    A model that is not compiled is absent.
    """
    found, family = {}, family_of(pipe)
    denoiser = getattr(pipe, family.denoiser)
    if compiled_parts_of(denoiser):
        found[family.denoiser] = compiled_parts_of(denoiser)
    elif hasattr(denoiser, "_orig_mod"):
        found[family.denoiser] = 1
    elif hasattr(denoiser, "modules"):
        blocks = sum(m.__dict__.get("_compiled_call_impl") is not None for m in denoiser.modules())
        found.update({family.denoiser: blocks} if blocks else {})
    if hasattr(getattr(pipe, family.decoder).decode, "_torchdynamo_orig_callable"):
        found[family.decoder] = 1
    return found


def check_graphs(prepared: Prepared) -> StructureCheck:
    """As many graphs as compiled callables (blocks that are equal share one), and no graph break."""
    found = _first_call(prepared)
    unknown = _unknown("graphs", found, "made", "breaks")
    if unknown is not None:
        return unknown
    assert found.made is not None
    assert found.breaks is not None
    parts = compiled_parts(prepared.pipe)
    # Of blocks there are fewer graphs than blocks, and at least one.
    most, least = sum(parts.values()), len(parts)
    if "cfg-cutoff" in prepared.context.variant:
        # With guidance and without: two batches, of which one row is always a graph of its own.
        most += parts.get(family_of(prepared.pipe).denoiser, 0)
    problems = [f"graph break: {line}" for line in found.breaks]
    if not least <= found.made <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        problems.append(f"{found.made} graphs, wanted {wanted} for {_said(parts)}")
    fact = f"{found.made} graphs of {_said(parts)}, {len(found.breaks)} graph breaks"
    return StructureCheck("graphs", (fact,), tuple(problems))


def _said(parts: dict[str, int]) -> str:
    names = [name if count == 1 else f"{count} blocks of the {name}" for name, count in parts.items()]
    return " and ".join(names) or "no compiled part"


def check_recompilations(prepared: Prepared) -> StructureCheck:
    """After the first call nothing is compiled: for another prompt, seed, or number of steps, and for what
    the workload declares as `perfsuite.records.Workload.variations`. What was not tried is said.
    """
    first = _first_call(prepared)
    unknown = _unknown("recompilations", first, "compilations")
    if unknown is not None:
        return unknown
    context, pipe = prepared.context, prepared.pipe
    other = replace(context.workload, seed=context.workload.seed + 1000)
    calls_of: dict[str, Callable[[], object]] = {
        "the same call": lambda: context.generate(pipe, steps=2),
        "another prompt": lambda: context.generate(pipe, prompt=len(context.workload.prompts) - 1, steps=2),
        "another seed": lambda: replace(context, workload=other).generate(pipe, steps=2),
        "another number of steps": lambda: context.generate(pipe, steps=3),
    }
    for variation in context.workload.variations:
        changed = replace(context, workload=workloads.varied(context.workload, variation))
        calls_of[f"variation {variation}"] = partial(changed.generate, pipe, steps=2)
    problems: list[str] = []
    for what, call in calls_of.items():
        with recording() as record:
            call()
        problems += [f"{what} compiled {line}" for line in record.found.compilations or ()]
    facts = [f"{len(problems)} compilations in: {', '.join(calls_of)}"]
    untried = _untried(context.workload)
    if context.variant.compiled and untried:
        facts.append(f"not tried, and may compile anew: {', '.join(untried)}; see the workload's variations")
    return StructureCheck("recompilations", tuple(facts), tuple(problems))


def _untried(workload: Workload) -> list[str]:
    """What a user may change in a call, and no variation of the workload does."""
    tried = [workloads.varied(workload, variation) for variation in workload.variations]
    kinds: dict[str, Callable[[Workload], object]] = {
        "another size": lambda w: (w.width, w.height),
        "another batch": lambda w: w.batch,
        "guidance on or off": lambda w: w.guidance > 1,
    }
    return [kind for kind, of in kinds.items() if all(of(w) == of(workload) for w in tried)]


def check_cudagraphs(prepared: Prepared) -> StructureCheck:
    """No compiled graph was refused as a CUDA graph; on CUDA also: each part that is compiled for it was
    recorded as one."""
    found = _first_call(prepared)
    unknown = _unknown("cudagraphs", found, "cudagraph_skips")
    if unknown is not None:
        return unknown
    assert found.cudagraph_skips is not None
    problems = [f"runs without a CUDA graph: {reason}" for reason in found.cudagraph_skips]
    facts = [f"{len(problems)} graphs were refused as CUDA graphs"]
    if prepared.context.device.kind == "cuda":
        prepared.context.generate(prepared.pipe, steps=2)  # the first call warms up, the next records
        recorded = cudagraphs_recorded()
        wanted = graph_parts(prepared)
        facts.append("recorded: not told by this torch" if recorded is None else f"{recorded} recorded")
        if recorded is not None and recorded < len(wanted):
            said = " and ".join(wanted)
            problems.append(f"{recorded} CUDA graphs were recorded, wanted {len(wanted)}: {said}")
    return StructureCheck("cudagraphs", tuple(facts), tuple(problems))


def graph_parts(prepared: Prepared) -> list[str]:
    """The compiled parts whose mode records CUDA graphs."""
    pipe, device = prepared.pipe, prepared.context.device
    family = family_of(pipe)
    modes = {family.denoiser: mode_for(device), family.decoder: decoder_mode_for(pipe, device)}
    return [part for part in compiled_parts(pipe) if modes[part] == "max-autotune"]


def cudagraphs_recorded() -> int | None:
    """Functions recorded as CUDA graphs on the current device; None where this torch does not tell."""
    import torch

    try:
        from torch._inductor.cudagraph_trees import get_manager

        manager = get_manager(torch.cuda.current_device(), create_if_none_exists=False)
        found: set[object] = set()
        waiting = [] if manager is None else [manager.roots]
        while waiting:
            for function, nodes in waiting.pop().items():
                found.add(function)
                waiting += [node.children for node in nodes]
    except (ImportError, AttributeError):
        return None
    return len(found)


def check_fallbacks(prepared: Prepared) -> StructureCheck:
    """There is generated code, and it calls libraries for products, convolutions and attention, and eager
    kernels for nothing.

    Read from the code itself, which is the same whether it was compiled now or came from a cache.
    """
    found = _first_call(prepared)
    unknown = _unknown("fallbacks", found, "sources")
    if unknown is not None:
        return unknown
    calls: Counter[str] = Counter()
    for source in found.sources or ():
        calls += library_calls(source)
    bad = {name: count for name, count in calls.items() if not LIBRARY_CALLS.match(name)}
    problems = tuple(
        f"{name} runs as an eager kernel, {count} times in a pass: Inductor has nothing for it"
        for name, count in sorted(bad.items())
    )
    parts = compiled_parts(prepared.pipe)
    if parts and not found.sources:
        problems = (f"no code was generated for {_said(parts)}: compiled by another backend than Inductor?",)
    said = ", ".join(f"{count} {name}" for name, count in sorted((calls - Counter(bad)).items()))
    return StructureCheck("fallbacks", (f"library calls of generated code: {said or 'none'}",), problems)


def library_calls(source: str) -> Counter[str]:
    """Calls of what was not generated, by operator (``aten.convolution.default``)."""
    code = (line for line in source.splitlines() if not line.lstrip().startswith("#"))
    return Counter(match[1].removeprefix("torch.ops.") for line in code for match in _CALL.finditer(line))


def check_compiled_runs(prepared: Prepared) -> StructureCheck:
    """Compiled code is what runs: as many compiled regions are entered as compiled callables are called.

    By the regions that Dynamo marks for the profiler, in one generation of two steps. A graph break makes
    more of them, a call that falls back to eager code fewer.
    """
    import torch

    context, steps = prepared.context, 2
    parts = compiled_parts(prepared.pipe)
    if context.variant.compiled:
        context.first_call(prepared.pipe)
    found = _regions(lambda: context.generate(prepared.pipe, steps=steps))
    called = calls(prepared.pipe.scheduler)
    family = family_of(prepared.pipe)
    # Of the functions that stand for a denoiser each call runs one.
    several = compiled_parts_of(getattr(prepared.pipe, family.denoiser))
    each = 1 if several else parts.get(family.denoiser, 0)
    wanted = each * called + parts.get(family.decoder, 0)
    if not found and not _marks_regions():
        reason = f"torch {torch.__version__} does not mark compiled regions for the profiler"
        return StructureCheck("compiled-runs", (), skipped=reason)
    ran = f"{sum(found.values())} compiled regions ran"
    fact = f"{ran} in {called} calls of the {family.said_denoiser} and one decoding"
    if sum(found.values()) == wanted:
        return StructureCheck("compiled-runs", (fact,))
    said = ", ".join(f"{count} of {name}" for name, count in sorted(found.items())) or "none"
    problem = f"{fact}, wanted {wanted} for {_said(parts)}: {said}"
    return StructureCheck("compiled-runs", (fact,), (problem,))


_REGION = "Torch-Compiled Region"


def _regions(call: Any) -> Counter[str]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        call()
    # `profiled.events()` first makes a tree of all operators, which takes longer than the call; this does
    # not, but is private.
    plain = getattr(profiled.profiler, "kineto_results", None)
    names = [e.name for e in profiled.events()] if plain is None else [e.name() for e in plain.events()]
    return Counter(name for name in names if name.startswith(_REGION))


def _marks_regions() -> bool:
    """Whether this torch does, by a function of one addition that is surely compiled."""
    import torch

    add = torch.compile(lambda x: x + 1, backend="eager")
    one = torch.ones(1)
    with torch.compiler.set_stance("default"), torch._dynamo.config.patch(disable=False):
        add(one)
        return bool(_regions(lambda: add(one)))
