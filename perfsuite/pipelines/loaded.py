"""The files that a variant's techniques load beside the model: adapters, a tiny decoder.

Their content is part of what was measured. So it stands in the protocol that latencies and counts are
stored with, beside thresholds, and in the key of stored references.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.pipelines import models
from perfsuite.pipelines.models import identity

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Workload

_FILE = re.compile(r"(?P<name>.+?) (?P<hash>[0-9a-f]{12})(?:, |$)")


def loaded_by(variant: Variant, model: str) -> str:
    """Name and hash of each file or folder that exists, as in ``lora-a.safetensors 0123456789ab``; empty for
    a variant that loads nothing.

    It is read anew each time: a file may be exchanged while a process lives.
    """
    paths = {path for o in variant.optimizations for path in map(Path, o.loads(model)) if path.exists()}
    return ", ".join(f"{path.name} {identity.as_it_is(path)}" for path in sorted(paths))


def protocol(workload: Workload, weights: str, variant: Variant) -> str:
    """What must be equal for two latencies of a variant to be comparable, as one line: as
    `perfsuite.pipelines.models.protocol`, with what its techniques load."""
    loaded = loaded_by(variant, workload.model)
    return models.protocol(workload, weights) + (f" loads {loaded}" if loaded else "")


def other_files(stored: str, now: str) -> str:
    """What a person should know of two lines of `loaded_by` that differ; empty where they do not.

    A stored one that is empty is of before files were recorded, or of a variant that loaded none.
    """
    if stored == now:
        return ""
    if not stored:
        return f"what is stored does not say which files were loaded; this run loads {now}"
    then, found = (dict(_FILE.findall(line)) for line in (stored, now))
    moved = [
        f"{name} ({then.get(name, 'not loaded')} -> {found.get(name, 'not loaded')})"
        for name in sorted({*then, *found})
        if then.get(name) != found.get(name)
    ]
    return f"other files are loaded than were: {', '.join(moved) or f'{stored} -> {now}'}"


def moved_files(stored: str, now: str) -> str:
    """Which files two protocols differ in, in words; empty where they differ in nothing, or in more."""
    if models.without_loaded(stored) != models.without_loaded(now):
        return ""
    return other_files(models.loaded_in(stored), models.loaded_in(now))
