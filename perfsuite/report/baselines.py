"""Stored baselines as tables and as JSON: what there is, what differs, what goes.

The JSON documents have a ``schema_version``, 1, which grows when a field is renamed or goes. ``show`` has
``devices``, each with ``slug``, ``file``, ``device`` and ``entries``; ``diff`` has ``before``, ``after``,
``status``, ``missed`` and ``entries``; ``check`` has ``devices``, a list by slug; ``prune`` has ``written``
and ``devices``. Times are seconds, spreads and effects fractions.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from perfsuite.records import Status
from perfsuite.report import format as show
from perfsuite.report.columns import fitted, wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.store.inventory import Described, DeviceBaselines, Difference, Oddity, Outcome, Pruned

SCHEMA_VERSION = 1
SPREADS = ("variant", "n", "median", "between", "within", "finds", "relative")
OTHERS = ("variant", "memory", "compile", "of reference", "age", "modes")
EXPLAINED = (
    "between, within: standard deviation of the log latency between and within sessions; finds: slowdown "
    "that one new session shows with 80 % power, in seconds and, below relative, in units of the "
    "reference variant"
)


def shown(devices: Sequence[DeviceBaselines], width: int) -> str:
    """Two tables a workload of each device, its versions, and what the columns mean."""
    lines: list[str] = []
    for each in devices:
        device = each.device
        lines += [f"{device.slug}: {device.name}, {show.memory(device.memory_bytes)}", f"  {each.path}"]
        for workload in dict.fromkeys(d.workload for d in each.entries):
            entries = [d for d in each.entries if d.workload == workload]
            lines.append(workload)
            lines += fitted([SPREADS, *map(_spreads, entries)], width, range(1, 7))
            lines += ["", *fitted([OTHERS, *map(_others, entries)], width, range(1, 5))]
            lines += _versions(entries, width)
        if not each.entries:
            lines.append("  no entry of that name")
        lines.append("")
    return "\n".join([*lines, *wrapped(EXPLAINED, width, "", "")])


def _spreads(found: Described) -> tuple[str, ...]:
    of = found.spread
    return (
        of.variant, str(of.sessions), show.seconds(of.median_s), _percent(of.between), _percent(of.within),
        _percent(of.effect), _percent(of.relative_effect),
    )  # fmt: skip


def _others(found: Described) -> tuple[str, ...]:
    relative = show.DASH if found.relative is None else f"{found.relative:.3f} {found.reference}"
    age = show.DASH if found.age_days is None else f"{found.age_days:.0f} d"
    modes = ", ".join(show.seconds(m) for m in found.spread.modes_s) or "one"
    memory = show.memory(found.peak_memory_bytes)
    return found.variant, memory, show.seconds(found.compile_s), relative, age, modes


def _versions(entries: Sequence[Described], width: int) -> list[str]:
    """Each set of versions in one line, with the sessions that have it."""
    counts: dict[str, int] = {}
    for entry in entries:
        for versions, count in entry.versions:
            said = ", ".join(f"{name} {version}" for name, version in versions.items()) or "none stored"
            counts[said] = counts.get(said, 0) + count
    return [
        line
        for said, count in counts.items()
        for line in wrapped(f"versions of {count} sessions: {said}", width, "  ", "    ")
    ]


def shown_as_json(devices: Sequence[DeviceBaselines]) -> str:
    """As `shown`, for programs."""
    return _dump({
        "devices": [
            {
                "slug": each.device.slug, "file": str(each.path), "device": asdict(each.device),
                "entries": [_entry(d) for d in each.entries],
            }
            for each in devices
        ],
    })  # fmt: skip


def _entry(found: Described) -> dict[str, object]:
    of = found.spread
    return {
        "workload": found.workload, "variant": of.variant, "protocol": found.protocol,
        "sessions": of.sessions, "median_s": of.median_s, "between_sd": of.between, "within_sd": of.within,
        "modes_s": list(of.modes_s), "minimum_detectable_effect": of.effect,
        "relative_minimum_detectable_effect": of.relative_effect, "relative": found.relative,
        "relative_to": found.reference, "peak_memory_bytes": found.peak_memory_bytes,
        "compile_s": found.compile_s, "oldest": found.oldest, "newest": found.newest,
        "age_days": found.age_days,
        "versions": [{"sessions": n, "versions": versions} for versions, n in found.versions],
    }  # fmt: skip


def compared(before: str, after: str, found: Sequence[Difference], came_to: Outcome, width: int) -> str:
    """A line an entry with its change, interval and verdict; below it what differs besides, and how it
    ended."""
    lines = [f"before {before}", f"after  {after}"]
    rows = [_row(difference) for difference in found]
    lines += fitted(rows, width, (1, 2)) if rows else ["  neither has an entry"]
    for difference in found:
        verdict = difference.verdict
        if verdict is not None and verdict.status is not Status.OK:
            lines += wrapped(f"{difference.key}: {verdict.status}: {verdict.detail}", width, "", "  ")
            if verdict.causes:
                lines += wrapped(f"causes: {', '.join(verdict.causes)}", width, "  ", "  ")
        for amount in difference.amounts:
            if amount.verdict.status is Status.REGRESSED:
                said = f"{difference.key}: {amount.name} {amount.verdict.status}: {amount.verdict.detail}"
                lines += wrapped(said, width, "", "  ")
    moved: dict[str, list[str]] = {}
    for difference in found:
        for name, then, now in difference.versions:
            moved.setdefault(f"{name} {then} -> {now}", []).append(difference.key)
    for said, keys in moved.items():
        where = "every entry" if len(keys) == len(found) else ", ".join(keys)
        lines += wrapped(f"{said} in {where}", width, "", "  ")
    return "\n".join([*lines, *wrapped(_ending(found, came_to), width, "", "  ")])


def _ending(found: Sequence[Difference], came_to: Outcome) -> str:
    """How the comparison ended, and how to say that what is missed is meant."""
    stored = sum(1 for d in found if d.before)
    if not came_to.missed:
        why = {Status.NOT_JUDGED: ": no entry is in both files", Status.OK: f" ({stored} entries)"}
        return f"{came_to.status}{why.get(came_to.status, '')}"
    accept = " ".join(f"--accept {show.plain(key)}" for key in came_to.missed)
    return (
        f"{came_to.status}: {len(came_to.missed)} of {stored} entries were compared with nothing; record "
        f"them again, or, if that is meant: {accept}"
    )


def _row(found: Difference) -> tuple[str, str, str, str]:
    counts = f"n={found.before}->{found.after}"
    verdict = found.verdict
    if verdict is not None:
        interval = (
            "" if verdict.interval is None
            else f"[{show.change(verdict.interval[0])}, {show.change(verdict.interval[1])}]"
        )  # fmt: skip
        return found.key, show.change(verdict.ratio), interval, f"{verdict.status} {counts}"
    if not found.before or not found.after:
        return found.key, show.DASH, "", f"new {counts}"
    return found.key, show.DASH, "", f"no new session {counts}"


def compared_as_json(before: str, after: str, found: Sequence[Difference], came_to: Outcome) -> str:
    """As `compared`, for programs."""
    entries = [
        {
            "entry": d.key, "sessions_before": d.before, "sessions_after": d.after, "sessions_added": d.added,
            "verdict": None if d.verdict is None else asdict(d.verdict),
            "amounts": [asdict(amount) for amount in d.amounts],
            "versions": [{"package": p, "before": then, "after": now} for p, then, now in d.versions],
        }
        for d in found
    ]  # fmt: skip
    return _dump({
        "before": before, "after": after, "status": came_to.status, "missed": list(came_to.missed),
        "entries": entries,
    })  # fmt: skip


def checked(found: Mapping[str, Sequence[Oddity]], width: int) -> str:
    """What speaks against stored sessions, a device after the other."""
    lines = []
    for slug, oddities in found.items():
        lines.append(f"{slug}: {len(oddities) or 'nothing'} odd")
        for each in oddities:
            which = "" if each.session is None else f", session {each.session + 1} of {each.date[:16]}"
            lines += wrapped(f"{each.key}{which}: {each.what}", width, "  ", "    ")
    if any(found.values()):
        lines.append("leave them out: perfsuite baselines prune, or record anew with --perf-update=reset")
    return "\n".join(lines)


def checked_as_json(found: Mapping[str, Sequence[Oddity]]) -> str:
    """As `checked`, for programs."""
    return _dump({"devices": {slug: [asdict(each) for each in odd] for slug, odd in found.items()}})


def pruned(found: Mapping[str, Sequence[Pruned]], *, written: bool, width: int) -> str:
    """What goes of each device's file, and how to let it go."""
    lines = []
    for slug, gone in found.items():
        for each in gone:
            left = "the entry goes" if not each.left else f"{each.left} stay"
            sessions = "1 session" if each.sessions == 1 else f"{each.sessions} sessions"
            lines += wrapped(f"{slug} {each.key}: {sessions}, {left}: {each.reason}", width, "", "  ")
    if not lines:
        return "nothing to prune"
    return "\n".join([*lines, "removed" if written else "nothing is written yet: give --yes"])


def pruned_as_json(found: Mapping[str, Sequence[Pruned]], *, written: bool) -> str:
    """As `pruned`, for programs."""
    return _dump({
        "written": written,
        "devices": {
            slug: [
                {"entry": p.key, "sessions": p.sessions, "left": p.left, "reason": p.reason} for p in gone
            ]
            for slug, gone in found.items()
        },
    })  # fmt: skip


def _dump(document: dict[str, object]) -> str:
    return json.dumps({"schema_version": SCHEMA_VERSION, **document}, indent=1)


def _percent(fraction: float | None) -> str:
    return show.DASH if fraction is None else f"{fraction * 100:.1f} %"
