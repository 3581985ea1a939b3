"""Names for the shell to complete; each is read when it is asked for, without torch."""

from __future__ import annotations

from pathlib import Path

import typer  # noqa: TC002 -- typer reads the annotations at run time

Names = list[tuple[str, str]]
SECTIONS = ("workloads", "variants", "optimizations", "faults", "registered", "baselines", "runs")
"""What ``perfsuite list`` can list."""


def _beginning(incomplete: str, names: Names) -> Names:
    return [(name, said) for name, said in names if name.startswith(incomplete)]


def _ask_plugins(context: typer.Context) -> None:
    """Let the files register that the command line, or the environment, names so far."""
    from perfsuite.pipelines.registry import REGISTRY

    for file in context.find_root().params.get("plugin") or ():
        REGISTRY.add_file(file)


def workloads(context: typer.Context, incomplete: str) -> Names:
    """By name; a size behind ``@`` is free text."""
    from perfsuite.pipelines.workloads import known

    _ask_plugins(context)
    return _beginning(
        incomplete, [(w.name, f"{w.width}x{w.height}, {w.steps} steps") for w in known().values()]
    )


def variants(context: typer.Context, incomplete: str) -> Names:
    """Rungs, and after a ``+`` the optimizations that the sum does not name yet."""
    from perfsuite.pipelines import optimizations
    from perfsuite.pipelines.variants import known

    _ask_plugins(context)
    head, plus, begun = incomplete.rpartition("+")
    if plus:
        named = head.split("+")
        parts = [(n, o.summary) for n, o in optimizations.known().items() if not o.hidden and n not in named]
        return [(f"{head}+{name}", said) for name, said in _beginning(begun, parts)]
    return _beginning(
        incomplete, [(v.name, " + ".join(o.name for o in v.optimizations)) for v in known().values()]
    )


def faults(context: typer.Context, incomplete: str) -> Names:
    """Planted faults by name, or a compiler's mistakes where the command line asks for them so far."""
    from perfsuite.quality.faults import FAULTS
    from perfsuite.quality.faults.compiler import MISTAKES

    if context.params.get("compiled"):
        return _beginning(incomplete, [(m.name, m.summary) for m in MISTAKES.values()])
    return _beginning(incomplete, [(f.name, f.summary) for f in FAULTS.values()])


def slugs(context: typer.Context, incomplete: str) -> Names:
    """Devices that have a baseline file, in the folder that the command line names so far."""
    from perfsuite.store import Baselines

    folder = context.params.get("baselines") or Path("baselines")
    return _beginning(incomplete, [(slug, f"{folder}/{slug}.json") for slug in Baselines(folder).slugs()])


def places(incomplete: str) -> Names:
    """Devices to measure on."""
    return _beginning(
        incomplete, [("auto", "the first GPU, else the CPU"), ("cpu", ""), ("cuda", "first GPU")]
    )


def sections(incomplete: str) -> Names:
    """What ``perfsuite list`` can list."""
    return _beginning(incomplete, [(name, "") for name in SECTIONS])


def topics(incomplete: str) -> Names:
    """Pages of the guide, each with its question."""
    from perfsuite.guide import TOPICS, title

    return _beginning(incomplete, [(name, title(name)) for name in TOPICS])
