"""The command line: ``perfsuite list``, ``calibrate``, ``faults``, ``evaluate``, ``trace`` and ``ab``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perfsuite.records import Variant, Workload

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


@app.command()
def calibrate(
    quality: Annotated[bool, typer.Option("--quality", help="measure the pictures' noise floor")] = False,
    golden: Annotated[bool, typer.Option("--golden", help="store float32 pictures as golden")] = False,
    sessions: Annotated[int, typer.Option(min=0, max=20, help="latency: fresh processes a variant")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="replace stored sessions")] = False,
    time_budget: Annotated[float, typer.Option(min=0.1, help="seconds of timed calls a session")] = 6.0,
    workload: Annotated[str, typer.Option(help="see: perfsuite list")] = "shapes",
    variant: Annotated[list[str] | None, typer.Option(help="default: the ladder without fp32")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="seeds a prompt")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    forced: Annotated[bool, typer.Option(help="also what the device only emulates")] = False,
    baselines: Annotated[Path, typer.Option(help="folder of the baselines")] = Path("baselines"),
) -> None:
    """Measure what the gates need to know beforehand, and store it below the baselines."""
    if not (quality or golden or sessions):
        raise _fail(ValueError("nothing to do: give --sessions, --quality, --golden or several"))
    from perfsuite import models, variants, workloads
    from perfsuite.device import NoDeviceError
    from perfsuite.models import WeightsError
    from perfsuite.quality import QualityError
    from perfsuite.quality.golden import GoldenError
    from perfsuite.quality.noise import NoiseError
    from perfsuite.store import StoreError
    from perfsuite.workers import WorkerError

    try:
        chosen = [variants.get(n) for n in variant or [v.name for v in variants.LADDER[1:]]]
        target = workloads.get(workload)
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
            _quality(target.name, chosen, device, weights, folder, seeds=seeds, forced=forced)
    except (
        ValueError, NoDeviceError, WeightsError, QualityError, GoldenError, NoiseError, StoreError,
        WorkerError,
    ) as error:  # fmt: skip
        raise _fail(error) from error


def _sessions(
    workload: Workload, names: list[str] | None, device: str, weights: str, folder: Path, sessions: int,
    *, time_budget_s: float, restart: bool,
) -> None:  # fmt: skip
    from perfsuite import models, variants
    from perfsuite.device import fingerprint, versions
    from perfsuite.pipelines import unsupported
    from perfsuite.report import calibration
    from perfsuite.store import Baselines
    from perfsuite.workers import Server
    from perfsuite.workers.calibrating import calibrate

    target = fingerprint(device)
    chosen = []
    for variant in map(variants.get, names or variants.VARIANTS):
        reason = unsupported(variant, target) or (None if names else variants.superseded(variant, target))
        if reason is None:
            chosen.append(variant)
        elif names:
            raise ValueError(f"{variant.name}: {reason}")
    protocol = models.protocol(workload, weights)
    store = Baselines(folder)
    with Server() as server:
        found = calibrate(
            server, store, target, workload, chosen, sessions, protocol=protocol, versions=versions(),
            weights=weights, time_budget_s=time_budget_s, restart=restart, progress=_to_stderr,
        )  # fmt: skip
    typer.echo(calibration.table(found, target.name))
    typer.echo(f"baselines {store.path(target.slug)}")


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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
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


@app.command()
def evaluate(
    traces: Annotated[Path, typer.Argument(help="npz file, or a folder of results or baselines")],
    split: Annotated[str, typer.Option(help="all, tune or report: every second group")] = "all",
    repeats: Annotated[int, typer.Option(min=1, help="draws a benchmark")] = 2,
    sessions: Annotated[int, typer.Option(min=1, help="processes a side")] = 5,
    samples: Annotated[int, typer.Option(min=1, help="samples a process")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="of all draws")] = 1,
    rule: Annotated[list[str] | None, typer.Option(help="default: all that can be run")] = None,
    design: Annotated[
        list[str] | None, typer.Option(help="5x4, 1v5, sequential, suite; default: all")
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="write all figures to this file")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the tables to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw power and false alarms into this PNG")] = None,
) -> None:
    """Judge the rules that tell a slowdown from noise, this suite's and its peers', on recorded latencies."""
    from perfsuite.decision.judging import evaluate
    from perfsuite.report import evaluation as show
    from perfsuite.store import StoreError
    from perfsuite.store.files import write_atomic
    from perfsuite.store.traces import read_traces

    try:
        found = evaluate(
            read_traces(traces).part(split), split, rule, design,
            sessions=sessions, samples=samples, repeats=repeats, seed=seed, progress=_to_stderr,
        )  # fmt: skip
        for path in filter(None, (out, markdown, plot)):
            path.parent.mkdir(parents=True, exist_ok=True)
        if out is not None:
            write_atomic(out, show.as_json(found).encode())
        if markdown is not None:
            write_atomic(markdown, show.markdown(found).encode())
        if plot is not None:
            write_atomic(plot, show.plot(found))
    except (ValueError, OSError, StoreError) as error:
        raise _fail(error) from error
    typer.echo(show.text(found))


@app.command()
def trace(
    out: Annotated[Path, typer.Argument(help="npz file to write, for perfsuite evaluate")],
    variant: Annotated[list[str], typer.Option(help="may be repeated")],
    workload: Annotated[str, typer.Option(help="see: perfsuite list")] = "shapes",
    processes: Annotated[int, typer.Option(min=2, help="fresh processes")] = 30,
    samples: Annotated[int, typer.Option(min=1, help="calls of each variant in each process")] = 30,
    steps: Annotated[int | None, typer.Option(min=1, help="denoising steps; default: the workload's")] = None,
    busy: Annotated[int, typer.Option(min=0, help="cores that other work keeps busy meanwhile")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
) -> None:
    """Record this machine's own timing noise: seconds by variant, fresh process and call."""
    from perfsuite import variants, workloads
    from perfsuite.store import StoreError
    from perfsuite.store.traces import write
    from perfsuite.workers import Server, WorkerError, tracing

    try:
        names = [variants.get(name).name for name in variant]
        target = workloads.get(workload)
        group = f"{target.name}, {busy} cores busy" if busy else f"{target.name}, alone"

        def done(latency_s: NDArray[np.float32]) -> None:
            write(out, latency_s, names, [group] * len(names))

        with tracing.load(busy), Server() as server:
            tracing.record(
                server, target.name, names, processes, samples, steps=steps, device=device,
                weights=weights, progress=_to_stderr, done=done,
            )  # fmt: skip
    except (ValueError, WorkerError, StoreError) as error:
        raise _fail(error) from error
    typer.echo(f"wrote {out}")


