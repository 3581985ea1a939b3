"""``perfsuite list``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, fail, terminal


@app.command("list")
def list_(
    section: Annotated[
        str | None,
        typer.Argument(
            help="workloads, variants, optimizations, faults, registered, baselines or runs; default: all",
            autocompletion=completing.sections,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    baselines: Annotated[Path, typer.Option(help="folder of the baselines")] = Path("baselines"),
) -> None:
    """What there is: workloads, variants, the optimizations that combinations are made of, planted faults,
    who registered what is not the suite's own, stored baselines, and the runs of this folder.

    Exit code 0: listed; 2: an unknown section, or a file is damaged (the others are listed).
    """
    from perfsuite.pipelines import catalogue
    from perfsuite.pipelines.variants import UnknownNameError

    if section is not None and section not in completing.SECTIONS:
        raise fail(UnknownNameError("section", section, list(completing.SECTIONS)))
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "workloads": _workloads,
        "variants": _variants,
        "optimizations": _optimizations,
        "faults": _faults,
        "registered": lambda: {"registered": catalogue.registered()},
        "baselines": lambda: _baselines(baselines),
        "runs": _runs,
    }
    document: dict[str, Any] = {"schema_version": 1}
    for name in [section] if section else completing.SECTIONS:
        document |= makers[name]()
    stored = [*document.get("baselines", {}).values(), *document.get("runs", {}).values()]
    damaged = [*catalogue.problems(), *(entry["error"] for entry in stored if "error" in entry)]
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        from perfsuite.report import listing as show

        typer.echo(show.text(document, baselines, terminal().width))
    for error in damaged:
        typer.echo(f"perfsuite: {error}", err=True)
    if damaged:
        raise typer.Exit(2)


def _workloads() -> dict[str, Any]:
    from perfsuite.pipelines.workloads import known

    return {"workloads": {w.name: w.protocol for w in known().values()}}


def _variants() -> dict[str, Any]:
    from perfsuite.pipelines import variants

    ladder = {variant.name for variant in variants.LADDER}
    beside = [variant for variant in variants.known().values() if variant.name not in ladder]
    groups = {"variants": variants.LADDER, "beside": beside}
    return {key: {v.name: [o.name for o in v.optimizations] for v in group} for key, group in groups.items()}


def _optimizations() -> dict[str, Any]:
    from perfsuite.pipelines.optimizations import known
    from perfsuite.report import techniques

    shown = {name: o for name, o in known().items() if not o.hidden}
    return {
        "optimizations": {name: o.summary for name, o in shown.items()},
        "techniques": techniques.described(shown.values()),
    }


def _faults() -> dict[str, Any]:
    from perfsuite.quality.faults import FAULTS

    return {"faults": {f.name: {"component": f.component, "summary": f.summary} for f in FAULTS.values()}}


def _baselines(folder: Path) -> dict[str, Any]:
    """Sessions of each entry, or why a file cannot be read."""
    from perfsuite.store import Baselines, StoreError

    store = Baselines(folder)
    found: dict[str, dict[str, Any]] = {}
    for slug in store.slugs():
        try:
            file = store.load(slug)
        except StoreError as error:
            found[slug] = {"error": str(error)}
            continue
        if file is not None:
            entries = {key: len(entry.sessions) for key, entry in file.entries.items()}
            found[slug] = {"name": file.device.name, "sessions": entries}
    return {"baselines": found}


def _runs() -> dict[str, Any]:
    """The runs that are kept below this folder, the oldest first."""
    from perfsuite.store import Runs
    from perfsuite.store.runs import RUNS

    found: dict[str, dict[str, Any]] = {}
    for each in Runs(RUNS).listed():
        if isinstance(each.run, str):
            found[str(each.path)] = {"error": each.run}
            continue
        variants = len({*each.run.asked, *each.run.chosen})
        found[str(each.path)] = {
            "date": each.run.date, "device": each.run.device.slug, "variants": variants,
            "timed": each.run.timed, "last": each.last,
        }  # fmt: skip
    return {"runs": found}
