"""The table after the run, and what follows it."""

from __future__ import annotations

import statistics
import textwrap
from io import StringIO
from typing import TYPE_CHECKING

from perfsuite.pipelines import variants
from perfsuite.records import Cause, Status
from perfsuite.report import figures
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from perfsuite.records import Device, Limits, Quantity, Result, Session, Stages, Verdict
    from perfsuite.store import Change

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
    Status.INCOMPATIBLE: "bold magenta",
    Status.LESS_JUDGED: "bold red",
    Status.NOT_JUDGED: "bold red",
}


_ALL = ("rung", "median", "speed-up", "baseline", "change", "verdict", "SSIM", "compile", "peak mem")
_HALVES = (
    ("rung", "median", "speed-up", "change", "verdict"),
    ("rung", "baseline", "SSIM", "compile", "peak mem"),
)
_LEFT = ("rung", "verdict")
"""Columns of words, which begin where their heading does."""


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


def _row(result: Result, results: Sequence[Result]) -> dict[str, str]:
    """One variant as text, by heading, so that every layout shows the same."""
    session, verdict = result.session, result.verdict
    median, speedup = show.seconds(figures.median_s(result)), figures.speedup(result, results)
    sessions = f" (n={verdict.baseline_sessions})" if verdict and verdict.baseline_s else ""
    cells = (
        show.plain(result.variant),
        f"{median} {show.spread(session.latency_s)}" if session else show.DASH,
        show.DASH if speedup is None else f"{speedup:.2f}x",
        show.seconds(verdict.baseline_s if verdict else None) + sessions,
        show.change(verdict.ratio if verdict and verdict.baseline_s else None),
        show.plain(figures.verdict_words(result)),
        show.similarity(figures.least_ssim(result)),
        _compile(session),
        show.memory(session.peak_memory_bytes if session else None),
    )
    return dict(zip(_ALL, cells, strict=True))


def _compile(session: Session | None) -> str:
    """Seconds, and where the code came from where that is known: ``121 s cold``."""
    if session is None:
        return show.DASH
    source = f" {session.compilation.source}" if session.compilation else ""
    return show.seconds(session.compile_s) + source


def _style(result: Result) -> str:
    if figures.wrong(result) or figures.amounts(result):
        return "bold red"
    return _STYLES[result.verdict.status] if result.verdict is not None else ""


