"""What each night ran with, and what of it was new."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from perfsuite.records import Environment, NightRun

_COMMIT = re.compile(r"[0-9a-f]{12,64}")


class Surroundings:
    """Versions of runs. Of a device those are told night by night that ever changed; the others once."""

    def __init__(self, runs: Sequence[NightRun]) -> None:
        self._runs = {run.id: run for run in runs}
        self._known: dict[tuple[str | None, str], Markup] = {}

    def of(self, run: str, before: str | None) -> Markup:
        """What of a run may differ from others; what does from the run before is bold. One unknown has none.

        As HTML: all series of a device show the same, which is made once.
        """
        key = before, run
        if key not in self._known:
            self._known[key] = self._versions(run, before)
        return self._known[key]

    def constant(self, device: str) -> str:
        """What all nights of a device had."""
        each = self._by_device.get(device)
        if not each:
            return ""
        varies = self._varying[device]
        return ", ".join(f"{name} {text}" for name, text in each[-1].items() if name not in varies)

    def latest(self, run: NightRun) -> str:
        """All packages of a run."""
        return ", ".join(f"{name} {text}" for name, text in _packages(run.environment).items())

    def _versions(self, run: str, before: str | None) -> Markup:
        found = self._runs.get(run)
        if found is None:
            return Markup()
        earlier = self._runs.get(before) if before is not None else None
        now, old = _all(found.environment), _all(earlier.environment) if earlier is not None else None
        said = []
        for name in self._varying[found.device]:
            if name in now or (old is not None and name in old):
                text = f"{name} {now.get(name, 'none')}"
                changed = old is not None and now.get(name) != old.get(name)
                said.append(Markup("<b>{}</b>").format(text) if changed else escape(text))
        return Markup(", ").join(said)

    @cached_property
    def _by_device(self) -> Mapping[str, list[dict[str, str]]]:
        found = defaultdict(list)
        for run in sorted(self._runs.values(), key=lambda r: (r.night, r.date)):
            found[run.device].append(_all(run.environment))
        return found

    @cached_property
    def _varying(self) -> dict[str, tuple[str, ...]]:
        """Of each device, what was not the same in all of its runs."""
        found = {}
        for device, each in self._by_device.items():
            seen: dict[str, set[str | None]] = {name: set() for one in each for name in one}
            for one in each:
                for name, texts in seen.items():
                    texts.add(one.get(name))
            found[device] = tuple(name for name, texts in seen.items() if len(texts) > 1)
        return found


def _packages(of: Environment) -> dict[str, str]:
    """Each with its version, and the commit behind it."""
    return {
        name: f"{version} ({_short(of.git[name])})" if of.git.get(name) else version
        for name, version in sorted(of.versions.items())
    }


def _all(of: Environment) -> dict[str, str]:
    return {**_packages(of), **dict(sorted(of.surroundings.items()))}


def _short(commit: str) -> str:
    return commit[:9] if _COMMIT.fullmatch(commit) else commit
