"""What a worker can do: build a pipeline, measure a session, run pieces, draw pictures."""

from __future__ import annotations

import gc
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from perfsuite import pipelines
from perfsuite.device import NoDeviceError
from perfsuite.device.memory import peak_bytes
from perfsuite.measuring.pieces import Pieces, kinds_of
from perfsuite.pipelines import workloads
from perfsuite.pipelines.models import WeightsError
from perfsuite.pipelines.promises import ContradictionError
from perfsuite.pipelines.variants import UnknownNameError
from perfsuite.workers.relative import free_memory, with_relative

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfsuite.pipelines import Prepared
    from perfsuite.records import Workload


class Commands:
    """The state of one worker. Each ``do_`` method answers the request of that name with plain data."""

    refusals = (
        NoDeviceError, WeightsError, pipelines.UnsupportedError, UnknownNameError, ContradictionError,
        workloads.SizeError, pipelines.RegistrationError,
    )  # fmt: skip
    """Errors that say all there is to say, and come again however often one tries: no traceback is shown."""

    def __init__(self) -> None:
        self._open: dict[str, Prepared] = {}
        self._pieces: dict[str, Pieces] = {}

    def do_hello(self) -> dict[str, Any]:
        """Who answers: process, and versions of what is measured; and whether CUDA was used before it was
        forked, which it cannot be after that."""
        import torch

        from perfsuite.device import versions

        spoilt = getattr(torch.cuda, "_is_in_bad_fork", lambda: False)()
        return {"pid": os.getpid(), "versions": versions(), "spoilt": bool(spoilt)}

    def do_unsupported(self, variant: str, device: str = "auto", workload: str | None = None) -> str | None:
        """Why this environment's device cannot run the variant, or should not, or why it has no meaning on
        the workload's pipeline; None if it can."""
        from perfsuite.device import fingerprint

        named = None if workload is None else _workload(workload, None)
        return pipelines.unsupported(variant, fingerprint(device), named)

    def do_prepare(
        self,
        workload: str,
        variant: str,
        device: str = "auto",
        weights: str = "auto",
        steps: int | None = None,
    ) -> dict[str, Any]:
        """Build, verify, make the first call; the pipeline is then known by the variant's name."""
        prepared = pipelines.prepare(_workload(workload, steps), variant, device, weights)
        self._open[variant] = prepared
        first_call_s = prepared.context.first_call(prepared.pipe)
        compilation = prepared.context.compilation
        return {
            "build_s": prepared.build_s,
            "first_call_s": first_call_s,
            "evidence": list(prepared.evidence),
            "once_more": None if compilation is None else compilation.misses,
        }

    def do_session(self, variant: str, plan: dict[str, Any], relative_s: float = 0.0) -> dict[str, Any]:
        """Measure one session of a prepared pipeline, as the suite does; the session as plain data.

        With ``relative_s`` also relative to the reference variant, for so many seconds.
        """
        from perfsuite.measuring.session import Plan, measure, time_calls

        prepared = self._open[variant]
        how = Plan(**plan)
        measured = measure(prepared, time_calls, how)
        return asdict(with_relative(measured, prepared, relative_s, as_it_comes=how.as_it_comes))

    def do_profile(self, variant: str, hot: bool) -> dict[str, Any]:
        """How many kernels a call launches and how long the GPU is busy; with `hot` also the time of each."""
        from perfsuite.measuring import profiling

        prepared = self._open[variant]
        found = profiling.profile(prepared)
        return {
            "profile": found and asdict(found),
            "hot": {name: asdict(each) for name, each in profiling.hot(prepared).items()} if hot else {},
        }

    def do_warm(self, variant: str, calls: int) -> list[float]:
        """So many whole calls; seconds of each."""
        from perfsuite.measuring.session import time_calls

        return list(time_calls(self._open[variant].generate, calls))

    def do_pieces(self, variant: str, workload: str | None = None) -> dict[str, int]:
        """How many pieces of each kind a call has: as it was prepared, or of the workload's own steps."""
        found = self._open[variant]
        context = found.context
        drawn = context.drawn if workload is None else context.variant.drawn(_workload(workload, None))
        return kinds_of(found.pipe, drawn.steps)

    def do_advance(self, variant: str) -> tuple[str, float]:
        """Run the next piece of this pipeline's endless calls: its name and seconds."""
        if variant not in self._pieces:
            self._pieces[variant] = Pieces(self._open[variant])
        return self._pieces[variant].advance()

    def do_pictures(self, workload: str, variant: str, file: str, count: int) -> int:
        """Draw the first prompts into a safetensors file, float32 (height, width, 3) each; how many.

        All steps of the workload, also where turns are taken with fewer.
        """
        found = self._open[variant]
        full = replace(found.context, workload=_workload(workload, None))
        pictures = [full.generate(found.pipe, i) for i in range(min(count, len(full.workload.prompts)))]
        write_pictures(pictures, file)
        return len(pictures)

    def do_memory(self) -> int:
        """Peak memory of this process so far, in bytes."""
        kinds = {p.context.device.kind for p in self._open.values()}
        return peak_bytes(kinds.pop() if kinds else "cpu")

    def do_device_kind(self) -> str:
        """``cpu`` or ``cuda``, of the first pipeline."""
        return next(iter(self._open.values())).context.device.kind

    def do_free_memory(self) -> int:
        """Bytes that another process could take on the device."""
        pipelines.free()
        return free_memory(self.do_device_kind())

    def do_release(self, variant: str) -> None:
        """Forget a pipeline."""
        pieces = self._pieces.pop(variant, None)
        if pieces is not None:
            pieces.close()
        pipe = self._open.pop(variant).pipe
        pipelines.release(pipe)
        del pipe
        gc.collect()


def write_pictures(pictures: Sequence[Any], file: str) -> None:
    """Into a safetensors file, by their number."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({f"{i:03d}": np.ascontiguousarray(p) for i, p in enumerate(pictures)}, file)


def _workload(name: str, steps: int | None) -> Workload:
    workload = workloads.get(name)
    return workload if steps is None else replace(workload, steps=steps)
