"""``perfsuite calibrate``: what the gates need to know beforehand."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, fail, to_stderr

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Workload


@app.command()
def calibrate(
    quality: Annotated[bool, typer.Option("--quality", help="measure the pictures' noise floor")] = False,
    golden: Annotated[bool, typer.Option("--golden", help="store float32 pictures as golden")] = False,
    sessions: Annotated[int, typer.Option(min=0, max=20, help="latency: fresh processes a variant")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="replace stored sessions")] = False,
    time_budget: Annotated[float, typer.Option(min=0.1, help="seconds of timed calls a session")] = 6.0,
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    variant: Annotated[
        list[str] | None,
        typer.Option(help="default: the ladder without fp32", autocompletion=completing.variants),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="seeds a prompt")] = 3,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    forced: Annotated[bool, typer.Option(help="also what the device only emulates")] = False,
    baselines: Annotated[Path, typer.Option(help="folder of the baselines")] = Path("baselines"),
) -> None:
    """Measure what the gates need to know beforehand, and store it below the baselines.

    Exit code 0: all is stored; 2: wrong options, or something could not be measured or stored.
    """
    if not (quality or golden or sessions):
        raise fail(ValueError("nothing to do: give --sessions, --quality, --golden or several"))
    from perfsuite.device import NoDeviceError, fingerprint
    from perfsuite.pipelines import models, unsupported, variants, workloads
    from perfsuite.pipelines.models import WeightsError
    from perfsuite.quality import QualityError
    from perfsuite.quality.golden import GoldenError
    from perfsuite.quality.noise_floor import NoiseError
    from perfsuite.store import StoreError
    from perfsuite.workers import WorkerError

    try:
        chosen = [variants.get(n) for n in variant or [v.name for v in variants.LADDER[1:]]]
        target = workloads.get(workload)
        _check_weights(target, device, weights, baselines)
        weights = models.resolve(target.model, weights).spec
        folder = baselines / "reference" / models.reference_folder(target, weights)
        if golden:
            _golden(target.name, device, weights, folder)
        if sessions:
            _sessions(
                target,
                variant,
                device,
                weights,
                baselines,
                sessions,
                time_budget_s=time_budget,
                restart=restart,
            )
        if quality:
            for each in chosen if variant and not forced else ():
                reason = unsupported(each, fingerprint(device), target)
                if reason is not None:
                    raise ValueError(f"{each.name}: {reason}")
            _quality(target.name, chosen, device, weights, folder, seeds=seeds, forced=forced)
    except (
        ValueError, NoDeviceError, WeightsError, QualityError, GoldenError, NoiseError, StoreError,
        WorkerError,
    ) as error:  # fmt: skip
        raise fail(error) from error


def _check_weights(workload: Workload, device: str, weights: str, folder: Path) -> None:
    """Store nothing of random weights that nobody chose, unless such are stored for the model."""
    from perfsuite.bench.fallback import fallen_back, none_begins
    from perfsuite.device import fingerprint
    from perfsuite.pipelines.models import WeightsError
    from perfsuite.store import Baselines

    stored = Baselines(folder).of(fingerprint(device))
    why = fallen_back(workload, weights, stored, folder) or none_begins(workload, weights, stored)
    if why:
        raise WeightsError(f"{workload.name}: {why.replace('--perf-weights', '--weights')}")


def _sessions(
    workload: Workload, names: list[str] | None, device: str, weights: str, folder: Path, sessions: int,
    *, time_budget_s: float, restart: bool,
) -> None:  # fmt: skip
    from perfsuite.device import fingerprint, versions
    from perfsuite.pipelines import loaded, unsupported, variants
    from perfsuite.report import calibration
    from perfsuite.store import Baselines
    from perfsuite.workers import Server
    from perfsuite.workers.calibrating import calibrate

    target = fingerprint(device)
    chosen = []
    for variant in map(variants.get, names or variants.LADDER):
        reason = unsupported(variant, target, workload) or (
            None if names else variants.superseded(variant, target)
        )
        if reason is None:
            chosen.append(variant)
        elif names:
            raise ValueError(f"{variant.name}: {reason}")
    store = Baselines(folder)
    with Server() as server:
        found = calibrate(
            server, store, target, workload, chosen, sessions,
            protocol=partial(loaded.protocol, workload, weights), versions=versions(),
            weights=weights, time_budget_s=time_budget_s, restart=restart, progress=to_stderr,
        )  # fmt: skip
    typer.echo(calibration.table(found, target.name))
    typer.echo(f"baselines {store.path(target.slug)}")


def _golden(workload: str, device: str, weights: str, folder: Path) -> None:
    from perfsuite.device import fingerprint
    from perfsuite.pipelines import variants
    from perfsuite.quality import record_reference
    from perfsuite.quality.golden import write_golden
    from perfsuite.quality.levels import write_levels
    from perfsuite.quality.plausibility import check_plausible
    from perfsuite.quality.reference import precisions_of

    target = fingerprint(device)
    precisions = precisions_of(variants.LADDER, target)
    reference = record_reference(workload, target, weights, precisions=precisions)
    check_plausible(reference)
    for path in [*write_golden(folder, reference), write_levels(folder, reference)]:
        typer.echo(f"wrote {path}")


def _quality(
    workload: str, chosen: list[Variant], device: str, weights: str, folder: Path, *, seeds: int, forced: bool
) -> None:  # fmt: skip
    from dataclasses import replace

    from perfsuite.device import fingerprint
    from perfsuite.quality.noise_floor import measure_noise
    from perfsuite.store import load_thresholds, thresholds_path, write_thresholds

    path = thresholds_path(folder, fingerprint(device).kind)
    stored = load_thresholds(path)
    found = measure_noise(
        workload, chosen, device, seeds, weights=weights, forced=forced, progress=typer.echo
    )
    if stored is not None and stored.protocol == found.protocol:
        # A run over some variants leaves the others as they are.
        found = replace(
            found,
            variants={**stored.variants, **found.variants},
            loaded={n: v for n, v in stored.loaded.items() if n not in found.variants} | dict(found.loaded),
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_thresholds(path, found)
    typer.echo(f"{'variant':<30} {'floor':>8} {'allowed':>8}  n  (least over the prompts)")
    for name, prompts in found.variants.items():
        floor = min(p.floor for p in prompts.values())
        allowed = min(p.threshold for p in prompts.values())
        count = sum(p.n for p in prompts.values())
        typer.echo(f"{name:<30} {floor:>8.5f} {allowed:>8.5f}  {count}")
    typer.echo(f"wrote {path}")
