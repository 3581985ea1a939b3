"""Asks later processes whether they find the code that this run had to compile."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from perfsuite import pipelines
from perfsuite.bench.hand import key_of
from perfsuite.decision.once_more import LATER, OWN_FILE, Asked
from perfsuite.pipelines import models
from perfsuite.pipelines.watching.caches import switched_off
from perfsuite.workers import Server, WorkerError

if TYPE_CHECKING:
    from perfsuite.bench.hand import Hand
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Session, Workload
    from perfsuite.settings import Settings

LOOKS = 2
"""Later processes that must have compiled the same code before it is a finding: a process that only measures
may have a key of its own for what the whole run compiled, and the one after it must find that."""


class OnceMore:
    """What later processes of one run compiled although an earlier one had."""

    def __init__(self, settings: Settings, hand: Hand) -> None:
        self._settings, self._hand = settings, hand
        self._seen: dict[str, list[int]] = {}
        """Of each variant, graphs that each later interpreter compiled."""
        self._asked: dict[str, Asked] = {}

    def saw(self, workload: Workload, variant: Variant, session: Session) -> None:
        """Remember what a fresh process found that was started for something else: the first of them alone,
        for the others are forks of the same interpreter."""
        if session.compilation is not None:
            self._seen.setdefault(key_of(workload, variant), [session.compilation.misses])

    def ask(self, workload: Workload, variant: Variant, session: Session) -> Session:
        """The session, its compilation with what later processes found.

        None is started where everything was found, where it is known not to be, or where no fresh processes
        are wanted.
        """
        compilation, key = session.compilation, key_of(workload, variant)
        if compilation is None or compilation.once_more is not None:
            self._asked.setdefault(key, OWN_FILE)  # unless it was asked before
            return session
        off = switched_off(os.environ)
        self._asked[key] = Asked(off=off)
        again = compilation.misses if off else self._look(workload, variant)
        return replace(session, compilation=replace(compilation, again=again))

    def asked(self, workload: Workload, variant: Variant) -> Asked:
        """Who was, for a variant."""
        return self._asked.get(key_of(workload, variant), LATER)

    def _look(self, workload: Workload, variant: Variant) -> int | None:
        key = key_of(workload, variant)
        seen = self._seen.setdefault(key, [])
        while (0 not in seen) and len(seen) < LOOKS:
            if not self._settings.confirm:
                self._asked[key] = Asked(unseen="no fresh process may be asked with --perf-confirm=0")
                return None
            self._hand.enter(key, "does a fresh process find the compiled code")
            try:
                seen.append(self._start(workload, variant))
            except WorkerError as error:
                self._asked[key] = Asked(unseen=str(error).splitlines()[0])
                return None
        return min(seen)

    def _start(self, workload: Workload, variant: Variant) -> int:
        """Graphs that one more process compiles, of an interpreter of its own: forks of one server agree
        about some of what differs between processes. Raises `WorkerError`."""
        if self._hand.fresh is None:  # else this process has lost its GPU, and must not ask it
            pipelines.free()
        with Server() as server:
            made = server.worker().ask(
                "prepare",
                workload=workload.name,
                variant=variant.name,
                device=self._hand.device.place,
                weights=models.resolve(workload.model, self._settings.weights).spec,
            )
        if made["once_more"] is None:
            raise WorkerError("torch's counters do not tell there")
        return int(made["once_more"])
