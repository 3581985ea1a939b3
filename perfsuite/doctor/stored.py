"""What this device is compared with: its baseline, else the ladder's shape; golden references."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.decision.comparisons import MINIMUM_SESSIONS
from perfsuite.device import versions
from perfsuite.pipelines import loaded, models, variants
from perfsuite.pipelines.models import WeightsError
from perfsuite.quality.golden import golden_path, latents_path
from perfsuite.quality.levels import levels_path
from perfsuite.records import Finding, Health
from perfsuite.store import SHAPE_FILE, Baselines, StoreError, load_shape, load_thresholds, thresholds_path
from perfsuite.store.inventory import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination
    from perfsuite.store.inventory import Described

OLD_DAYS = 90
"""From here on so much has moved on a machine that its baseline should be recorded anew."""
COMPARED = ("torch", "diffusers", "transformers", "torchao", "python")
"""Packages whose versions explain a moved latency."""


def baseline(examination: Examination) -> Iterator[Finding]:
    """The stored sessions of this device: how many, how old, of which versions, and what a gate finds."""
    device, workload = examination.device, examination.workload.name
    store = Baselines(examination.baselines)
    record = f"perfsuite calibrate --sessions 5 --workload {workload}{_where(examination)}"
    try:
        stored = store.of(device)
    except StoreError as error:
        yield Finding("baseline", Health.PROBLEM, f"damaged: {error}", "see there")
        return
    if stored is None or not any(e.workload == workload for e in stored.entries.values()):
        others = [slug for slug in store.slugs() if slug != device.slug]
        found = f"{store.path(device.slug)} has no baseline of {workload}: {_shape(examination)}"
        if stored is None and others:
            found += f"; other devices there: {', '.join(others)}"
        yield Finding("baseline", Health.WARNING, found, record, {"sessions": 0, "devices": len(others)})
        return
    now = datetime.now(UTC)
    entries = {
        e.variant: describe(e, device.kind, now) for e in stored.entries.values() if e.workload == workload
    }
    yield _entries(entries, examination, record)


def _where(examination: Examination) -> str:
    """The option that names the folder, where a command would not find it itself."""
    folder = examination.baselines
    return "" if folder == Path("baselines") else f" --baselines {folder}"


def _entries(entries: dict[str, Described], examination: Examination, record: str) -> Finding:
    planned = [v.name for v in examination.planned]
    here = [entries[name] for name in planned if name in entries] or list(entries.values())
    missing = [name for name in planned if name not in entries]
    sessions = [d.spread.sessions for d in here]
    ages = [d.age_days for d in here if d.age_days is not None]
    effects = [e for d in here if (e := _least(d)) is not None]
    now = versions()
    moved = sorted({
        f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for d in here for then, _ in d.versions for name in COMPARED if then.get(name) != now.get(name)
    })  # fmt: skip
    said = f"{len(here)} variants of {examination.workload.name}, {_span(sessions)} sessions each"
    if ages:
        said += f", {_span([round(a) for a in ages])} days old"
    if effects:
        said += f"; one new session finds {min(effects) * 100:.1f} to {max(effects) * 100:.1f} % slower"
    figures: dict[str, float | str | None] = {
        "variants": len(here), "missing": len(missing), "least_sessions": min(sessions),
        "age_days": max(ages, default=None), "least_effect": min(effects, default=None),
        "largest_effect": max(effects, default=None), "versions": ", ".join(moved) or None,
    }  # fmt: skip
    wrong = []
    others = [(d, own) for d in here if (own := _protocol(examination, d)) not in (None, d.protocol)]
    if others:
        wrong.append("measured with another protocol, so verdicts will be INCOMPATIBLE")
        said_of = ((d.variant, loaded.moved_files(d.protocol, own or "")) for d, own in others)
        wrong += [f"{name}: {why}" for name, why in said_of if why]
    if moved:
        wrong.append(f"of other versions ({', '.join(moved)})")
    if min(sessions) < MINIMUM_SESSIONS:
        wrong.append(f"fewer than {MINIMUM_SESSIONS} sessions show only gross changes")
    if max(ages, default=0) > OLD_DAYS:
        wrong.append(f"older than {OLD_DAYS} days")
    if missing:
        wrong.append(f"none of {', '.join(missing)}")
    if wrong:
        restart = " --restart" if moved or "protocol" in wrong[0] else ""
        return Finding("baseline", Health.WARNING, f"{said}; {'; '.join(wrong)}", record + restart, figures)
    return Finding("baseline", Health.OK, said, figures=figures)


def _least(found: Described) -> float | None:
    """The smaller of what seconds and relative latency find."""
    effects = [e for e in (found.spread.effect, found.spread.relative_effect) if e is not None]
    return min(effects, default=None)


def _span(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _protocol(examination: Examination, stored: Described) -> str | None:
    """What the stored variant would be measured with; None where that depends on the hub's answer."""
    workload, weights = examination.workload, examination.weights
    try:
        if models.source_of(workload.model).hub is not None and weights == "auto":
            return None
        return loaded.protocol(workload, weights, variants.get(stored.variant))
    except WeightsError:  # the finding "weights" says so
        return None
    except ValueError:  # a variant that is gone
        return models.protocol(workload, weights)


def _shape(examination: Examination) -> str:
    """What holds a device without a baseline."""
    path = examination.baselines / SHAPE_FILE
    bounds = [
        b for b in load_shape(path)
        if (b.device_kind, b.workload) == (examination.device.kind, examination.workload.name)
    ]  # fmt: skip
    if not bounds:
        return "verdicts will be NEW"
    return f"it is held to the ladder's shape alone, {len(bounds)} least speed-ups between rungs"


def golden(examination: Examination) -> Iterator[Finding]:
    """Golden pictures and latents, and thresholds of the pictures, of this workload."""
    workload = examination.workload
    # Random weights have a folder of their own; whether they are taken, the hub decides.
    on_hub = models.source_of(workload.model).hub is not None
    names = [workload.name, f"{workload.name}-random"] if on_hub else [workload.name]
    folders = [examination.baselines / "reference" / name for name in names]
    folder = next((f for f in folders if f.is_dir()), folders[0])
    kind = examination.device.kind
    measured = thresholds_path(folder, kind)
    wanted = [golden_path(folder, i) for i in range(len(workload.prompts))]
    wanted += [latents_path(folder), levels_path(folder, kind)]
    missing = [path.name for path in wanted if not path.is_file()]
    try:
        thresholds = load_thresholds(measured)
    except StoreError as error:
        yield Finding("golden references", Health.PROBLEM, f"damaged: {error}", "see there")
        return
    here = sum(path.stat().st_size for path in wanted if path.is_file())
    figures: dict[str, float | str | None] = {
        "files": len(wanted),
        "missing": len(missing),
        "size_bytes": here,
    }
    command = f"perfsuite calibrate --golden --quality --workload {workload.name}{_where(examination)}"
    if missing or thresholds is None:
        lacking = [*missing, *([measured.name] if thresholds is None else [])]
        found = f"{folder} lacks {', '.join(lacking)}: pictures are compared with this run's float32 alone"
        yield Finding("golden references", Health.WARNING, found, command, figures)
        return
    lacking = [v.name for v in examination.planned if v.name != "fp32" and v.name not in thresholds.variants]
    said = f"{len(wanted)} files in {folder}, thresholds of {len(thresholds.variants)} variants"
    if lacking:
        found = f"{said}, none of {', '.join(lacking)}"
        yield Finding("golden references", Health.WARNING, found, command, figures)
    else:
        yield Finding("golden references", Health.OK, said, figures=figures)
