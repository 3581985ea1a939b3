"""Runs as files, for tests of the report: results, pictures and numbers beside them, baselines."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from perfsuite.records import (
    Cause,
    CodeSource,
    Compilation,
    Deviation,
    Device,
    DriftCurve,
    Exhibits,
    Limits,
    Look,
    Numbers,
    PictureFiles,
    PictureScore,
    PictureStatus,
    Quality,
    Relative,
    Result,
    Session,
    Stages,
    Status,
    Verdict,
)
from perfsuite.store import Baselines, ResultsWriter
from perfsuite.store.exhibits import encode_numbers, folder_of, write_exhibits

DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 8 * 2**30, {"bfloat16": "native"})
DATE = "2026-03-04T05:06:07+00:00"
PROMPTS = ("a red circle", "a blue cross", "a green star", "a white triangle")
LADDER = ("fp32", "bf16", "bf16-sdpa", "bf16-sdpa-compile", "bf16-sdpa-compile-qkv")
STEPS = 30


def session(name: str, median_s: float, date: str = DATE, **changes: Any) -> Session:
    """One session of 19 calls around a median."""
    rng = np.random.default_rng(len(name) + round(1000 * median_s))
    calls = tuple(float(v) for v in median_s * (1 + 0.02 * np.abs(rng.standard_normal(19))))
    compiled = "compile" in name
    values: dict[str, Any] = {
        "id": name,
        "date": date,
        "latency_s": calls,
        "peak_memory_bytes": 640 * 2**20,
        "first_call_s": 12.0 if compiled else 0.9,
        "compile_s": 11.5 if compiled else None,
        "warmup_s": (median_s,) * 3,
        "warmup_steady": True,
        "stages": Stages(
            0.01 * median_s, (0.9 * median_s / STEPS,) * STEPS, 0.06 * median_s, 0.03 * median_s
        ),
        "versions": {"torch": "2.13.0", "python": "3.11.7"},
        "conditions": {"threads": 2.0, "other_cores_busy": 0.12, "control_s": 0.05, "power_w_min": 90.0,
                       "power_w_median": 100.0, "power_w_max": 120.0},
        "wall_s": 20.0,
        "commit": "abc1234",
        "relative": Relative("fp32", (0.7, 0.71, 0.69)),
        "limits": Limits(10**8, 10**9, 10**9, 1e11, 1e10),
        "compilation": Compilation(CodeSource.WARM, 4, 0) if compiled else None,
    }  # fmt: skip
    return Session(**{**values, **changes})


def verdict(status: Status = Status.OK, ratio: float = 1.01, **changes: Any) -> Verdict:
    """A verdict with all its figures."""
    values: dict[str, Any] = {
        "ratio": ratio, "interval": (ratio - 0.03, ratio + 0.03), "confidence": 0.95,
        "minimum_detectable_effect": 0.06, "tolerance": 0.04, "baseline_sessions": 3,
        "candidate_sessions": 1, "baseline_s": 0.5,
        "detail": f"{(ratio - 1) * 100:+.1f} % against 3 sessions",
    }  # fmt: skip
    if status in (Status.NEW, Status.INCOMPATIBLE):
        values = {"detail": "nothing to compare with"}
    return Verdict(status, **{**values, **changes})


def quality(status: PictureStatus = PictureStatus.OK, prompts: tuple[str, ...] = PROMPTS) -> Quality:
    """All four looks; what is not OK is so in the first prompt's picture and in the components."""
    fine = PictureStatus.OK
    broken = status is PictureStatus.BROKEN
    scores = [
        PictureScore(prompt, fine, 0.9985 - 0.0001 * i, 48.25, 0.99, "", 0.0042)
        for i, prompt in enumerate(prompts)
    ]
    if status is not fine and scores:
        found = (None, None, None) if broken else (0.7, 21.5, 0.31)
        scores[0] = PictureScore(
            prompts[0], status, found[0], found[1], 0.99, "SSIM 0.70000 is below 0.99000", found[2]
        )
    worst = Deviation("unet, step 0, prompt 0", None if broken else 0.02, 0.01, 0.0125)
    looks = [
        Look("pictures", status, len(scores), detail="" if status is fine else "the first"),
        Look("components", status, 12, None if status is fine else worst, worst, 0, "largest at unet"),
        Look(
            "modules", fine, 400, None, Deviation("unet.mid, step 0, prompt 0", 0.01, 0.01, 0.015), 0, "fine"
        ),
        Look("loop", fine, 60, None, Deviation("loop.latents, step 2, prompt 1", 0.0, 0.0, 1e-9), 0, "fine"),
    ]
    return Quality(status, tuple(scores), tuple(looks))