def ladder(results: Sequence[Result], device: Device, *, colour: bool, width: int) -> str:
    """The table of one run, one section a workload, no line longer than `width` (of 30 or more).

    Where not all columns fit they are two tables, and where those do not, each figure has its name.
    """
    from rich.console import Console
    from rich.text import Text

    out = StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False,
        color_system="standard" if colour else None,
    )  # fmt: skip
    for workload in dict.fromkeys(r.workload for r in results):
        of_workload = [r for r in results if r.workload == workload]
        rows = [_row(result, results) for result in of_workload]
        styles = [_style(result) for result in of_workload]
        for part in textwrap.wrap(f"{show.plain(workload)} on {show.plain(device.name)}", width):
            console.print(Text(part, style="italic"))
        for tables in ((_ALL,), _HALVES):
            made = [_table(headings, rows, styles) for headings in tables]
            options = console.options.update(max_width=1000)
            if all(console.measure(table, options=options).maximum <= width for table in made):
                for table in made:
                    if len(table.columns) > 1:  # half a table may have nothing but names
                        console.print(table)
                break
        else:
            for row, style in zip(rows, styles, strict=True):
                _named(console, row, style)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _table(headings: Sequence[str], rows: Sequence[Mapping[str, str]], styles: Sequence[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    # Of half a table, a column without any figure says nothing.
    shown = [h for h in headings if headings is _ALL or any(row[h] != show.DASH for row in rows)]
    table = Table(box=None, pad_edge=False)
    for heading in shown:
        table.add_column(heading, justify="left" if heading in _LEFT else "right", no_wrap=True)
    for row, style in zip(rows, styles, strict=True):
        cells = {heading: Text(row[heading]) for heading in shown}
        if "verdict" in cells:
            cells["verdict"].stylize(style)
        table.add_row(*cells.values())
    return table


def _named(console: Console, row: Mapping[str, str], style: str) -> None:
    from rich.text import Text

    for part in textwrap.wrap(row["rung"], console.width - 2) or [""]:
        console.print(Text(part))
    console.print(Text(f"  {row['verdict']}", style))
    # Hard spaces: a figure stays with its name and its unit.
    rest = "  ".join(
        f"{h} {c}".replace(" ", "\N{NO-BREAK SPACE}")
        for h, c in row.items()
        if h not in _LEFT and c != show.DASH
    )
    for part in textwrap.wrap(rest, console.width - 4):
        console.print(Text(f"    {part}".replace("\N{NO-BREAK SPACE}", " ")))


def published(results: Sequence[Result]) -> list[str]:
    """Speed-ups over float32 with TF32, which is what published ones are over; one line a workload."""
    lines = []
    for base in results:
        own = figures.median_s(base) if base.variant == variants.PUBLISHED_REFERENCE.name else None
        if own is None:
            continue
        others = [
            f"{r.variant} {own / median:.2f}x"
            for r in results
            if r.workload == base.workload and r is not base and (median := figures.median_s(r)) is not None
        ]
        if others:
            lines.append(f"{base.workload}: speed-up over {base.variant}, as published: {', '.join(others)}")
    return lines


def stages(results: Iterable[Result], width: int = 120) -> list[str]:
    """Where the time of each rung goes, and how near that is to the device's ceiling.

    One line a rung, or two where `width` is too small for one.
    """
    measured = [(r.variant, r.session, r.session.stages) for r in results if r.session and r.session.stages]
    if not measured:
        return []
    legend = "one call by stage (T text encoders, U denoising steps, V VAE, . rest)"
    if any(session.limits for _, session, _ in measured):
        legend += "; %: of the rate of a large matrix product in the rung's precision"
    rows = [
        (show.plain(variant), split, _stage_figures(split, session.limits))
        for variant, session, split in measured
    ]
    names, texts = max(len(name) for name, _, _ in rows), max(len(text) for _, _, text in rows)
    bar = next((b for b in (30, 15) if 2 + names + 1 + b + 1 + texts <= width), None)
    lines = [legend]
    for name, split, text in rows:
        if bar is None:
            lines += [f"  {name:<{names}} {stage_bar(split, 15)}", f"    {text}"]
        else:
            lines.append(f"  {name:<{names}} {stage_bar(split, bar):<{bar}} {text}")
    return lines + _ceilings([(variant, session.limits) for variant, session, _ in measured])


def _stage_figures(split: Stages, limits: Limits | None) -> str:
    def share(flop: int, seconds: float) -> str:
        return f" {limits.share(flop, seconds) * 100:.0f} %" if limits and seconds else ""

    step_s = statistics.median(split.steps_s) if split.steps_s else 0.0
    step = share(limits.step_flop if limits else 0, step_s)
    vae = share(limits.vae_flop if limits else 0, split.vae_s)
    return (
        f"T {show.seconds(split.text_encoders_s)}  U {len(split.steps_s)} x {show.seconds(step_s)}{step}"
        f"  V {show.seconds(split.vae_s)}{vae}"
    )


def _ceilings(measured: Iterable[tuple[str, Limits | None]]) -> list[str]:
    """The best rates of each precision, one line each."""
    best: dict[str, tuple[float, float]] = {}
    for variant, rates in measured:
        precision = figures.precision(variant)
        if rates is not None and precision is not None:
            product, copy = best.get(precision, (0.0, 0.0))
            best[precision] = (max(product, rates.product_flop_per_s), max(copy, rates.copy_bytes_per_s))
    return [
        f"  ceiling {precision}: product {show.rate(product, 'FLOP/s')}, copy {show.rate(copy, 'B/s')}"
        for precision, (product, copy) in best.items()
    ]


def remarks(results: Sequence[Result]) -> list[str]:
    """What a person should know besides the table: every verdict that is not a plain OK.

    What holds for several variants alike is said once; that all are NEW the sentence above the table says.
    """
    lines = list(
        dict.fromkeys(f"{r.workload} {e}" for r in results for e in r.evidence if e.startswith(_SAID))
    )
    unsure: dict[tuple[str, bool], list[Result]] = {}
    for r in results:
        if r.verdict is not None and _is_unsure(r.verdict):
            unsure.setdefault((r.workload, Cause.FEW_SESSIONS in r.verdict.causes), []).append(r)
    shared = [some for some in unsure.values() if len(some) > 1]
    lines += map(_unsure, shared)
    alike = [r for some in shared for r in some]
    if all(r.verdict is None or r.verdict.status is Status.NEW for r in results):
        alike += [r for r in results if r.verdict is not None and not r.verdict.causes]
    said = []
    for r in results:
        if r not in alike and (text := _latency(r)):
            said.append((r, text))
        said += [(r, _amount(q)) for q in figures.amounts(r)]
        said += [(r, f"{look} {status}: {detail}") for look, status, detail in figures.complaints(r)]
    return [show.plain(line) for line in (*lines, *merged(said))]


def _amount(quantity: Quantity) -> str:
    verdict = quantity.verdict
    causes = f" [{', '.join(verdict.causes)}]" if verdict.causes else ""
    return f"{quantity.name} {verdict.status}{causes}: {verdict.detail}"


def merged(said: Sequence[tuple[Result, str]]) -> list[str]:
    """One line a text, with all variants of a workload for which it was said."""
    names: dict[tuple[str, str], list[str]] = {}
    for result, text in said:
        names.setdefault((result.workload, text), []).append(result.variant)
    return [f"{workload} {', '.join(of)}: {text}" for (workload, text), of in names.items()]


def _latency(result: Result) -> str:
    """What its verdict on latency says; nothing for a plain OK."""
    verdict = result.verdict
    # More sessions than this run's own: it was a suspect, and was measured again.
    again = verdict is not None and verdict.candidate_sessions > 1
    if verdict is None or (verdict.status is Status.OK and not verdict.causes and not again):
        return ""
    causes = f" [{', '.join(verdict.causes)}]" if verdict.causes else ""
    # How it stands to the ladder's shape is no news where that does not fail.
    detail = "there is no baseline" if verdict.status is Status.NEW else verdict.detail
    return f"{verdict.status}{causes}: {detail}"


def _is_unsure(verdict: Verdict) -> bool:
    """Whether all that can be said is that the comparison is too coarse."""
    if verdict.status is not Status.INCONCLUSIVE or verdict.candidate_sessions > 1:
        return False
    if verdict.interval is None or verdict.minimum_detectable_effect is None:
        return False
    low, high = verdict.interval
    return low <= 1.0 and (Cause.FEW_SESSIONS in verdict.causes or high > 1.0 + (verdict.tolerance or 0.0))


def _unsure(results: Sequence[Result]) -> str:
    """Such verdicts of one workload in one line: why, what slowdown each can find, and its other causes."""
    verdicts = {r.variant: r.verdict for r in results if r.verdict is not None}
    first = next(iter(verdicts.values()))
    few = Cause.FEW_SESSIONS in first.causes
    why = "[FEW_SESSIONS]: three baseline sessions are the least" if few else ": too noisy"
    if not few and first.tolerance is not None:
        why += f" to rule out a slowdown of {100.0 * first.tolerance:.1f} %"
    found = []
    for variant, verdict in verdicts.items():
        causes = ", ".join(c for c in verdict.causes if c is not Cause.FEW_SESSIONS)
        effect = f"{100.0 * (verdict.minimum_detectable_effect or 0.0):.1f} %"
        found.append(f"{variant} {effect}" + (f" [{causes}]" if causes else ""))
    said = f"INCONCLUSIVE{' ' if few else ''}{why}"
    return f"{results[0].workload}: {said}; least slowdown that is found: {', '.join(found)}"


def changes(made: Sequence[Change], path: str) -> list[str]:
    """What was written to the baselines; of many entries only how many, for the table has their names."""
    written: dict[str, list[str]] = {}
    for change in made:
        if change.action != "kept":
            written.setdefault(change.action, []).append(change.key)
    if not written:
        return []
    said = [f"{', '.join(k) if len(k) <= 3 else len(k)} {action}" for action, k in written.items()]
    return [f"baselines {path}: {'; '.join(said)}"]
