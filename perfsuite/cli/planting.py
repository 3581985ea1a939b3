"""``perfsuite faults``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, fail, to_stderr


@app.command()
def faults(
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    variant: Annotated[
        list[str] | None,
        typer.Option(help="default: the ladder's eager forms", autocompletion=completing.variants),
    ] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="default: all; see --names", autocompletion=completing.faults)
    ] = None,
    honest: Annotated[bool, typer.Option(help="also honest cases: false alarms count too")] = True,
    peers: Annotated[bool, typer.Option(help="also the gates of other projects")] = True,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    names: Annotated[bool, typer.Option("--names", help="list the faults and stop")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="write every trial to this file")] = None,
) -> None:
    """Plant numerical faults and show which gate finds them.

    Exit code 0: each was found; 1: one was missed, or there was a false alarm; 2: they cannot be planted.
    """
    from perfsuite.pipelines.variants import UnknownNameError
    from perfsuite.quality.faults import FAULTS
    from perfsuite.report import trials as show

    if names:
        typer.echo("\n".join(f"{f.name:<32} {f.component:<15} {f.summary}" for f in FAULTS.values()))
        return
    from perfsuite.device import NoDeviceError
    from perfsuite.pipelines import unsupported, variants, workloads
    from perfsuite.pipelines.models import WeightsError
    from perfsuite.quality import QualityError
    from perfsuite.quality.trials import EAGER, Bench, run
    from perfsuite.store import StoreError
    from perfsuite.store.files import write_atomic

    try:
        for name in fault or ():
            if name not in FAULTS:
                raise UnknownNameError("fault", name, list(FAULTS))
        chosen = [variants.get(name) for name in variant or EAGER]
        bench = Bench(workloads.get(workload), device, weights, progress=to_stderr)
        for each in chosen if variant else ():
            reason = unsupported(each, bench.device)
            if reason is not None:
                raise ValueError(f"{each.name}: {reason}")
        found = list(run(bench, chosen, fault or list(FAULTS), honest=honest, with_peers=peers))
        planted = {trial.case for trial in found}
        missed = [each for each in fault or () if each not in planted]
        if missed or not found:
            said = ", ".join(missed) or "nothing"
            raise ValueError(f"{said} could be planted in none of {', '.join(v.name for v in chosen)}")
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(out, show.as_json(found, bench.device).encode())
    except (ValueError, NoDeviceError, WeightsError, QualityError, StoreError) as error:
        raise fail(error) from error
    typer.echo(show.table(found))
    if any(t.fault is not t.caught() for t in found):
        raise typer.Exit(1)