def picture(seed: int, side: int = 128) -> np.ndarray:
    """A picture that compresses as badly as a drawn one: uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = np.stack([np.sin(k * x + (seed % 7) * y) for k in (3, 5, 8)], axis=-1)
    noise = rng.standard_normal((side, side, 3)) * 0.007
    return np.clip(127 + 100 * (waves + noise), 0, 255).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """As a PNG file."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def numbers(prompts: tuple[str, ...] = PROMPTS, steps: int = STEPS) -> Numbers:
    """Drift of every prompt, and errors of all looks."""
    grown = [0.001 * (1 + i) for i in range(steps)]
    curves = [
        DriftCurve(p, tuple(range(steps)), tuple(grown), tuple(grown), tuple(3 * g for g in grown))
        for p in prompts
    ]
    heads = ("text_encoder", "text_encoder_2", "unet", "unet.guided", "vae")
    components = _errors(heads, 20)
    modules = _errors([f"unet.block.{i}" for i in range(60)], 1)
    loop = _errors(("loop.unet input", "loop.latents", "loop.timesteps"), 4 * steps)
    return Numbers(tuple(curves), {"components": components, "modules": modules, "loop": loop})


def _errors(heads: Sequence[str], count: int) -> tuple[Deviation, ...]:
    """As many errors of each place as a run of the small model keeps, with as many digits."""
    return tuple(
        Deviation(f"{head}, step {i // 4}, prompt {i % 4}", 1 / 123, 1 / 111, 1.25 / 111)
        for head in heads
        for i in range(count)
    )


def exhibits(
    results: Path, variant: str, prompts: tuple[str, ...] = PROMPTS, seed: int = 0, side: int = 128
) -> Exhibits:
    """Write pictures, maps and numbers beside a results file."""
    folder = folder_of(results)
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in variant)
    files: dict[str, bytes] = {}
    shown = []
    for i, prompt in enumerate(prompts):
        names = [
            f"prompt-{i}-float32.png",
            *(f"{plain}-{i}-{kind}.png" for kind in ("variant", "ssim", "flip")),
        ]
        files[names[0]] = png(picture(i, side))
        files[names[1]] = png(picture(100 + 10 * seed + i, side))
        for name, of in ((names[2], 3), (names[3], 5)):
            files[name] = png(picture(of + 10 * seed + i, side)[:, :, 0] // 4)
        shown.append(PictureFiles(prompt, *(f"{folder.name}/{name}" for name in names), 0.05, 0.1))
    files[f"{plain}-numbers.json"] = encode_numbers(numbers(prompts), f"{plain}-numbers.json")
    write_exhibits(folder, files)
    return Exhibits(tuple(shown), f"{folder.name}/{plain}-numbers.json")


def result(variant: str, median_s: float = 0.5, **changes: Any) -> Result:
    """One variant, timed and looked at, all well."""
    values: dict[str, Any] = {
        "workload": "shapes", "variant": variant, "protocol": "shapes 128x128",
        "session": session(variant, median_s),
        "verdict": verdict(), "quality": quality(),
        "evidence": (f"{variant}: took hold", "weights: shipped"),
    }  # fmt: skip
    return Result(**{**values, **changes})


def write_run(
    path: Path,
    results: list[Result],
    *,
    device: Device = DEVICE,
    date: str = DATE,
    chosen: tuple[str, ...] = (),
) -> Path:
    """A results file with these results."""
    writer = ResultsWriter(path, path.stem, date, device, chosen)
    for one in results:
        writer.add(one)
    return path


def write_baselines(folder: Path, results: list[Result], sessions: int = 3, device: Device = DEVICE) -> Path:
    """Stored sessions of these results, a day apart, the newest two days before the run."""
    for number in range(sessions):
        then = (datetime.fromisoformat(DATE) - timedelta(days=1 + sessions - number)).isoformat()
        stored = [
            replace(r, session=replace(r.session, id=f"{r.variant}-{number}", date=then))
            for r in results
            if r.session is not None
        ]
        Baselines(folder).update(device, stored, "append")
    return folder


def mixed(path: Path) -> list[Result]:
    """The ladder with one of each verdict that people meet; writes what it shows beside `path`."""
    rungs = [
        result("fp32", 0.68),
        result("bf16", 0.55, verdict=verdict(Status.IMPROVED, 0.9)),
        result("bf16-sdpa", 0.6, verdict=verdict(Status.REGRESSED, 1.15, candidate_sessions=4,
                                                 causes=(Cause.SLOW_TAIL,))),
        result("bf16-sdpa-compile", 0.33, verdict=verdict(Status.INCONCLUSIVE, 1.05,
               interval=(0.8, 1.4), causes=(Cause.FEW_SESSIONS,))),
        result("bf16-sdpa-compile-qkv", 0.34, quality=quality(PictureStatus.DEGRADED)),
    ]  # fmt: skip
    return [replace(r, exhibits=exhibits(path, r.variant, seed=i)) for i, r in enumerate(rungs)]


def edit_lines(path: Path, change: Any) -> None:
    """Rewrite every line of a results file by `change`, a function of its document."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(line) or line) + "\n" for line in lines))
