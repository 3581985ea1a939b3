"""What a worker does besides measuring: record the float32 run, and take all looks at a pipeline."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perfsuite.pipelines import variants
from perfsuite.quality.assessing import inspect
from perfsuite.quality.reference import base_of, load_reference, record_reference
from perfsuite.records import Quality
from perfsuite.workers import commands
from perfsuite.workers.commands import write_pictures


class Commands(commands.Commands):
    """A worker's commands, with those of this room."""

    def do_reference(
        self, workload: str, device: str, weights: str, precisions: list[str], cache: str,
        base: str = variants.REFERENCE.name,
    ) -> str:  # fmt: skip
        """Record, or find, the float32 run of a workload below ``cache``; its folder."""
        found = record_reference(
            workload, device, weights, precisions=precisions, cache=Path(cache), base=variants.get(base)
        )
        assert found.folder is not None
        return str(found.folder.parent)

    def do_looks(
        self, variant: str, folder: str, thresholds: dict[str, float], artifacts: str, file: str
    ) -> dict[str, Any]:
        """All looks at a prepared pipeline against the reference stored in ``folder``, as plain data; its
        pictures go to ``file``."""
        prepared = self._open[variant]
        context = prepared.context
        base = base_of(context.variant)
        reference = load_reference(Path(folder), context.workload, context.device, prepared.weights, base)
        found = inspect(
            prepared.pipe, reference, context.variant, thresholds, context.device, context.workload
        )
        write_pictures(found.pictures, file)
        written = found.write(Path(artifacts), reference)
        return {"quality": asdict(found.quality), "artifacts": [str(path) for path in written]}


def as_quality(document: object) -> Quality:
    """The judgement from the plain data that a worker answers."""
    from pydantic import TypeAdapter

    found: Quality = TypeAdapter(Quality).validate_json(json.dumps(document))
    return found
