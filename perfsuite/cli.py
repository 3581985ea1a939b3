"""The command line: ``perfsuite list``, ``calibrate`` and ``faults``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from perfsuite.records import Variant

app = typer.Typer(
    help="Performance and quality gates for SDXL image generation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _fail(error: Exception) -> typer.Exit:
    typer.echo(f"perfsuite: {error}", err=True)
    return typer.Exit(2)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False) -> None:
    """Workloads, variants of the ladder, and the optimizations that combinations are made of."""
    from perfsuite import variants, workloads
    from perfsuite.optimizations import OPTIMIZATIONS

    shown = {name: o.summary for name, o in OPTIMIZATIONS.items() if not o.hidden}
    if as_json:
        ladder = {v.name: [o.name for o in v.optimizations] for v in variants.LADDER}
        described = {w.name: w.protocol for w in workloads.WORKLOADS.values()}
        typer.echo(json.dumps({"workloads": described, "variants": ladder, "optimizations": shown}, indent=2))
        return
    typer.echo("workloads")
    for workload in workloads.WORKLOADS.values():
        size = f"{workload.width}x{workload.height}"
        typer.echo(f"  {workload.name:<30} {size}, {workload.steps} steps, {len(workload.prompts)} prompts")
    typer.echo("variants")
    for variant in variants.LADDER:
        typer.echo(f"  {variant.name:<30} {' + '.join(o.name for o in variant.optimizations)}")
    typer.echo("optimizations, to combine as in --perf-variant bf16+sdpa+qkv")
    for name, summary in shown.items():
        typer.echo(f"  {name:<30} {summary}")


@app.command()
def calibrate(
    quality: Annotated[bool, typer.Option("--quality", help="measure the pictures' noise floor")] = False,
    golden: Annotated[bool, typer.Option("--golden", help="store float32 pictures as golden")] = False,
    workload: Annotated[str, typer.Option(help="see: perfsuite list")] = "shapes",
    variant: Annotated[list[str] | None, typer.Option(help="default: the ladder without fp32")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="seeds a prompt")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub or a folder")] = "auto",
    forced: Annotated[bool, typer.Option(help="also what the device only emulates")] = False,
    baselines: Annotated[Path, typer.Option(help="folder of the baselines")] = Path("baselines"),
) -> None:
    """Measure what the gates need to know beforehand, and store it below the baselines."""
    if not (quality or golden):
        raise _fail(ValueError("nothing to do: give --quality, --golden or both"))
    from perfsuite import variants, workloads
    from perfsuite.device import NoDeviceError
    from perfsuite.models import WeightsError
    from perfsuite.quality import QualityError
    from perfsuite.quality.golden import GoldenError
    from perfsuite.quality.noise import NoiseError
    from perfsuite.store import StoreError

    try:
        chosen = [variants.get(n) for n in variant or [v.name for v in variants.LADDER[1:]]]
        target = workloads.get(workload)
        folder = baselines / "reference" / target.name
        if golden:
            _golden(target.name, device, weights, folder)
        if quality:
            _quality(target.name, chosen, device, weights, folder, seeds=seeds, forced=forced)
    except (
        ValueError, NoDeviceError, WeightsError, QualityError, GoldenError, NoiseError, StoreError,
    ) as error:  # fmt: skip
        raise _fail(error) from error


def _golden(workload: str, device: str, weights: str, folder: Path) -> None:
    from perfsuite import variants
    from perfsuite.device import fingerprint
    from perfsuite.quality import record_reference
    from perfsuite.quality.golden import write_golden
    from perfsuite.quality.levels import write_levels
    from perfsuite.quality.reference import precisions_of

    target = fingerprint(device)
    precisions = precisions_of(variants.LADDER, target)
    reference = record_reference(workload, target, weights, precisions=precisions)
    for path in [*write_golden(folder, reference), write_levels(folder, reference)]:
        typer.echo(f"wrote {path}")


def _quality(
    workload: str, chosen: list[Variant], device: str, weights: str, folder: Path, *, seeds: int, forced: bool
) -> None:  # fmt: skip
    from dataclasses import replace

    from perfsuite.quality.noise import measure_noise
    from perfsuite.store import load_thresholds, write_thresholds

    path = folder / "thresholds.json"
    stored = load_thresholds(path)
    found = measure_noise(
        workload, chosen, device, seeds, weights=weights, forced=forced, progress=typer.echo
    )
    if stored is not None and stored.protocol == found.protocol:
        # A run over some variants leaves the others as they are.
        found = replace(found, variants={**stored.variants, **found.variants})
    folder.mkdir(parents=True, exist_ok=True)
    write_thresholds(path, found)
    typer.echo(f"{'variant':<30} {'floor':>8} {'allowed':>8}  n  (least over the prompts)")
    for name, prompts in found.variants.items():
        floor = min(p.floor for p in prompts.values())
        allowed = min(p.threshold for p in prompts.values())
        count = sum(p.n for p in prompts.values())
        typer.echo(f"{name:<30} {floor:>8.5f} {allowed:>8.5f}  {count}")
    typer.echo(f"wrote {path}")


@app.command()
def faults(
    workload: Annotated[str, typer.Option(help="see: perfsuite list")] = "shapes",
    variant: Annotated[list[str] | None, typer.Option(help="default: the ladder's eager forms")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="default: all; see --names")] = None,
    honest: Annotated[bool, typer.Option(help="also honest cases: false alarms count too")] = True,
    peers: Annotated[bool, typer.Option(help="also the gates of other projects")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub or a folder")] = "auto",
    names: Annotated[bool, typer.Option("--names", help="list the faults and stop")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="write every trial to this file")] = None,
) -> None:
    """Plant numerical faults and show which gate finds them. Exit code 1 if one is missed, or for a
    false alarm."""
    from perfsuite.quality.faults import FAULTS
    from perfsuite.report import trials as show
    from perfsuite.variants import UnknownNameError

    if names:
        typer.echo("\n".join(f"{f.name:<32} {f.component:<15} {f.summary}" for f in FAULTS.values()))
        return
    from perfsuite import variants, workloads
    from perfsuite.device import NoDeviceError
    from perfsuite.models import WeightsError
    from perfsuite.quality import QualityError
    from perfsuite.quality.trials import EAGER, Bench, run
    from perfsuite.store import StoreError
    from perfsuite.store.files import write_atomic

    try:
        for name in fault or ():
            if name not in FAULTS:
                raise UnknownNameError("fault", name, list(FAULTS))
        chosen = [variants.get(name) for name in variant or EAGER]
        bench = Bench(workloads.get(workload), device, weights, progress=_to_stderr)
        found = list(run(bench, chosen, fault or list(FAULTS), honest=honest, with_peers=peers))
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(out, show.as_json(found, bench.device).encode())
    except (ValueError, NoDeviceError, WeightsError, QualityError, StoreError) as error:
        raise _fail(error) from error
    typer.echo(show.table(found))
    if any(t.fault is not t.caught() for t in found):
        raise typer.Exit(1)


def _to_stderr(line: str) -> None:
    typer.echo(line, err=True)


def main() -> None:
    """Entry point of the ``perfsuite`` command."""
    app()


if __name__ == "__main__":
    main()
