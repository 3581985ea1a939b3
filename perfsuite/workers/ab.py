"""A/B: two Python environments on this machine, now, without a stored baseline.

Two workers are alive at once and take turns piece by piece; several fresh pairs, because processes of the
same code differ; stopped as soon as the verdict is settled. Where two pipelines do not fit into memory,
processes alternate and whole sessions are compared.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from perfsuite import decision
from perfsuite.decision.paired import PairedSettings, Turns, compare_turns
from perfsuite.pipelines import variants
from perfsuite.records import Cause, Status, Verdict
from perfsuite.workers.client import RefusedError, Server, StartError, Worker, WorkerError
from perfsuite.workers.lockstep import PAUSE_S, take_turns
from perfsuite.workers.relative import HEADROOM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTLED = (Status.OK, Status.REGRESSED, Status.IMPROVED)
SIDES = ("base", "head")
TURN_LIMIT_S = 30.0
"""For one piece, beside the seconds of a whole first call: a worker that takes longer hangs."""

LONGEST_PAIR = 1.5
"""Times `Plan.pair_s`: more goes into another pair."""


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long."""

    workload: str = "shapes"
    variant: str = "bf16-sdpa"
    device: str = "auto"
    weights: str = "auto"
    time_s: float = 60.0
    """Wall clock for all pairs, with starting the environments."""
    pair_s: float = 12.0
    """Of turns in one pair, about: pairs of equal length fill the time."""
    most_pairs: int = 8
    least_pairs: int = 2
    steps: int = 10
    """Denoising steps of a call while taking turns; a call is then weighed as of the workload's steps.
    Not of a variant that may spare some steps and not others: its calls are whole."""
    retries: int = 2
    """How often a pair is repeated in which a process died or hung."""
    reply_limit_s: float = 900.0
    prompts: int = 1
    """How many of the workload's prompts both sides draw for the comparison of pictures."""
    design: str = "auto"
    """``lockstep``, ``alternate`` or auto."""
    seed: int = 0


@dataclass
class SideFacts:
    """What is compared beside latency."""

    versions: dict[str, str] = field(default_factory=dict)
    first_call_s: list[float] = field(default_factory=list)
    """Of each fresh process: with compilation, from the caches as they are."""
    peak_memory_bytes: list[int] = field(default_factory=list)


@dataclass
class Comparison:
    """The outcome of an A/B, so far."""

    plan: Plan
    design: str = "lockstep"
    turns: list[Turns] = field(default_factory=list)
    sessions: dict[str, list[list[float]]] = field(default_factory=lambda: {s: [] for s in SIDES})
    """Seconds of whole calls, where processes alternated."""
    failures: list[str] = field(default_factory=list)
    """Pairs that were repeated, and why."""
    device_kind: str = "cpu"
    facts: dict[str, SideFacts] = field(default_factory=lambda: {s: SideFacts() for s in SIDES})
    pieces: dict[str, int] = field(default_factory=dict)
    """Of each kind, in a whole call of the workload; by which turns are weighed."""
    pictures: dict[str, str] = field(default_factory=dict)
    """Side to the safetensors file of its pictures."""
    wall_s: float = 0.0
    most_pairs: int = 0
    """That fit into the time, by the first pair's overhead; 0 before it. Settled before any is judged, since
    the risk is shared out among the looks at them."""
    verdict: Verdict = field(default_factory=lambda: decision.new("nothing was measured yet"))

    @property
    def uneven(self) -> bool:
        """Whether a call's steps may cost differently: those of a variant that is not exact."""
        return bool(variants.get(self.plan.variant).lossy)

    def judge_turns(self, pieces: dict[str, int], settings: PairedSettings) -> Verdict:
        """Judge what turns say of so many pieces of each kind."""
        turns = self.turns
        if self.uneven:
            turns = [t.calls(sum(self.pieces.values()), pieces) for t in turns]
            pieces = {"call": 1}
        return compare_turns(turns, pieces, settings)


def default_variant(server: Server, device: str) -> str:
    """``bf16-sdpa``, or its twin in float32 where the server's device only emulates bfloat16.

    Raises:
        WorkerError: the environment cannot be started.
    """
    worker = server.worker()
    try:
        refused = worker.ask("unsupported", variant="bf16-sdpa", device=device)
    finally:
        worker.close()
    return "bf16-sdpa" if refused is None else "fp32-sdpa"


