"""The float32 runs that everything of this run is compared with, one a workload."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

from perfsuite import quality
from perfsuite.bench.recovery import LostDeviceError, OutOfMemoryError
from perfsuite.pipelines.variants import REFERENCE
from perfsuite.quality.reference import base_of, compared_with, precisions_of
from perfsuite.workers import WorkerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.bench.hand import Hand
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Workload
    from perfsuite.settings import Settings


class References:
    """Each is recorded when it is first asked for; one that could not be is not tried again."""

    def __init__(self, settings: Settings, hand: Hand) -> None:
        self._settings, self._hand = settings, hand
        self.deep = False
        """True if more than pictures will be judged, so that references are recorded for it."""
        self.chosen: Sequence[Variant] = ()
        """The variants of this run: which precisions a deep reference measures beforehand."""
        self._recorded: dict[tuple[str, str], quality.Reference] = {}
        self._failed: dict[tuple[str, str], Exception] = {}
        """By workload and what is run: why there is none."""

    def known(self, workload: Workload, variant: Variant = REFERENCE) -> quality.Reference | None:
        """The one that is there already."""
        return self._recorded.get(_key(workload, base_of(variant)))

    def get(self, workload: Workload, variant: Variant = REFERENCE) -> quality.Reference:
        """The float32 run that a variant is compared with; drawn once, before any other pipeline
        is in memory.

        What is approximate is compared with its own float32 form, and its pictures with float32's.
        """
        key = _key(workload, base_of(variant))
        if key in self._failed:
            raise self._failed[key]
        if key not in self._recorded:
            self._hand.close()
            self._hand.settle()
            try:
                self._recorded[key] = self._record(workload, base_of(variant))
            except Exception as error:
                self._failed[key] = error
                raise
            gc.collect()
        return self._recorded[key]

    def attempt(self, workload: Workload, variant: Variant = REFERENCE) -> None:
        """Draw it now, if it can be: what needs it says itself that there is none, and latencies need none.

        Other errors than a lack of memory, or of a fresh process, are raised.
        """
        with contextlib.suppress(OutOfMemoryError, WorkerError):
            self.get(workload, variant)

    def _record(self, workload: Workload, base: Variant) -> quality.Reference:
        key = f"{workload.name} reference" if base == REFERENCE else f"{workload.name} {base.name}, reference"
        self._hand.enter(key, "float32 pictures")
        # Before any variant is in memory: two pipelines at once may not fit.
        compared = [variant for variant in self.chosen if base_of(variant) == base]
        precisions = precisions_of(compared, self._hand.device) if self.deep else ()
        whole = None if compared_with(base) == base else self.known(workload)

        def progress(phase: str) -> None:
            self._hand.enter(key, phase)

        if self._hand.fresh is None:
            # Lost to this process, it is drawn in another; that it was lost fails the run.
            with contextlib.suppress(LostDeviceError), self._hand.watched(key):
                return quality.record_reference(
                    workload,
                    self._hand.device,
                    self._settings.weights,
                    deep=self.deep,
                    precisions=precisions,
                    cache=self._settings.reference_cache,
                    progress=progress,
                    base=base,
                    pictures=None if whole is None else whole.pictures,
                )
        assert self._hand.fresh is not None
        return self._hand.fresh.reference(
            workload, deep=self.deep, precisions=precisions, progress=progress, base=base
        )


def _key(workload: Workload, base: Variant) -> tuple[str, str]:
    return workload.name, base.name
