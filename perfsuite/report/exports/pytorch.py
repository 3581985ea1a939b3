"""Records of PyTorch's OSS benchmark database, schema v3: one a metric, as a JSON list.

The models below are written after three definitions that agree: the table ``benchmark.oss_ci_benchmark_v3``
(pytorch/test-infra, clickhouse_db_schema/oss_ci_benchmark_v3/schema.sql), the wiki page "PyTorch OSS
benchmark infra" of pytorch/pytorch, and what .github/scripts/upload_benchmark_results.py takes. That script
adds time, repository, commit and workflow, and leaves ``runners`` and ``dependencies`` where they are there.
All further information is text there, and memory is in whole GB, so the exact one is among the further
information. Values are as they were measured; the database's columns of 32 bits round them.

A dashboard tells series apart by benchmark, mode, dtype, model, backend, device and metric. The rung is the
backend, for that is what it is to the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from perfsuite.pipelines.dtypes import NAMES
from perfsuite.report import figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.records import Device, Result, Run, Session, Verdict

Extra = dict[str, str]
Name = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, Field(ge=0, lt=2**32)]
_REPOSITORIES = {
    "torch": "pytorch/pytorch", "torchao": "pytorch/ao", "diffusers": "huggingface/diffusers",
    "transformers": "huggingface/transformers", "accelerate": "huggingface/accelerate",
}  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Benchmark(_Part):
    """About the benchmark."""

    name: Name
    mode: str | None = None
    """``training`` or ``inference``."""
    dtype: str | None = None
    extra_info: Extra = {}


class Model(_Part):
    """About the model."""

    name: Name
    type: str | None = None
    backend: str | None = None
    origins: list[str] = []
    extra_info: Extra = {}


class Metric(_Part):
    """One metric with all its samples."""

    name: Name
    """With the unit in brackets."""
    benchmark_values: Annotated[list[float], Field(min_length=1)]
    target_value: float | None = None
    """What the values are compared with."""
    extra_info: Extra = {}


class Runner(_Part):
    """About the machine."""

    name: str
    """``cuda`` or ``cpu``: what a dashboard calls the device."""
    type: str
    """What it calls the architecture."""
    cpu_info: str | None = None
    cpu_count: Whole | None = None
    avail_mem_in_gb: Whole | None = None
    gpu_info: str | None = None
    gpu_count: Whole | None = None
    avail_gpu_mem_in_gb: Whole | None = None
    extra_info: Extra = {}


class Dependency(_Part):
    """A package that the figures depend on."""

    repo: str | None = None
    version: str
    extra_info: Extra = {}


class Record(_Part):
    """One row of the table."""

    benchmark: Benchmark
    model: Model
    metric: Metric
    runners: list[Runner]
    dependencies: dict[str, Dependency] = {}


RECORDS = TypeAdapter(list[Record])
"""Validates a document; ``RECORDS.json_schema()`` is its JSON Schema."""


def export(runs: Sequence[Run]) -> str:
    """One record a metric of each result."""
    found = [record for run in runs for result in run.results for record in _records(run.device, result)]
    return RECORDS.dump_json(found, indent=1, exclude_none=True).decode() + "\n"


def _records(device: Device, result: Result) -> Iterator[Record]:
    session = result.session
    precision, compiled = figures.precision(result.variant), figures.is_compiled(result.variant)
    versions = session.versions if session else {}
    extra = {
        "variant": result.variant,
        "protocol": result.protocol,
        "device": device.kind,
        "arch": device.name,
    }
    if compiled is not None:
        extra["compile"] = "true" if compiled else "false"
    if session is not None and session.commit:
        extra["commit"] = session.commit
    for metric in _metrics(result):
        yield Record(
            benchmark=Benchmark(
                name="perfsuite", mode="inference", dtype=NAMES.get(precision or ""), extra_info=extra
            ),
            model=Model(
                name=result.workload, type="OSS model", backend=result.variant, origins=["diffusers"]
            ),
            metric=metric,
            runners=[_runner(device)],
            dependencies={
                name: Dependency(repo=_REPOSITORIES.get(name), version=version)
                for name, version in versions.items()
            },
        )


def _metrics(result: Result) -> Iterator[Metric]:
    if result.session is not None:
        yield from _timed(result.session, result.verdict)
    for score in result.quality.scores if result.quality else ():
        extra = {"prompt": score.prompt, "status": score.status.value}
        for name, value, target in (
            ("ssim", score.ssim, score.threshold),
            ("psnr(dB)", score.psnr_db, None),
            ("flip", score.flip, None),
        ):
            if value is not None:
                yield Metric(name=name, benchmark_values=[value], target_value=target, extra_info=extra)


def _timed(session: Session, verdict: Verdict | None) -> Iterator[Metric]:
    yield Metric(
        name="latency(s)",
        benchmark_values=list(session.latency_s),
        target_value=verdict.baseline_s if verdict else None,
        extra_info=_judged(verdict),
    )
    if session.relative is not None:
        yield Metric(
            name="relative_latency(ratio)",
            benchmark_values=list(session.relative.ratio),
            extra_info={"reference": session.relative.reference},
        )
    yield Metric(name="first_call(s)", benchmark_values=[session.first_call_s])
    if session.compile_s is not None:
        source = {"source": session.compilation.source.value} if session.compilation else {}
        yield Metric(name="compilation_time(s)", benchmark_values=[session.compile_s], extra_info=source)
    yield Metric(name="peak_memory(bytes)", benchmark_values=[float(session.peak_memory_bytes)])
    if session.stages is not None:
        for name, values in (
            ("text_encoders(s)", (session.stages.text_encoders_s,)),
            ("denoising_step(s)", session.stages.steps_s),
            ("vae_decoder(s)", (session.stages.vae_s,)),
        ):
            if values:
                yield Metric(name=name, benchmark_values=list(values))


def _judged(verdict: Verdict | None) -> Extra:
    if verdict is None:
        return {}
    found = {
        "verdict": verdict.status.value,
        "ratio": verdict.ratio,
        "interval_low": verdict.interval[0] if verdict.interval else None,
        "interval_high": verdict.interval[1] if verdict.interval else None,
        "confidence": verdict.confidence,
        "minimum_detectable_effect": verdict.minimum_detectable_effect,
        "tolerance": verdict.tolerance,
        "baseline_sessions": verdict.baseline_sessions,
        "basis": verdict.basis,
        "causes": ",".join(verdict.causes),
        "detail": verdict.detail,
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _runner(device: Device) -> Runner:
    extra = {**device.details, "slug": device.slug, "memory_bytes": str(device.memory_bytes)}
    size = device.memory_bytes // 2**30
    if device.kind == "cpu":
        return Runner(name="cpu", type=device.name, cpu_info=device.name, cpu_count=device.count,
                      avail_mem_in_gb=size, extra_info=extra)  # fmt: skip
    return Runner(name=device.kind, type=device.name, gpu_info=device.name, gpu_count=1,
                  avail_gpu_mem_in_gb=size, extra_info=extra)  # fmt: skip
