"""``perfsuite evaluate`` and ``perfsuite trace``: is the rule any good?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, fail, to_stderr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@app.command()
def evaluate(
    traces: Annotated[
        Path | None, typer.Argument(help="npz file, or a folder of results or baselines")
    ] = None,
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
    history: Annotated[
        Path | None, typer.Option(help="in place of traces: npz of histories with people's marks")
    ] = None,
    drift: Annotated[
        list[Path] | None, typer.Option(help="with --history: traces in seconds to plant slow drift into")
    ] = None,
    drift_relative: Annotated[list[Path] | None, typer.Option(help="likewise: of relative latency")] = None,
    peer_python: Annotated[
        list[Path] | None, typer.Option(help="with --history: interpreter that has Otava or MongoDB's rule")
    ] = None,
) -> None:
    """Judge the rules that tell a slowdown from noise, this suite's and its peers', on recorded latencies.

    Exit code 0: judged, whatever was found; 2: wrong options, or files that cannot be read or written.
    """
    from perfsuite.decision.evaluation import evaluate
    from perfsuite.report import evaluation as show
    from perfsuite.store import StoreError
    from perfsuite.store.files import write_atomic
    from perfsuite.store.traces import read_traces

    if (traces is None) == (history is None):
        raise typer.BadParameter("give either traces or --history")
    if history is not None:
        _histories(history, drift or [], drift_relative or [], peer_python or [], repeats, seed, out, markdown)
        return
    assert traces is not None
    try:
        found = evaluate(
            read_traces(traces).part(split), split, rule, design,
            sessions=sessions, samples=samples, repeats=repeats, seed=seed, progress=to_stderr,
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
        raise fail(error) from error
    typer.echo(show.text(found))


def _histories(
    history: Path,
    seconds: list[Path],
    relative: list[Path],
    interpreters: list[Path],
    repeats: int,
    seed: int,
    out: Path | None,
    markdown: Path | None,
) -> None:
    """Judge the rules that find changes in a history of nights."""
    from dataclasses import replace

    from perfsuite.decision.histories.drifting import drift
    from perfsuite.decision.histories.evaluation import evaluate
    from perfsuite.decision.histories.labelled import load
    from perfsuite.report import histories as show
    from perfsuite.store import StoreError
    from perfsuite.store.files import write_atomic
    from perfsuite.store.traces import read_traces

    try:
        planted = [
            found
            for kind, paths in (("cpu", seconds), ("cpu-relative", relative))
            for path in paths
            for found in drift(read_traces(path), kind, repeats, seed)
        ]
        found = evaluate(str(history), load(history), interpreters, progress=to_stderr)
        found = replace(found, drift=planted)
        for path in filter(None, (out, markdown)):
            path.parent.mkdir(parents=True, exist_ok=True)
        if out is not None:
            write_atomic(out, show.as_json(found).encode())
        if markdown is not None:
            write_atomic(markdown, show.markdown(found).encode())
    except (ValueError, OSError, StoreError) as error:
        raise fail(error) from error
    typer.echo(show.text(found))


@app.command()
def trace(
    out: Annotated[Path, typer.Argument(help="npz file to write, for perfsuite evaluate")],
    variant: Annotated[list[str], typer.Option(help="may be repeated", autocompletion=completing.variants)],
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    processes: Annotated[int, typer.Option(min=2, help="fresh processes")] = 30,
    samples: Annotated[int, typer.Option(min=1, help="calls of each variant in each process")] = 30,
    steps: Annotated[int | None, typer.Option(min=1, help="denoising steps; default: the workload's")] = None,
    busy: Annotated[int, typer.Option(min=0, help="cores that other work keeps busy meanwhile")] = 0,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
) -> None:
    """Record this machine's own timing noise: seconds by variant, fresh process and call.

    Exit code 0: recorded; 2: wrong options, or a process failed, or the file cannot be written.
    """
    from perfsuite.pipelines import variants, workloads
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
                weights=weights, progress=to_stderr, done=done,
            )  # fmt: skip
    except (ValueError, WorkerError, StoreError) as error:
        raise fail(error) from error
    typer.echo(f"wrote {out}")
