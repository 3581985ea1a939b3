"""``perfsuite summary`` and ``perfsuite export``: results as Markdown and in other projects' formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli.app import app, fail
from perfsuite.cli.results import Results, chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.records import Run

Out = Annotated[Path | None, typer.Option(help="file to write; default: standard output")]


@app.command()
def summary(
    results: Results = None,
    out: Out = None,
    baselines: Annotated[
        Path, typer.Option(help="folder of the baselines, for what differs from them")
    ] = Path("baselines"),
    limit: Annotated[
        int, typer.Option(min=200, help="bytes, at most; the default fits a comment on GitHub")
    ] = 65536,
) -> None:
    """Write results as Markdown for a pull request: regressions first, one table, what to do.

    Exit code 0: written, whatever the results are; 2: there are none, or they cannot be read or written.
    """
    from perfsuite.report import markdown
    from perfsuite.store import Baselines, StoreError

    try:
        runs = _read(results)
        store = Baselines(baselines)
        stored = {run.device.slug: store.of(run.device) for run in runs}
        _write(markdown.summary(runs, stored, most_bytes=limit), out)
    except (ValueError, StoreError) as error:
        raise fail(error) from error


@app.command()
def export(
    kind: Annotated[str, typer.Argument(help="pytest-benchmark, github-action-benchmark, pytorch or svg")],
    results: Results = None,
    out: Out = None,
) -> None:
    """Write results in another project's format: pytest-benchmark's JSON, github-action-benchmark's
    customSmallerIsBetter, records of PyTorch's benchmark database; or the table as SVG.

    Exit code 0: written; 2: an unknown format, or results that cannot be read or written.
    """
    from perfsuite.pipelines.variants import UnknownNameError
    from perfsuite.report import exports
    from perfsuite.store import StoreError

    try:
        if kind not in exports.KINDS:
            raise UnknownNameError("format", kind, list(exports.KINDS))
        _write(exports.export(kind, _read(results)), out)
    except (ValueError, StoreError) as error:
        raise fail(error) from error


def _read(paths: Sequence[Path] | None) -> list[Run]:
    """The runs in these files and folders, each once. Raises `StoreError`."""
    from perfsuite.store import read_results

    return list({run.id: run for run in map(read_results, chosen(paths))}.values())


def _write(text: str, out: Path | None) -> None:
    from perfsuite.store.files import write_atomic

    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(out, text.encode())
