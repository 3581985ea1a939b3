"""Which figures a result has, by name, and what takes their weight."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from nights import counts, measured
from sample_runs import quality, session

from perfsuite.records import (
    FIXED_WORK,
    CodeSource,
    Compilation,
    CountVerdict,
    Memory,
    PictureStatus,
    Quantity,
    Relative,
    SeriesKind,
    Session,
    Start,
    Status,
    Verdict,
)
from perfsuite.store.history.metrics import Figure, families, figures

MIB = 1 << 20


def named(device_kind: str = "cpu", **changes: Any) -> dict[str, Figure]:
    return {figure.metric: figure for figure in figures(measured(**changes), device_kind)}


def test_latency_is_the_low_quantile_of_the_verdict() -> None:
    """With the error of such a quantile."""
    found = named(session={"latency_s": tuple(1.0 + i / 100 for i in range(21))})["latency"]
    assert found.unit == "s"
    assert found.value == pytest.approx(1.0155, abs=1e-3)
    assert found.error == pytest.approx(math.sqrt(2.92 / 21) * 0.0565, rel=0.01)
    assert found.samples == 21


def test_one_call_has_no_error() -> None:
    found = named(session={"latency_s": (0.5,)})["latency"]
    assert found.value == pytest.approx(0.5)
    assert (found.error, found.samples, found.excluded) == (None, 1, "")


def test_repeats_are_one_point_whose_error_has_their_spread() -> None:
    """Three GPUs that are 2 % apart; one repeat without weight counts for nothing."""
    first = replace(measured("bf16"), session=session("bf16", 0.5))
    assert first.session is not None

    def times(factor: float, **changes: Any) -> Session:
        assert first.session is not None
        return replace(first.session, latency_s=tuple(factor * s for s in first.session.latency_s), **changes)

    alone = next(f for f in figures(first, "cuda") if f.metric == "latency")
    several = replace(first, repeats=(times(1.02), times(1 / 1.02), times(3.0, unfit="busy")))
    found = {figure.metric: figure for figure in figures(several, "cuda")}
    assert alone.value is not None
    assert found["latency"].value == pytest.approx(alone.value)
    assert found["latency"].error == pytest.approx(math.log(1.02) / math.sqrt(3), rel=0.01)
    assert (found["latency"].samples, found["latency"].excluded) == (3 * alone.samples, "")
    assert found.keys() == {figure.metric for figure in figures(first, "cuda")}
    unfit = replace(first, session=times(1.0, unfit="busy"), repeats=(times(1.0, unfit="busy"),))
    assert next(f for f in figures(unfit, "cuda") if f.metric == "latency").excluded == "busy"


def test_relative_latency_by_its_reference() -> None:
    """Each reference has a series: a ratio to another is another figure."""
    relative = Relative("fp32", (0.5,) * 6, (1.0,) * 6, (0.25,) * 6)
    found = named(session={"relative": relative})
    assert found["relative latency"].value == pytest.approx(0.5)
    assert found["latency in fixed work"].value == pytest.approx(2.0)
    assert found["relative latency"].samples == 6
    alone = named(session={"relative": Relative(FIXED_WORK, (3.0,) * 6)})
    assert "relative latency" not in alone
    assert alone["latency in fixed work"].value == pytest.approx(3.0)
    assert "latency relative to tf32" in named(session={"relative": Relative("tf32", (0.5,))})


def test_stages() -> None:
    found = named(median_s=1.0)
    assert {name: figure.value for name, figure in found.items() if name.startswith("stage")} == {
        "stage: step": pytest.approx(0.03), "stage: text encoders": 0.01, "stage: VAE": 0.06,
        "stage: other": 0.03,
    }  # fmt: skip
    assert found["stage: step"].samples == 30


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unfit": "3 of 9 rounds were disturbed: throttled"}, "3 of 9 rounds were disturbed: throttled"),
        ({"warmup_steady": False}, "the warm-up did not settle"),
    ],
)
def test_an_unfit_session_has_no_weight(changes: dict[str, Any], reason: str) -> None:
    """Its times; pictures and counts have nothing to do with it."""
    found = named(session=changes)
    assert {f.metric for f in found.values() if f.excluded == reason} == {
        "latency", "relative latency", "stage: step", "stage: text encoders", "stage: VAE", "stage: other",
    }  # fmt: skip
    assert found["latency"].value is not None
    assert found["SSIM"].excluded == ""


START = Start(2.0, 3.0, contended=("build",), first=True, weights_bytes=MIB)
MEMORY = Memory((1, 2), (1, 2), 2, 100 * MIB)


def test_start_and_memory() -> None:
    """What the first pipeline of a process pays is not compared with others."""
    found = named(session={"start": START, "memory": MEMORY})
    assert found["import"].value == 3.0
    assert found["build, first in its process"].excluded == "other processes took cores"
    assert found["first call, first in its process"].value == 0.9
    assert found["peak memory, first in its process"].value == 540 * MIB
    later = named(session={"start": replace(START, first=False, contended=()), "memory": MEMORY})
    assert later["build"].excluded == ""
    assert later["peak memory"].unit == "bytes"
    assert "reserved memory, first in its process" not in found
    reserved = {"reserved_memory_bytes": 900.0 * MIB}
    on_gpu = named("cuda", session={"start": START, "memory": MEMORY, "conditions": reserved})
    assert on_gpu["peak memory, first in its process"].value == 640 * MIB
    assert on_gpu["reserved memory, first in its process"].value == 900 * MIB


@pytest.mark.parametrize("source", list(CodeSource))
def test_compiling_by_the_source_of_its_code(source: CodeSource) -> None:
    """Each is a metric of its own."""
    compilation = Compilation(source, 1, 3, artifact_bytes=5 * MIB)
    of = session("x-compile", 0.3, start=replace(START, first=False), compilation=compilation)
    found = {f.metric: f.value for f in figures(measured("x-compile", session=of_fields(of)), "cpu")}
    name = f"compile, {source}" + (", 3 of 4 graphs" if source is CodeSource.PARTLY else "")
    assert {k: v for k, v in found.items() if k.startswith("compile")} == {
        name: 11.5, "compiled artifact": 5.0 * MIB
    }  # fmt: skip
    assert "first call" not in found


@pytest.mark.parametrize(
    ("status", "value"), [(Status.OK, 0.0), (Status.REGRESSED, 2.0), (Status.INCONCLUSIVE, None)]
)
def test_graphs_that_every_start_compiles_are_counted_where_it_is_known(
    status: Status, value: float | None
) -> None:
    counted = Quantity("compiled once more", "graphs", value or 0.0, Verdict(status))
    found = [f for f in figures(measured("x-compile", start=(counted,)), "cpu") if f.unit == "graphs"]
    wanted = [] if value is None else [("compiled once more", value, SeriesKind.EXACT)]
    assert [(f.metric, f.value, f.kind) for f in found] == wanted


def of_fields(of: Any) -> dict[str, Any]:
    return {"start": of.start, "compilation": of.compilation}


def quantity(name: str, value: float, status: Status = Status.OK) -> Quantity:
    return Quantity(name, "bytes a call", value, Verdict(status))


def test_growth_is_shown_and_judged_by_its_gate() -> None:
    """A slope about 0 has no logarithm."""
    found = named(memory=(quantity("growth", -12.5), quantity("peak memory", 1.0)))
    assert (found["growth"].value, found["growth"].excluded) == (
        -12.5, "shown alone: a gate of its own judges it"
    )  # fmt: skip
    assert (found["gate: growth"].value, found["gate: growth"].kind) == (1.0, SeriesKind.EXACT)
    assert found["left behind"].value == 0.0
    grown = named(memory=(quantity("growth", 9e5, Status.REGRESSED), quantity("left behind", 4096.0)))
    assert grown["gate: growth"].value == 0.0
    assert (grown["left behind"].value, grown["left behind"].kind) == (4096.0, SeriesKind.EXACT)
    assert "left behind" not in named()


def test_pictures() -> None:
    """SSIM, each look's largest error in budgets, and whether each passes."""
    found = named()
    assert found["SSIM"].higher_is_better
    assert found["SSIM"].value == pytest.approx(0.9982)
    assert found["worst error: components"].value == pytest.approx(1.6)
    assert found["worst error: loop"].excluded == "not above 0"
    gates = {name: f.value for name, f in found.items() if name.startswith("gate")}
    assert gates == dict.fromkeys(
        ("gate: pictures", "gate: components", "gate: modules", "gate: loop", "gate: quality"), 1.0
    )
    broken = named(quality=quality(PictureStatus.BROKEN))
    assert (broken["SSIM"].value, broken["SSIM"].excluded) == (None, "not finite")
    assert broken["worst error: components"].excluded == "not finite"
    assert (broken["gate: quality"].value, broken["gate: loop"].value) == (0.0, 1.0)
    assert "gate: quality" not in named(quality=quality(PictureStatus.NOT_JUDGED))


