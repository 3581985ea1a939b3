"""All compiled forms of a pipeline, compiled once more with taps and fed with what float32 was fed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines
from perfsuite.device.failures import out_of_memory
from perfsuite.device.memory import free_bytes
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.watching.forms import UnknownFormError, forms_of, instead
from perfsuite.quality.compiled.backend import Tapping
from perfsuite.quality.generation import call_denoiser, call_encoder, call_vae
from perfsuite.quality.relative_errors import Place, relative_l2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from perfsuite.pipelines.technique import Context
    from perfsuite.pipelines.watching.forms import Form
    from perfsuite.quality.compiled.backend import Graph, Seen
    from perfsuite.quality.generation import Trace
    from perfsuite.quality.relative_errors import Errors

SHARE = 4
"""Of the free memory one part in so many may hold what the taps of a graph give."""
TRIES = 4


@dataclass
class CompiledErrors:
    """What the taps showed."""

    seen: dict[Place, Seen] = field(default_factory=dict)
    graphs: list[Graph] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    """Reasons why a compiled form, a graph or the rest of one was not looked into."""
    outputs: Errors = field(default_factory=dict)
    """Of the code with taps: relative L2 errors of what the components give, from float32's."""
    untapped: tuple[str, ...] = ()
    """Generated code of the pipeline's own first call."""


@dataclass
class _At:
    """Which call is being made."""

    component: str = ""
    prompt: int = 0
    step: int | None = None
    module: str = ""
    """The compiled module that runs, where not the whole component is compiled."""


def _hear(found: CompiledErrors, at: _At, seen: Seen) -> None:
    tap = seen.tap
    module = ".".join(part for part in (at.module, tap.module) if part)
    part = f"{module}: {tap.operation}" if module else tap.operation
    place, number = Place(at.component, part, at.prompt, at.step), 1
    while place in found.seen:  # several of one kind in one module
        number += 1
        place = replace(place, part=f"{part} {number}")
    found.seen[place] = seen


def _entering(at: _At, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def entered(*args: Any, **kwargs: Any) -> Any:
        outer, at.module = at.module, name
        try:
            return call(*args, **kwargs)
        finally:
            at.module = outer

    return entered


def _calls(pipe: Any, context: Context, traces: Sequence[Trace], component: str) -> Iterator[tuple[Any, ...]]:
    """Prompt, step and the call of a component: an early and a late step, of different prompts."""
    last = len(traces) - 1
    family = family_of(pipe)
    if component == family.denoiser:
        steps = traces[0].steps
        early, late = steps // 6, steps - 1 - steps // 6
        yield 0, early, partial(call_denoiser, pipe, context, traces[0], early)
        if late != early or last:
            yield last, late, partial(call_denoiser, pipe, context, traces[last], late)
    elif component in family.encoders:
        yield 0, None, partial(call_encoder, pipe, context, traces[0], component)
    else:
        yield 0, None, partial(call_vae, pipe, context, traces[0])


@contextlib.contextmanager
def _room_for_more() -> Iterator[None]:
    """Each function may be compiled once more beside what it is compiled for already."""
    import torch

    limit = torch._dynamo.config.recompile_limit
    with torch._dynamo.config.patch(recompile_limit=2 * limit):
        yield


def look_into(
    pipe: Any, context: Context, traces: Sequence[Trace], limit: int | None = None, tries: int = TRIES
) -> CompiledErrors:
    """Compile every compiled form of the pipeline once more, with taps, and compare at each.

    `limit`: bytes of the taps of one graph; without one a quarter of the memory that is free, and a quarter
    of that where it runs out. The pipeline is as before afterwards.
    """
    room = free_bytes(context.device.kind) // SHARE if limit is None else limit
    try:
        return _look_into(pipe, context, traces, room)
    except Exception as error:
        if out_of_memory(error) is None or tries == 1:
            raise
    return look_into(pipe, context, traces, room // SHARE, tries - 1)


def _look_into(pipe: Any, context: Context, traces: Sequence[Trace], limit: int) -> CompiledErrors:
    found, at = CompiledErrors(untapped=_untapped(pipe)), _At()
    forms = forms_of(pipe)
    for component in dict.fromkeys(form.component for form in forms):
        with contextlib.ExitStack() as replacing, _room_for_more():
            tappings: list[Tapping] = []
            for form in forms:
                if form.component == component:
                    _replace(form, at, found, limit, tappings, replacing)
            at.component = component
            for prompt, step, call in _calls(pipe, context, traces, component):
                at.prompt, at.step = prompt, step
                _take(found, component, prompt, step, call(), traces)
    return found


def output_errors(pipe: Any, context: Context, traces: Sequence[Trace], component: str) -> Errors:
    """What the pipeline as it is gives in the calls that are looked into, from float32's."""
    found = CompiledErrors()
    for prompt, step, call in _calls(pipe, context, traces, component):
        _take(found, component, prompt, step, call(), traces)
    return found.outputs


def _take(
    found: CompiledErrors, component: str, prompt: int, step: int | None, given: Any, traces: Sequence[Trace]
) -> None:
    if step is not None:
        wanted = traces[prompt].whole(step)
    elif f"{component}.hidden" in traces[prompt].tensors:
        wanted = (traces[prompt][f"{component}.hidden"], traces[prompt][f"{component}.first"])
    else:
        wanted = traces[prompt]["decoded"]
    found.outputs[Place(component, "", prompt, step)] = relative_l2(given, wanted)


def _untapped(pipe: Any) -> tuple[str, ...]:
    """The code of the pipeline's own first call; empty where perfsuite did not make it."""
    prepared = pipelines.prepared_of(pipe)
    compiled = prepared.context.compiled if prepared is not None else None
    return tuple(compiled.sources or ()) if compiled is not None else ()


def _replace(
    form: Form, at: _At, found: CompiledErrors, limit: int, tappings: list[Tapping],
    replacing: contextlib.ExitStack,
) -> None:  # fmt: skip
    def backend(inner: Any) -> Tapping:
        # One for all forms that were compiled alike, so that equal blocks share a graph as they did.
        for known in tappings:
            if known.inner == inner:
                return known
        tappings.append(Tapping(inner, limit, partial(_hear, found, at), found.graphs, found.without))
        return tappings[-1]

    try:
        other = form.again(backend)
    except UnknownFormError as error:
        found.without.append(str(error))
        return
    if form.module:
        other = _entering(at, form.module, other)
    replacing.enter_context(instead(form, other))
