"""``perfsuite list``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from perfsuite.cli.app import app


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Workloads, variants of the ladder, and the optimizations that combinations are made of."""
    from perfsuite import variants, workloads
    from perfsuite.optimizations import OPTIMIZATIONS

    shown = {name: o.summary for name, o in OPTIMIZATIONS.items() if not o.hidden}
    if as_json:
        ladder, beside = (
            {v.name: [o.name for o in v.optimizations] for v in group}
            for group in (variants.LADDER, variants.BESIDE)
        )
        described = {w.name: w.protocol for w in workloads.WORKLOADS.values()}
        document = {"workloads": described, "variants": ladder, "beside": beside, "optimizations": shown}
        typer.echo(json.dumps(document, indent=2))
        return
    typer.echo("workloads")
    for workload in workloads.WORKLOADS.values():
        size = f"{workload.width}x{workload.height}"
        typer.echo(f"  {workload.name:<34} {size}, {workload.steps} steps, {len(workload.prompts)} prompts")
    typer.echo("variants")
    for variant in variants.LADDER:
        typer.echo(f"  {variant.name:<34} {' + '.join(o.name for o in variant.optimizations)}")
    typer.echo("variants beside the ladder, run where they are named")
    for variant in variants.BESIDE:
        typer.echo(f"  {variant.name:<34} {' + '.join(o.name for o in variant.optimizations)}")
    typer.echo("optimizations, to combine as in --perf-variant bf16+sdpa+qkv")
    for name, summary in shown.items():
        typer.echo(f"  {name:<34} {summary}")