class _Comparison(typer.core.TyperCommand):
    """A command whose exit code 2 has a meaning of its own, so that a mistyped option gives 3."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if hasattr(error, "exit_code"):
                error.exit_code = 3
            raise


@app.command(cls=_Comparison)
def ab(
    base: Annotated[str | None, typer.Option(help="Python interpreter of the environment before")] = None,
    head: Annotated[str | None, typer.Option(help="Python interpreter of the environment after")] = None,
    base_ref: Annotated[str | None, typer.Option(help="git ref before, in place of --base")] = None,
    head_ref: Annotated[str | None, typer.Option(help="git ref after, in place of --head")] = None,
    repository: Annotated[Path, typer.Option(help="git checkout of the package under test")] = Path(),
    workload: Annotated[str, typer.Option(help="see: perfsuite list")] = "shapes",
    variant: Annotated[
        str | None, typer.Option(help="default: bf16-sdpa, fp32-sdpa where bfloat16 is emulated")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
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
    """Compare two environments in lock step. Exit code 0: not slower; 1: regressed, in latency or
    pictures; 2: inconclusive; 3: it could not be compared."""
    import tempfile

    from perfsuite import models, variants, workloads
    from perfsuite.decision.paired import PairedSettings
    from perfsuite.quality.sides import compare_sides
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
        weights = models.resolve(target.model, weights).spec
        settings = PairedSettings(tolerance=tolerance)
        with tempfile.TemporaryDirectory(prefix="perfsuite-ab-") as name:
            folder = Path(name)
            pythons = {
                side: interpreter or str(build(repository, ref or "", folder, side))
                for side, interpreter, ref in (("base", base, base_ref), ("head", head, head_ref))
            }
            with Server(pythons["base"]) as one, Server(pythons["head"]) as other:
                if variant is None:
                    chosen = variants.get(comparing.default_variant(one, device))
                plan = comparing.Plan(
                    target.name, chosen.name, device, weights, time_s, most_pairs=pairs,
                    least_pairs=min(2, pairs), prompts=prompts, design=design,
                )  # fmt: skip
                servers = {"base": one, "head": other}
                found = comparing.run_ab(servers, plan, folder, settings, _to_stderr)
            folder_of_thresholds = baselines / "reference" / models.reference_folder(target, weights)
            quality = compare_sides(found.pictures, target, chosen, folder_of_thresholds, weights)
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
    if found.verdict.status not in (Status.OK, Status.IMPROVED):
        raise typer.Exit(2)


def _to_stderr(line: str) -> None:
    typer.echo(line, err=True)


def main() -> None:
    """Entry point of the ``perfsuite`` command."""
    app()


if __name__ == "__main__":
    main()
