"""The records of one run: its results on disk as they come, and what becomes a baseline of them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perfsuite.bench.fallback import none_begins
from perfsuite.decision import unjudged
from perfsuite.device import versions
from perfsuite.pipelines import loaded, models, variants, workloads
from perfsuite.records import Result, Run, Status
from perfsuite.store import BaselineFile, Baselines, Change, ResultsWriter, Runs, merge_results

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from perfsuite.bench.counts import CountGate
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device, Entry, Session, Workload
    from perfsuite.settings import Settings


class Ledger:
    """What is known of each variant. Raises `StoreError` at once if the device's baseline file is bad."""

    def __init__(self, settings: Settings, device: Device) -> None:
        self._settings, self.device = settings, device
        self.store = Baselines(settings.baselines)
        self._runs = Runs(settings.runs)
        self.baselines: BaselineFile | None = self.store.of(device)
        self.results: list[Result] = []
        self.planned: tuple[str, ...] = ()
        """``workload/variant`` of all that is to run, for readers of an interrupted run's results."""
        self.asked: tuple[str, ...] = ()
        """``workload/variant`` of all that is to be judged, also of what this device cannot run."""
        self.timed = False
        """False for an untimed pass, which is no ladder."""
        self.closing_lines: list[str] = []
        """What the summary says last: baselines that were written."""
        self._more: list[Result] = []
        """Further sessions of new baselines, which no result shows."""
        self._rejected: set[tuple[str, str]] = set()
        """Workload and variant of results that must not become a baseline."""
        self._id = uuid.uuid4().hex
        self._date = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._writer: ResultsWriter | None = None

    def protocol(self, workload: Workload, variant: str | Variant) -> str:
        """What must be equal for latencies to be comparable."""
        weights = self._settings.weights
        try:
            return loaded.protocol(workload, weights, variants.get(variant))
        except ValueError:  # a variant that is gone, whose baseline is not
            return models.protocol(workload, weights)

    def blank(self, workload: Workload, variant: Variant, evidence: tuple[str, ...]) -> Result:
        """A result that holds no more than the proof that the variant's techniques took hold."""
        return Result(workload.name, variant.name, self.protocol(workload, variant), evidence=evidence)

    def result(self, workload: str, variant: str) -> Result | None:
        """What is known of a variant so far."""
        for result in self.results:
            if (result.workload, result.variant) == (workload, variant):
                return result
        return None

    @property
    def path(self) -> Path:
        """The results file of this run."""
        return self._settings.results or self._runs.path(self._id, self._date)

    def begin(self) -> ResultsWriter:
        """Begin the results file, unless it is begun; that of a ladder is the last one's from now on."""
        if self._writer is None:
            self._writer = ResultsWriter(
                self.path, self._id, self._date, self.device, self.planned, asked=self.asked, timed=self.timed
            )
            if self.timed:
                self._runs.point_to(self.path)
            self._runs.prune(self._settings.keep_runs)
        return self._writer

    def close(self) -> None:
        """Let others write the results file; nothing is recorded any more."""
        if self._writer is not None:
            self._writer.close()

    def record(self, result: Result) -> Result:
        """Put a result on disk; all that is known of its variant now."""
        self.begin().add(result)
        self.results = list(merge_results([*self.results, result]))
        merged = self.result(result.workload, result.variant)
        assert merged is not None
        return merged

    def refuse(self, workload: Workload, variant: str, status: Status, why: str) -> Result:
        """Put on disk that a variant is not judged, and why."""
        entry = self.entry(workload.name, variant)
        verdict = unjudged(status, why, len(entry.sessions) if entry is not None else 0)
        return self.record(Result(workload.name, variant, self.protocol(workload, variant), verdict=verdict))

    def add_session(self, workload: Workload, variant: Variant, session: Session) -> None:
        """Keep one more session for a new baseline of a variant."""
        self._more.append(replace(self.blank(workload, variant, ()), session=session))

    def reject(self, workload: str, variant: str) -> None:
        """Keep what was measured of this variant out of the baselines: a test of it failed."""
        self._rejected.add((workload, variant))

    def is_rejected(self, workload: str, variant: str) -> bool:
        """Whether a test of this variant failed."""
        return (workload, variant) in self._rejected

    def run(self) -> Run:
        """All that this run found out."""
        return Run(
            self._id, self._date, self.device, tuple(self.results), self.planned, self.asked, self.timed
        )

    def entry(self, workload: str, variant: str) -> Entry | None:
        """The stored baseline of a variant."""
        return self.baselines.entries.get(f"{workload}/{variant}") if self.baselines else None

    def none_begins(self, workload: str, variant: str) -> str:
        """Why no baseline of this variant may begin: its weights are random, and nobody said so. Empty if it
        may, and where there is one."""
        if self.entry(workload, variant) is not None:
            return ""
        return none_begins(workloads.get(workload), self._settings.weights, self.baselines)

    def elsewhere(self, workload: str, variant: str) -> BaselineFile | None:
        """Of the same processor with other instructions or threads: what has a baseline of the variant."""
        stored = self.store.kin(self.device)
        return next((found for found in stored if f"{workload}/{variant}" in found.entries), None)

    def baseline_versions(self, result: Result) -> dict[str, str] | None:
        """Package versions of the baseline's newest session, None without a baseline."""
        entry = self.entry(result.workload, result.variant)
        return dict(entry.sessions[-1].versions) if entry else None

    def moved(self, result: Result) -> str:
        """What differs between the newest stored session of this variant and this run, as one line."""
        then = self.baseline_versions(result)
        if then is None:
            return "no stored run to compare versions with"
        return _changes(then, versions()) or "no version of Python, torch, diffusers or torchao"

    def update_baselines(self, counting: CountGate) -> tuple[list[Change], list[Change]]:
        """Store sessions and counts as the settings say; what was done to the sessions, and to the counts.

        Results of failed tests are left out, unless the user asked for a reset; so are those that nobody
        judged, as the run was cut off, and always those that would begin a baseline with random weights that
        nobody chose. Raises `StoreError`.
        """
        mode = self._settings.update
        judged = [
            self._chosen(r, counting) for r in self.results if r.session is None or r.verdict is not None
        ]
        accepted = [
            result
            for result in (*judged, *self._more)
            if mode == "reset"
            or ((result.workload, result.variant) not in self._rejected and not _incompatible(result))
        ]
        self.closing_lines += [
            f"{r.workload} {r.variant}: stored without weight: {r.session.unfit}"
            for r in accepted
            if mode != "never" and r.session is not None and r.session.unfit
        ]
        changes = self.store.update(self.device, accepted, mode)
        return changes, counting.update(accepted, mode)

    def _chosen(self, result: Result, counting: CountGate) -> Result:
        """The result without what would begin a baseline, or counts, with random weights that nobody chose;
        it is said once a workload."""
        why = self.none_begins(result.workload, result.variant)
        begins = result.session is not None or (result.counts is not None and not counting.knows(result))
        if not why or not begins:
            return result
        said = f"{result.workload}: {why}"
        if self._settings.update != "never" and said not in self.closing_lines:
            self.closing_lines.append(said)
        return replace(result, session=None, counts=result.counts if counting.knows(result) else None)


def _incompatible(result: Result) -> bool:
    """Whether it is another machine's or workload's: only a reset makes that a baseline."""
    return result.verdict is not None and result.verdict.status is Status.INCOMPATIBLE


def _changes(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} {then.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted({*now, *then})
        if now.get(name) != then.get(name)
    )
