"""Everything about one variant, as the page shows it when it is opened."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfsuite.records import Numbers, PictureStatus
from perfsuite.report import format as show
from perfsuite.report import messages
from perfsuite.report.figures import amounts, complaints
from perfsuite.report.headline import interval, sessions
from perfsuite.report.html import charts
from perfsuite.report.html.dates import day
from perfsuite.report.html.numbers import LookView, looks
from perfsuite.report.html.overview import Fact, badges
from perfsuite.report.html.telemetry import telemetry
from perfsuite.report.html.words import CAUSES, Badge, badge
from perfsuite.store import StoreError
from perfsuite.store.exhibits import read_numbers

if TYPE_CHECKING:
    from perfsuite.records import Result, Session
    from perfsuite.report.html.gather import Source
    from perfsuite.report.html.pictures import Album, Shown


@dataclass(frozen=True)
class PromptView:
    """One prompt's pictures and scores."""

    number: int
    prompt: str
    badge: Badge | None
    scores: tuple[Fact, ...]
    detail: str
    shown: Shown | None
    spans: dict[str, str]
    """What the brightest colour of a map stands for, by kind."""


@dataclass(frozen=True)
class VariantView:
    """One `<details>` of the page."""

    id: str
    workload: str
    name: str
    badges: tuple[Badge, ...]
    failing: bool
    summary: str
    said: tuple[str, ...]
    """What the verdict and the looks say, a sentence each."""
    causes: tuple[tuple[str, str], ...]
    latency: tuple[Fact, ...]
    axis: tuple[charts.Tick, ...]
    strips: tuple[charts.Strip, ...]
    parts: tuple[charts.Part, ...]
    ceiling: str
    cost: tuple[Fact, ...]
    """Compilation and memory."""
    prompts: tuple[PromptView, ...]
    curves: tuple[charts.Curve, ...]
    looks: tuple[LookView, ...]
    telemetry: tuple[Fact, ...]
    evidence: tuple[str, ...]
    notes: tuple[str, ...]
    images: tuple[str, ...]
    """Ids of its pictures."""


def view(source: Source, number: int, result: Result, id_: str, album: Album) -> VariantView:
    """The result `result` of the page's run `number`."""
    session, before = result.session, source.before(result)
    found, notes = _numbers(source, result)
    axis, rows = charts.strips(session, before, day) if session else (None, [])
    shown = badges(result)
    prompts = tuple(_prompts(result, number, album))
    split = session.stages if session else None
    return VariantView(
        id=id_,
        workload=result.workload,
        name=result.variant,
        badges=shown,
        failing=any(b.tone == "bad" for b in shown),
        summary=_summary(result),
        said=tuple(_said(result, before)),
        causes=tuple((c.value, CAUSES[c]) for c in (result.verdict.causes if result.verdict else ())),
        latency=tuple(_latency(result, session)) if session else (),
        axis=tuple(axis.ticks()) if axis else (),
        strips=tuple(rows),
        parts=tuple(charts.stack(split)) if split else (),
        ceiling=_ceiling(session),
        cost=tuple(_cost(session, before)) if session else (),
        prompts=prompts,
        curves=tuple(charts.drift(found.drift)),
        looks=tuple(looks(result.quality, found)),
        telemetry=tuple(telemetry(session)) if session else (),
        evidence=result.evidence,
        notes=tuple(notes),
        images=tuple(dict.fromkeys(i for p in prompts if p.shown for i in p.shown.images.values())),
    )


def _numbers(source: Source, result: Result) -> tuple[Numbers, list[str]]:
    name = result.exhibits.numbers if result.exhibits else None
    if name is None:
        return Numbers(), []
    try:
        return read_numbers(source.path.parent, name), []
    except StoreError as error:
        return Numbers(), [f"The drift and the single errors are not shown: {error}"]


def _summary(result: Result) -> str:
    session, verdict = result.session, result.verdict
    parts = []
    if session is not None:
        parts.append(f"{show.seconds(statistics.median(session.latency_s))}, n={len(session.latency_s)}")
    if verdict is not None and verdict.ratio is not None and verdict.baseline_s:
        parts.append(show.change(verdict.ratio))
    return " · ".join(parts)


def _said(result: Result, before: list[Session]) -> list[str]:
    verdict, session = result.verdict, result.session
    lines = []
    if verdict is not None and verdict.detail:
        lines.append(f"Latency {verdict.status}: {verdict.detail}.")
    lines += [f"{q.name} {q.verdict.status}: {q.verdict.detail}." for q in amounts(result)]
    lines += [f"{name} {status}: {detail}." for name, status, detail in complaints(result)]
    if session is not None and before:
        moved = messages.differences(session.versions, before[-1].versions)
        lines.append(f"Differs from the baseline's newest session: {moved}.")
    return lines