def run_ab(
    servers: dict[str, Server],
    plan: Plan,
    folder: Path,
    settings: PairedSettings | None = None,
    progress: Callable[[str], None] = lambda line: None,
    began: float | None = None,
) -> Comparison:
    """Compare ``head`` with ``base``; pictures of both are left in ``folder``.

    `Plan.time_s` counts from ``began`` (`time.monotonic`), by default from now.

    Raises:
        WorkerError: an environment that cannot be started at all, or pairs that fail again and again
            before any was finished.
    """
    settings = replace(settings or PairedSettings(), least_pairs=plan.least_pairs)
    found = Comparison(plan)
    began = time.monotonic() if began is None else began
    until = began + plan.time_s
    for side in SIDES:
        servers[side].launch()
    rng = random.Random(plan.seed)
    failed = 0
    while _goes_on(found, until, plan):
        number = max(len(found.turns), len(found.sessions["head"])) + 1
        try:
            _pair(servers, found, plan, until, rng, folder)
        except WorkerError as error:
            failed += 1 if not isinstance(error, StartError) else plan.retries + 1
            found.failures.append(f"pair {number}: {error}")
            progress(f"pair {number} failed: {str(error).splitlines()[0]}")
            if failed > plan.retries:
                if not (found.turns or found.sessions["head"]):
                    raise
                progress("no more pairs are tried")
                break
            continue
        found.verdict = _judge(found, settings)
        progress(f"pair {number}: {found.verdict.status}: {found.verdict.detail}")
        if found.verdict.status in SETTLED and number >= settings.least_pairs:
            break
    if failed:
        count = len(found.failures)
        found.verdict = replace(found.verdict, detail=f"{found.verdict.detail}; {count} failed pairs")
    found.wall_s = time.monotonic() - began
    return found


def _goes_on(found: Comparison, until: float, plan: Plan) -> bool:
    done = max(len(found.turns), len(found.sessions["head"]))
    if done >= (found.most_pairs or plan.most_pairs):
        return False
    # A pair that has no time left for turns says nothing; the first is measured in any case.
    return done == 0 or time.monotonic() + 0.5 * plan.pair_s < until


def _pair(
    servers: dict[str, Server],
    found: Comparison,
    plan: Plan,
    until: float,
    rng: random.Random,
    folder: Path,
) -> None:
    workers: dict[str, Worker] = {}
    # Who is built first gets other memory: in ten pairs of equal code the second was 1.7 % faster. So the
    # sides change places from pair to pair.
    began = time.monotonic()
    done = max(len(found.turns), len(found.sessions["head"]))
    order = list(SIDES) if done % 2 == 0 else list(reversed(SIDES))
    facts: dict[str, tuple[float, int]] = {}
    lockstep = found.design == "lockstep" and plan.design != "alternate"
    try:
        if lockstep:
            for side in order:
                workers[side] = servers[side].worker(plan.reply_limit_s)
                facts[side] = _prepare(workers[side], plan, None if found.uneven else plan.steps)
                found.facts[side].versions = workers[side].hello["versions"]
                if (
                    side == order[0]
                    and plan.design == "auto"
                    and not done  # later pairs must be like the first
                    and not _another_fits(facts[side][1], workers[side])
                ):
                    lockstep = False
                    break
        if lockstep:
            limit_s = TURN_LIMIT_S + max(first_call_s for first_call_s, _ in facts.values())
            turns = _turns(workers, found, until, rng, limit_s, began)
            found.pieces = workers["base"].ask("pieces", variant=plan.variant, workload=plan.workload)
            _draw_once(workers, found, plan, folder)
            found.turns.append(replace(turns, first=order[0]))
        else:
            for worker in workers.values():
                worker.close()
            found.design = "alternate"
            facts = _alternate(servers, found, plan, order, folder)
        for side in SIDES:
            found.facts[side].first_call_s.append(facts[side][0])
            found.facts[side].peak_memory_bytes.append(facts[side][1])
    finally:
        for worker in workers.values():
            worker.close()


def _prepare(worker: Worker, plan: Plan, steps: int | None) -> tuple[float, int]:
    """Seconds of the first call, and peak memory after it."""
    made = worker.ask(
        "prepare",
        workload=plan.workload,
        variant=plan.variant,
        device=plan.device,
        weights=plan.weights,
        steps=steps,
    )
    return made["first_call_s"], worker.ask("memory")


def _pieces(workers: dict[str, Worker], variant: str) -> dict[str, int]:
    """Of each kind, in one short call of either side.

    Raises:
        RefusedError: the sides' calls have other pieces, so they cannot take turns.
    """
    base, head = (workers[side].ask("pieces", variant=variant) for side in SIDES)
    if base != head:
        raise RefusedError(
            f"a call of base has {_said(base)}, of head {_said(head)}: they cannot take turns; "
            "compare whole calls with --design alternate"
        )
    return dict(base)


def _said(pieces: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in pieces.items())


def _another_fits(peak_bytes: int, worker: Worker) -> bool:
    return worker.ask("free_memory") > HEADROOM * peak_bytes


