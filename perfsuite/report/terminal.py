"""The table after the run, and what follows it."""

from __future__ import annotations

import statistics
import textwrap
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from perfsuite import variants
from perfsuite.records import PictureStatus, Status
from perfsuite.report import format as show
from perfsuite.report.messages import take_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perfsuite.records import Device, Result, Session, Stages
    from perfsuite.store import Change

_BAD = (PictureStatus.DEGRADED, PictureStatus.BROKEN)
WEIGHTS = "weights: "
"""Beginning of the line of a result's evidence that says where its weights are from."""
_SAID = (WEIGHTS, "this torch has no Inductor flag")
"""Beginnings of the lines of a result's evidence that a person should see: where its weights are from, and
what the recipe asks for and is not there."""
_STYLES = {
    Status.OK: "green",
    Status.IMPROVED: "bold green",
    Status.REGRESSED: "bold red",
    Status.INCONCLUSIVE: "yellow",
    Status.NEW: "cyan",
    Status.INCOMPATIBLE: "magenta",
}


@dataclass(frozen=True)
class _Row:
    """One variant as text, so that a table and plain columns show the same."""

    rung: str
    latency: str
    speedup: str
    baseline: str
    change: str
    verdict: str
    ssim: str
    first: str
    memory: str

    HEADER = ("rung", "median", "speed-up", "baseline", "change", "verdict", "SSIM", "compile", "peak mem")


def stage_bar(stages: Stages, width: int = 30) -> str:
    """One bar a call: ``T`` text encoders, ``U`` denoising steps, ``V`` VAE, ``.`` the rest."""
    parts = [
        ("T", stages.text_encoders_s),
        ("U", sum(stages.steps_s)),
        ("V", stages.vae_s),
        (".", stages.other_s),
    ]
    total = sum(seconds for _, seconds in parts) or 1.0
    bar, drawn, reached = "", 0, 0.0
    for letter, seconds in parts:
        reached += seconds / total * width
        bar += letter * (round(reached) - drawn)
        drawn = round(reached)
    return bar


def _median(result: Result | None) -> float | None:
    if result is None or result.session is None:
        return None
    return statistics.median(result.session.latency_s)


def _speedup(result: Result, results: Sequence[Result]) -> str:
    own = _median(result)
    reference = next(
        (r for r in results if (r.workload, r.variant) == (result.workload, variants.REFERENCE.name)),
        None,
    )
    base = _median(reference)
    return show.DASH if own is None or base is None else f"{base / own:.2f}x"


def _verdict(result: Result) -> str:
    words = []
    if result.verdict is not None:
        words.append(result.verdict.status.value)
    words += [f"{name} {status.value}" for name, status, _ in complaints(result)]
    return ", ".join(words) or show.DASH


def complaints(result: Result) -> list[tuple[str, PictureStatus, str]]:
    """Name, status and detail of each look that is not OK; of the pictures where only those were taken."""
    found, timed = result.quality, result.timed
    said = []
    if timed is not None and timed.status in _BAD:
        said.append(("timed picture", timed.status, f"{timed.prompt!r}: {timed.detail}"))
    fine = (PictureStatus.OK, PictureStatus.NOT_JUDGED)
    if found is None or (not found.looks and found.status is PictureStatus.OK):
        return said
    if found.looks:
        # Pictures are what a person looks for: that they were not judged is said.
        return said + [
            (k.name, k.status, k.detail)
            for k in found.looks
            if k.status not in fine or (k.name == "pictures" and k.status is not PictureStatus.OK)
        ]
    worst = next(s for s in found.scores if s.status is found.status)
    return [*said, ("pictures", found.status, f"{worst.prompt!r}: {worst.detail}")]


def _row(result: Result, results: Sequence[Result]) -> _Row:
    session, verdict = result.session, result.verdict
    latency = f"{show.seconds(_median(result))} {show.spread(session.latency_s)}" if session else show.DASH
    sessions = f" (n={verdict.baseline_sessions})" if verdict and verdict.baseline_s else ""
    return _Row(
        rung=result.variant,
        latency=latency,
        speedup=_speedup(result, results),
        baseline=show.seconds(verdict.baseline_s if verdict else None) + sessions,
        change=show.change(verdict.ratio if verdict and verdict.baseline_s else None),
        verdict=_verdict(result),
        ssim=show.similarity(least_ssim(result)),
        first=_compile(session),
        memory=show.memory(session.peak_memory_bytes if session else None),
    )


def _compile(session: Session | None) -> str:
    """Seconds, and where the code came from where that is known: ``121 s cold``."""
    if session is None:
        return show.DASH
    source = f" {session.compilation.source}" if session.compilation else ""
    return show.seconds(session.compile_s) + source


def least_ssim(result: Result) -> float | None:
    """Over the prompts, and the picture of the last timed call."""
    if result.quality is not None and result.quality.ssim is None:
        return None
    if result.timed is not None and result.timed.status is PictureStatus.BROKEN:
        return None
    values = [result.quality.ssim] if result.quality is not None else []
    if result.timed is not None:
        values.append(result.timed.ssim)
    return min((v for v in values if v is not None), default=None)


def _style(result: Result) -> str:
    if any(status in _BAD for _, status, _ in complaints(result)):
        return "bold red"
    return _STYLES[result.verdict.status] if result.verdict is not None else ""


def _cells(row: _Row) -> tuple[str, ...]:
    return (row.rung, row.latency, row.speedup, row.baseline, row.change, row.verdict, row.ssim,
            row.first, row.memory)  # fmt: skip