def _latency(result: Result, session: Session) -> list[Fact]:
    samples, verdict = session.latency_s, result.verdict
    n = len(samples)
    spread = f" {show.spread(samples)}" if n > 1 else ""
    found = [
        Fact("Median", f"{show.seconds(statistics.median(samples))}{spread} (n={n} calls)"),
        Fact("Range", f"{show.seconds(min(samples))} to {show.seconds(max(samples))} (n={n} calls)"),
    ]
    if verdict is not None and verdict.baseline_s:
        held = sessions(verdict.baseline_sessions)
        found.append(Fact("Baseline", f"{show.seconds(verdict.baseline_s)} (n={held})"))
    if verdict is not None and verdict.ratio is not None:
        found.append(Fact("Change", f"{show.change(verdict.ratio)}, {interval(verdict)} ({verdict.basis}, "
                          f"n={sessions(verdict.candidate_sessions)} of this run)"))  # fmt: skip
    if verdict is not None and verdict.minimum_detectable_effect is not None:
        found.append(Fact("Would have been found", f"{verdict.minimum_detectable_effect * 100:.1f} % slower "
                          "(80 % power)"))  # fmt: skip
    if session.relative is not None:
        ratio = session.relative.ratio
        found.append(Fact(f"Relative to {session.relative.reference}",
                          f"{statistics.median(ratio):.4g}x (median of n={len(ratio)} pairs)"))  # fmt: skip
    ended = "" if session.warmup_steady else ", not steady at its limit"
    found.append(Fact("Warm-up", f"n={len(session.warmup_s)} calls{ended}"))
    if session.throttled_s:
        found.append(Fact("Throttled", f"n={len(session.throttled_s)} calls"))
    if session.contended_s:
        beside = f"n={len(session.contended_s)} calls while other processes took its cores"
        found.append(Fact("Contended", beside))
    if session.unfit:
        found.append(Fact("No weight", session.unfit))
    return found


def _cost(session: Session, before: list[Session]) -> list[Fact]:
    found = [Fact("First call", f"{show.seconds(session.first_call_s)} (n=1)")]
    if session.compile_s is not None:
        code = session.compilation
        graphs = f", {code.source}: {code.hits} graphs found, {code.misses} compiled" if code else ""
        found.append(Fact("Compile", f"{show.seconds(session.compile_s)} (n=1{graphs})"))
        then = [s.compile_s for s in before if s.compile_s is not None]
        if then:
            typical = show.seconds(statistics.median(then))
            found.append(Fact("Compile, baseline", f"{typical} (median of n={sessions(len(then))})"))
    found.append(Fact("Peak memory", f"{show.memory(session.peak_memory_bytes)} (n=1 session)"))
    if before:
        usual = show.memory(round(statistics.median(s.peak_memory_bytes for s in before)))
        found.append(Fact("Peak memory, baseline", f"{usual} (median of n={sessions(len(before))})"))
    if session.profile is not None:
        found.append(Fact("GPU busy", f"{session.profile.busy * 100:.0f} % of one profiled call, "
                          f"{session.profile.kernels} kernels (n=1)"))  # fmt: skip
    return found


def _ceiling(session: Session | None) -> str:
    if session is None or session.stages is None or session.limits is None:
        return ""
    split, limits = session.stages, session.limits
    step_s = statistics.median(split.steps_s) if split.steps_s else 0.0
    stages = (("a denoising step", limits.step_flop, step_s), ("the VAE", limits.vae_flop, split.vae_s))
    parts = [f"{name} {limits.share(flop, s) * 100:.0f} %" for name, flop, s in stages if s]
    if not parts:
        return ""
    return (
        "Of the device's own rate, a large matrix product's "
        f"{show.rate(limits.product_flop_per_s, 'FLOP/s')}: {', '.join(parts)} (n=1). "
        f"Copies: {show.rate(limits.copy_bytes_per_s, 'B/s')}."
    )


def _prompts(result: Result, number: int, album: Album) -> list[PromptView]:
    scores = result.quality.scores if result.quality else ()
    files = result.exhibits.pictures if result.exhibits else ()
    found = []
    for i in range(max(len(scores), len(files))):
        score = scores[i] if i < len(scores) else None
        named = files[i] if i < len(files) else None
        facts = []
        if score is not None and score.ssim is not None:
            least = f", at least {score.threshold:.4f} allowed" if score.threshold is not None else ""
            facts.append(Fact("SSIM", f"{show.similarity(score.ssim)}{least}"))
        if score is not None and score.psnr_db is not None:
            facts.append(Fact("PSNR", f"{score.psnr_db:.1f} dB"))
        if score is not None and score.flip is not None:
            facts.append(Fact("FLIP", f"{score.flip:.4f} mean error"))
        spans = {}
        if named is not None and named.ssim_span is not None:
            spans["ssim_map"] = f"black: SSIM 1; brightest: {1 - named.ssim_span:g} or less"
        if named is not None and named.flip_span is not None:
            spans["flip_map"] = f"black: no error; brightest: {named.flip_span:g} or more"
        prompt = score.prompt if score is not None else named.prompt if named is not None else ""
        shown = album.shown(number, result, i) if named is not None else None
        fine = score is None or score.status is PictureStatus.OK
        found.append(PromptView(
            i, prompt, badge(score.status, "picture") if score else None, tuple(facts),
            "" if fine or score is None else score.detail, shown, spans,
        ))  # fmt: skip
    return found
