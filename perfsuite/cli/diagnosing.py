"""``perfsuite doctor``: is this machine fit to measure?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, fail, terminal, to_stderr


@app.command()
def doctor(
    workload: Annotated[
        str, typer.Option(help="see: perfsuite list", autocompletion=completing.workloads)
    ] = "shapes",
    variant: Annotated[
        list[str] | None, typer.Option(help="default: the ladder", autocompletion=completing.variants)
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    baselines: Annotated[Path, typer.Option(help="folder of the baselines")] = Path("baselines"),
    compile_cache: Annotated[str, typer.Option(help="file of compiled code, or off")] = "off",
    reference_cache: Annotated[str, typer.Option(help="folder of float32 references, auto or off")] = "auto",
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="of the self-test")] = 10.0,
    no_self_test: Annotated[bool, typer.Option("--no-self-test", help="measure no noise")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="exit code 1 for warnings, too")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="a failed check ends in its traceback")] = False,
) -> None:
    """Look at torch, compiler, clocks, load, threads, weights and baselines, measure the machine's noise, and
    say what to do.

    Exit code 0: fit to measure, maybe with warnings; 1: measurements would
    fail or mislead; 2: wrong options; 3: it cannot be told.
    """
    from perfsuite import settings
    from perfsuite.doctor import Examination, examine, exit_code
    from perfsuite.pipelines import variants, workloads
    from perfsuite.report import doctor as show

    given = {
        "device": device, "weights": weights, "baselines": str(baselines),
        "compile-cache": compile_cache, "reference-cache": reference_cache,
    }  # fmt: skip
    try:
        options = settings.read(lambda o: given.get(o.name), lambda o: None, Path())
        examination = Examination(
            workloads.get(workload),
            tuple(map(variants.get, variant or ())),
            options.device,
            options.weights,
            options.baselines,
            options.reference_cache,
            options.compile_cache,
            0.0 if no_self_test else seconds,
            progress=to_stderr,
        )
    except ValueError as error:
        raise fail(error) from error
    findings = examine(examination, debug=debug)
    code = exit_code(findings, strict=strict)
    if as_json:
        typer.echo(show.as_json(findings, examination.known_device, code))
    else:
        how = terminal()
        typer.echo(show.text(findings, colour=how.colour, width=how.width), color=how.colour)
    if code:
        raise typer.Exit(code)