def ladder(results: Sequence[Result], device: Device, *, colour: bool, width: int) -> str:
    """The table of one run, one section a workload; two lines a rung where columns would not fit."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    out = StringIO()
    console = Console(
        file=out, width=max(width, 60), force_terminal=colour, no_color=not colour, highlight=False
    )
    for workload in dict.fromkeys(r.workload for r in results):
        of_workload = [r for r in results if r.workload == workload]
        table = Table(title=f"{workload} on {device.name}", title_justify="left", box=None, pad_edge=False)
        for index, heading in enumerate(_Row.HEADER):
            table.add_column(heading, justify="left" if index in (0, 5) else "right", no_wrap=True)
        for result in of_workload:
            cells = [Text(cell) for cell in _cells(_row(result, results))]
            cells[5].stylize(_style(result))
            table.add_row(*cells)
        wanted = console.measure(table, options=console.options.update(max_width=1000)).maximum
        if width < 100 or wanted > width:
            _narrow(console, workload, of_workload, device)
        else:
            console.print(table)
    return out.getvalue().rstrip("\n")


def _narrow(console: object, workload: str, results: Sequence[Result], device: Device) -> None:
    from rich.console import Console
    from rich.text import Text

    assert isinstance(console, Console)
    console.print(Text(f"{workload} on {device.name}", style="italic"))
    for result in results:
        cells = _cells(_row(result, results))
        line = Text(f"{cells[0]}  ")
        line.append(cells[5], style=_style(result))
        console.print(line)
        pairs = zip(_Row.HEADER, cells, strict=True)
        # Hard spaces: a figure stays with its name and its unit.
        rest = "  ".join(
            f"{h} {c}".replace(" ", "\N{NO-BREAK SPACE}")
            for h, c in pairs
            if h not in ("rung", "verdict") and c != show.DASH
        )
        for part in textwrap.wrap(rest, console.width - 4):
            console.print(Text(f"    {part}".replace("\N{NO-BREAK SPACE}", " ")))


def published(results: Sequence[Result]) -> list[str]:
    """Speed-ups over float32 with TF32, which is what published ones are over; one line a workload."""
    lines = []
    for base in results:
        own = _median(base) if base.variant == variants.PUBLISHED_REFERENCE.name else None
        if own is None:
            continue
        others = [
            f"{r.variant} {own / median:.2f}x"
            for r in results
            if r.workload == base.workload and r is not base and (median := _median(r)) is not None
        ]
        if others:
            lines.append(f"{base.workload}: speed-up over {base.variant}, as published: {', '.join(others)}")
    return lines


def stages(results: Iterable[Result]) -> list[str]:
    """Where the time of each rung goes, one line a rung, and how near that is to the device's ceiling."""
    measured = [(r.variant, r.session, r.session.stages) for r in results if r.session and r.session.stages]
    if not measured:
        return []
    lines = ["one call by stage (T text encoders, U denoising steps, V VAE, . rest)"]
    if any(session.limits for _, session, _ in measured):
        lines[0] += "; %: of the rate of a large matrix product in the rung's precision"
    for variant, session, split in measured:
        steps_s, limits = split.steps_s, session.limits
        step_s = statistics.median(steps_s)
        shares = [
            f" {limits.share(flop, seconds) * 100:.0f} %" if limits and seconds else ""
            for flop, seconds in (
                (limits.step_flop if limits else 0, step_s), (limits.vae_flop if limits else 0, split.vae_s)
            )
        ]  # fmt: skip
        steps = f"{len(steps_s)} x {show.seconds(step_s)}{shares[0]}"
        lines.append(
            f"  {variant:<28} {stage_bar(split):<30} T {show.seconds(split.text_encoders_s)}"
            f"  U {steps}  V {show.seconds(split.vae_s)}{shares[1]}"
        )
    ceilings: dict[str, tuple[float, float]] = {}
    for variant, session, _ in measured:
        if session.limits:
            precision, rates = variants.get(variant).precision, session.limits
            product, copy = ceilings.get(precision, (0.0, 0.0))
            ceilings[precision] = (
                max(product, rates.product_flop_per_s), max(copy, rates.copy_bytes_per_s)
            )  # fmt: skip
    for precision, (product, copy) in ceilings.items():
        lines.append(
            f"  ceiling {precision}: product {show.rate(product, 'FLOP/s')}, copy {show.rate(copy, 'B/s')}"
        )
    return lines


def remarks(results: Iterable[Result]) -> list[str]:
    """What a person should know besides the table: every verdict that is not a plain OK."""
    results = list(results)
    lines = list(
        dict.fromkeys(f"{r.workload} {e}" for r in results for e in r.evidence if e.startswith(_SAID))
    )
    for result in results:
        name = f"{result.workload} {result.variant}"
        verdict = result.verdict
        # More sessions than this run's own: it was a suspect, and was measured again.
        again = verdict is not None and verdict.candidate_sessions > 1
        if verdict is not None and (verdict.status is not Status.OK or verdict.causes or again):
            causes = f" [{', '.join(verdict.causes)}]" if verdict.causes else ""
            lines.append(f"{name}: {verdict.status}{causes}: {verdict.detail}")
            if verdict.status is Status.IMPROVED:
                lines.append(f"  take it as the new baseline: {take_command(result)}")
        lines += [f"{name}: {look} {status}: {detail}" for look, status, detail in complaints(result)]
    return lines


def changes(made: Sequence[Change], path: str) -> list[str]:
    """What was written to the baselines."""
    written = [c for c in made if c.action != "kept"]
    if not written:
        return []
    return [f"baselines {path}: " + ", ".join(f"{c.key} {c.action}" for c in written)]
