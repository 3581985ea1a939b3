"""``perfsuite ab``: two environments in lock step."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import Comparison, app, to_stderr


@app.command(cls=Comparison)
def ab(
    base: Annotated[str | None, typer.Option(help="Python interpreter of the environment before")] = None,
    head: Annotated[str | None, typer.Option(help="Python interpreter of the environment after")] = None,
    base_ref: Annotated[str | None, typer.Option(help="git ref before, in place of --base")] = None,
    head_ref: Annotated[str | None, typer.Option(help="git ref after, in place of --head")] = None,
    repository: Annotated[Path, typer.Option(help="git checkout of the package under test")] = Path(),
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    variant: Annotated[
        str | None,
        typer.Option(
            help="default: bf16-sdpa, fp32-sdpa where bfloat16 is emulated",
            autocompletion=completing.variants,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    time_s: Annotated[float, typer.Option("--time", min=1, help="seconds, at most, for all pairs")] = 60.0,
    pairs: Annotated[int, typer.Option(min=1, help="fresh pairs of processes, at most")] = 8,
    tolerance: Annotated[float, typer.Option(help="slowdown that is accepted, as a fraction")] = 0.02,
    prompts: Annotated[int, typer.Option(min=1, help="prompts whose pictures are compared")] = 1,
    design: Annotated[str, typer.Option(help="auto, lockstep or alternate (processes)")] = "auto",
    out: Annotated[Path | None, typer.Option("--json", help="write all figures to this file")] = None,
    baselines: Annotated[Path, typer.Option(help="folder of the baselines, for thresholds")] = Path(
        "baselines"
    ),
) -> None:
    """Compare two environments in lock step.

    Exit code 0: not slower; 1: regressed, in latency or pictures;
    2: inconclusive, or pictures could not be judged, unless random weights
    were asked for; 3: wrong options, or it could not be compared.
    """
    import tempfile

    from perfsuite.decision.paired import PairedSettings
    from perfsuite.pipelines import models, variants, workloads
    from perfsuite.quality.ab import compare_sides
    from perfsuite.records import PictureStatus, Status
    from perfsuite.report import ab as show
    from perfsuite.store import StoreError
    from perfsuite.store.files import write_atomic
    from perfsuite.workers import Server
    from perfsuite.workers import ab as comparing
    from perfsuite.workers.environments import build

    try:
        for name, interpreter, ref in (("base", base, base_ref), ("head", head, head_ref)):
            if (interpreter is None) == (ref is None):
                raise ValueError(f"name either --{name} PYTHON or --{name}-ref REF")
        if design not in ("auto", "lockstep", "alternate"):
            raise ValueError(f"--design={design}: one of auto, lockstep, alternate")
        chosen, target = variants.get(variant or "bf16-sdpa"), workloads.get(workload)
        random = weights == "random"
        weights = models.resolve(target.model, weights).spec
        settings = PairedSettings(tolerance=tolerance)
        with tempfile.TemporaryDirectory(prefix="perfsuite-ab-") as name:
            folder = Path(name)
            pythons = {
                side: interpreter or str(build(repository, ref or "", folder, side))
                for side, interpreter, ref in (("base", base, base_ref), ("head", head, head_ref))
            }
            began = time.monotonic()  # starting an environment to ask for its precision counts too
            with Server(pythons["base"]) as one, Server(pythons["head"]) as other:
                if variant is None:
                    chosen = variants.get(comparing.default_variant(one, device))
                plan = comparing.Plan(
                    target.name, chosen.name, device, weights, time_s, most_pairs=pairs,
                    least_pairs=min(2, pairs), prompts=prompts, design=design,
                )  # fmt: skip
                servers = {"base": one, "head": other}
                found = comparing.run_ab(servers, plan, folder, settings, to_stderr, began)
            folder_of_thresholds = baselines / "reference" / models.reference_folder(target, weights)
            quality = compare_sides(
                found.pictures, target, chosen, folder_of_thresholds, weights, found.device_kind
            )
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            data = comparing.summary(found) | {"pictures": asdict(quality) if quality else None}
            write_atomic(out, (json.dumps(data, indent=1) + "\n").encode())
    # Sides out of step are a RuntimeError, as is a WorkerError; a traceback would exit with 1: regressed.
    except (ValueError, OSError, RuntimeError, StoreError) as error:
        typer.echo(f"perfsuite: {error}", err=True)
        raise typer.Exit(3) from error
    typer.echo(show.table(found, quality))
    wrong = quality is not None and quality.status in (PictureStatus.DEGRADED, PictureStatus.BROKEN)
    if found.verdict.status is Status.REGRESSED or wrong:
        raise typer.Exit(1)
    # Random weights that nobody asked for are those of a hub that did not answer.
    status = PictureStatus.NOT_JUDGED if quality is None else quality.status
    unjudged = status is PictureStatus.INCOMPATIBLE or (
        status is PictureStatus.NOT_JUDGED and (quality is None or not random)
    )
    if unjudged:
        typer.echo(f"perfsuite: pictures {status}: only latencies were compared", err=True)
    if unjudged or found.verdict.status not in (Status.OK, Status.IMPROVED):
        raise typer.Exit(2)
