"""``perfsuite faults``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perfsuite.cli import completing
from perfsuite.cli.app import app, fail, to_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.pipelines.technique import Variant
    from perfsuite.quality.trials import Bench, Trial


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
    compiled: Annotated[
        bool, typer.Option("--compiled", help="mistakes of a compiler, in compiled variants")
    ] = False,
    one_at_a_time: Annotated[
        bool, typer.Option("--one-at-a-time", help="with --compiled: each mistake alone, by all looks")
    ] = False,
    group: Annotated[
        list[int] | None, typer.Option(min=1, help="with --compiled: this group of mistakes; default: all")
    ] = None,
    honest: Annotated[bool, typer.Option(help="also honest cases: false alarms count too")] = True,
    peers: Annotated[bool, typer.Option(help="also the gates of other projects, in eager variants")] = True,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N", autocompletion=completing.places)
    ] = "auto",
    weights: Annotated[str, typer.Option(help="auto, hub, random, a folder or a file")] = "auto",
    names: Annotated[bool, typer.Option("--names", help="list the faults and stop")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="write every trial to this file")] = None,
) -> None:
    """Plant numerical faults, or a compiler's mistakes, and show which gate finds them.

    Exit code 0: each was found; 1: one was missed, or there was a false alarm; 2: they cannot be planted.
    """
    if names:
        typer.echo("\n".join(_named(compiled=compiled)))
        return
    from perfsuite.device import NoDeviceError
    from perfsuite.pipelines.models import WeightsError
    from perfsuite.quality import QualityError
    from perfsuite.store import StoreError

    try:
        asked = _Asked(workload, device, weights, variant or (), fault or (), out, honest)
        together = _Together(one_at_a_time, group or ())
        if not compiled:
            together.check_unused()
        found, said = _compiled(asked, together) if compiled else _eager(asked, peers=peers)
    except (ValueError, NoDeviceError, WeightsError, QualityError, StoreError) as error:
        raise fail(error) from error
    typer.echo(said)
    if any(t.fault is not t.caught() for t in found):
        raise typer.Exit(1)


def _named(*, compiled: bool) -> list[str]:
    """Names with their component and what is wrong; of mistakes also the report."""
    if compiled:
        from perfsuite.quality.faults.compiler import MISTAKES

        return [f"{m.name:<38} {m.component:<5} {m.summary} ({m.source})" for m in MISTAKES.values()]
    from perfsuite.quality.faults import FAULTS

    return [f"{f.name:<32} {f.component:<15} {f.summary}" for f in FAULTS.values()]


@dataclass(frozen=True)
class _Asked:
    """What of the options both kinds of trials share."""

    workload: str
    device: str
    weights: str
    variants: Sequence[str]
    """Empty for those of the kind."""
    faults: Sequence[str]
    """Empty for all."""
    out: Path | None
    honest: bool

    def check(self, kind: str, known: Sequence[str]) -> None:
        """Raise `UnknownNameError` for a fault that is not known."""
        from perfsuite.pipelines.variants import UnknownNameError

        for name in self.faults:
            if name not in known:
                raise UnknownNameError(kind, name, list(known))


@dataclass(frozen=True)
class _Together:
    """How mistakes of a compiler are planted together."""

    one_at_a_time: bool
    groups: Sequence[int]
    """Numbers from 1; empty for all."""

    def __post_init__(self) -> None:
        if self.one_at_a_time and self.groups:
            raise ValueError("--group and --one-at-a-time exclude each other; leave one out")

    def check_unused(self) -> None:
        """Raise `ValueError` if something of it was asked for."""
        if self.one_at_a_time or self.groups:
            raise ValueError("--group and --one-at-a-time are for a compiler's mistakes; add --compiled")


def _eager(asked: _Asked, *, peers: bool) -> tuple[Sequence[Trial], str]:
    """Faults in eager pipelines, and honest cases."""
    from perfsuite.pipelines import variants, workloads
    from perfsuite.quality.faults import FAULTS
    from perfsuite.quality.trials import EAGER, Bench, run
    from perfsuite.report import trials as show

    asked.check("fault", list(FAULTS))
    chosen = [variants.get(name) for name in asked.variants or EAGER]
    bench = Bench(workloads.get(asked.workload), asked.device, asked.weights, progress=to_stderr)
    _check_supported(bench, chosen if asked.variants else ())
    faults = list(asked.faults) or list(FAULTS)
    found = list(run(bench, chosen, faults, honest=asked.honest, with_peers=peers))
    _check_planted(found, asked.faults, [v.name for v in chosen])
    _write(found, bench, asked.out)
    return found, show.table(found)


def _compiled(asked: _Asked, together: _Together) -> tuple[Sequence[Trial], str]:
    """Mistakes in compiled code, and honest builds; the file holds what was tried so far, all the time."""
    from perfsuite.pipelines import workloads
    from perfsuite.quality.compiled_bench import CompiledBench, run
    from perfsuite.quality.compiled_trials import VARIANTS, CompiledTrial, get_variant
    from perfsuite.quality.faults.compiler import MISTAKES
    from perfsuite.report import compiled_trials as show

    asked.check("compiler's mistake", list(MISTAKES))
    chosen = [get_variant(name) for name in asked.variants or VARIANTS]
    reasons = {name: [MISTAKES[name].applies(v) for v in chosen] for name in asked.faults}
    for name, each in reasons.items():
        if all(each):
            said = "; ".join(f"{v.name}: {reason}" for v, reason in zip(chosen, each, strict=True))
            raise ValueError(f"{name} can be planted in none of these: {said}")
    bench = CompiledBench(workloads.get(asked.workload), asked.device, asked.weights, progress=to_stderr)
    _check_supported(bench, chosen if asked.variants else ())
    found: list[CompiledTrial] = []
    for trial in run(
        bench, chosen, list(asked.faults) or list(MISTAKES), honest=asked.honest,
        one_at_a_time=together.one_at_a_time, groups=together.groups,
    ):  # fmt: skip
        found.append(trial)
        _write(found, bench, asked.out)
    _check_planted(found, () if together.groups else asked.faults, [v.name for v in chosen])
    return found, show.table(found)


def _check_supported(bench: Bench, named: Sequence[Variant]) -> None:
    from perfsuite.pipelines import unsupported

    for each in named:
        reason = unsupported(each, bench.device, bench.workload)
        if reason is not None:
            raise ValueError(f"{each.name}: {reason}")


def _check_planted(found: Sequence[Trial], faults: Sequence[str], variants: Sequence[str]) -> None:
    planted = {trial.case for trial in found}
    missed = [each for each in faults if each not in planted]
    if missed or not found:
        said = ", ".join(missed) or "nothing"
        raise ValueError(f"{said} could be planted in none of {', '.join(variants)}")


def _write(found: Sequence[Trial], bench: Bench, out: Path | None) -> None:
    from perfsuite.report import trials as show
    from perfsuite.store.files import write_atomic

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, show.as_json(found, bench.device).encode())