@pytest.mark.parametrize(
    ("status", "passes"),
    [(Status.OK, 1.0), (Status.IMPROVED, 1.0), (Status.NEW, 1.0), (Status.REGRESSED, 0.0)],
)
def test_the_gate_of_counts(status: Status, passes: float) -> None:
    assert named(counted=CountVerdict(status))["gate: counts"].value == passes


def test_counts_by_family() -> None:
    """A mapping is a family; what could not be counted is none."""
    kernels = {"triton_poi_1": 7, "cpp_fused_add": 2, "aten.bmm": 3}
    of = counts({"aten.add in <b>": 2}, kernels=kernels, peak_bytes={}, code_bytes=None)
    found = {f.name: (f.unit, dict(f.counts)) for f in families(measured(counts=of))}
    assert found == {
        "operators": ("count", {"operators: aten.add in <b>": 2}),
        "FLOPs": ("FLOP", {"FLOPs: unet": 10**12}),
        "weights": ("bytes", {"weights: unet": 5_000_000}),
        "kernels": ("count", {"kernels: aten.bmm": 3, "kernels: calls of generated ones": 9}),
    }
    assert families(measured(counts=None)) == []


def test_sizes_are_figures_whose_steps_are_looked_at() -> None:
    of = counts({}, kernels=None, peak_bytes={"step": 5, "vae": 7}, code_bytes={"unet": 100, "vae": 20})
    found = {f.metric: (f.value, f.kind) for f in figures(measured(counts=of), "cpu")}
    sizes = {"generated code": 120, "peak of allocations: step": 5, "peak of allocations: vae": 7}
    assert {name: found[name] for name in sizes} == {n: (v, SeriesKind.NOISY) for n, v in sizes.items()}


def test_nothing_measured() -> None:
    assert figures(measured(session={}, counts=None, quality=None).__class__("w", "v", "p"), "cpu") == []