def _turns(
    workers: dict[str, Worker],
    found: Comparison,
    until: float,
    rng: random.Random,
    limit_s: float,
    began: float,
) -> Turns:
    """Turns of one pair that ``began`` then."""
    plan, done = found.plan, len(found.turns)

    def advance(side: str) -> Callable[[], Any]:
        return lambda: workers[side].ask("advance", limit_s=limit_s, variant=plan.variant)

    per_call = sum(_pieces(workers, plan.variant).values())
    found.device_kind = workers["base"].ask("device_kind")
    pause_s = 0.0 if found.device_kind == "cuda" else PAUSE_S
    sides = advance("base"), advance("head")
    # One call of each in turns does not count: caches and clocks settle.
    take_turns(*sides, per_call, 0.0, rng, least_calls=1, pause_s=pause_s)
    # Pairs of about equal length fill the time that is left, each with the overhead that this one had.
    now = time.monotonic()
    overhead_s, left_s = now - began, until - now
    count = max(plan.least_pairs - done, round((left_s + overhead_s) / (overhead_s + plan.pair_s)), 1)
    if not found.most_pairs:
        found.most_pairs = min(count, plan.most_pairs)
    count = min(count, max(found.most_pairs - done, 1))
    seconds = (left_s + overhead_s) / count - overhead_s
    stop = now + min(seconds, LONGEST_PAIR * plan.pair_s)
    return take_turns(*sides, per_call, stop, rng, pause_s=pause_s)


def _alternate(
    servers: dict[str, Server], found: Comparison, plan: Plan, order: list[str], folder: Path
) -> dict[str, tuple[float, int]]:
    facts, latency_s = {}, {}
    for side in order:
        worker = servers[side].worker(plan.reply_limit_s)
        try:
            facts[side] = _prepare(worker, plan, None)
            found.facts[side].versions = worker.hello["versions"]
            found.device_kind = worker.ask("device_kind")
            session = worker.ask("session", variant=plan.variant, plan={"time_budget_s": plan.pair_s / 2})
            latency_s[side] = list(session["latency_s"])
            _draw_once({side: worker}, found, plan, folder)
        finally:
            worker.close()
    for side in SIDES:  # only once both are there
        found.sessions[side].append(latency_s[side])
    return facts


def _draw_once(workers: dict[str, Worker], found: Comparison, plan: Plan, folder: Path) -> None:
    """Pictures of both sides from the first pair: same prompts, same latents."""
    for side, worker in workers.items():
        if side not in found.pictures:
            file = str(folder / f"{side}.safetensors")
            worker.ask(
                "pictures", workload=plan.workload, variant=plan.variant, file=file, count=plan.prompts
            )
            found.pictures[side] = file


def _judge(found: Comparison, settings: PairedSettings) -> Verdict:
    if found.turns:
        looks = max(1, found.most_pairs - settings.least_pairs + 1)
        settings = replace(settings, most_looks=looks)
        return found.judge_turns(found.pieces, settings)
    base, head = found.sessions["base"], found.sessions["head"]
    limits = decision.DecisionSettings.for_device(found.device_kind, tolerance=settings.tolerance)
    verdict = decision.compare(base, head, limits)
    if len(head) < found.plan.least_pairs and verdict.status in SETTLED:
        # Looked at after each pair: the first ones are too few to stop at.
        return replace(
            verdict,
            status=Status.INCONCLUSIVE,
            causes=(*verdict.causes, Cause.FEW_SESSIONS),
            detail=f"{verdict.detail}; {len(head)} of at least {found.plan.least_pairs} sessions a side",
        )
    return verdict


def summary(found: Comparison) -> dict[str, Any]:
    """All figures as plain data, for JSON and tables."""
    verdict = found.verdict
    sides = {}
    for side in SIDES:
        facts = found.facts[side]
        sides[side] = {
            "versions": facts.versions,
            "first_call_s": facts.first_call_s,
            "median_first_call_s": median(facts.first_call_s) if facts.first_call_s else None,
            "peak_memory_bytes": facts.peak_memory_bytes,
            "sessions_s": found.sessions[side],
        }
    return {
        "schema_version": 1,
        "kind": "ab",
        "workload": found.plan.workload,
        "variant": found.plan.variant,
        "design": found.design,
        "wall_s": found.wall_s,
        "status": verdict.status.value,
        "ratio": verdict.ratio,
        "interval": verdict.interval,
        "confidence": verdict.confidence,
        "minimum_detectable_effect": verdict.minimum_detectable_effect,
        "p_value": verdict.p_value,
        "causes": [c.value for c in verdict.causes],
        "detail": verdict.detail,
        "failures": found.failures,
        "sides": sides,
        "pairs": [
            {"names": t.names, "base_s": t.base_s, "head_s": t.head_s, "first": t.first} for t in found.turns
        ],
    }
