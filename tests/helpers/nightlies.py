"""Twelve nights of a small wheel that patches diffusers' UNet, and the history that runs of them leave.

Night 4 is missing, nights 5 and 6 are of one commit, from night 7 on each forward in bfloat16 takes 8 % more,
and from night 9 on it makes one more call of an operator. Float32 is as it was, which others are relative to.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from sessions import make_session
from stub_wheels import make_wheel

from perfsuite.records import Counts, Device, Relative, Result, Run

if TYPE_CHECKING:
    from pathlib import Path

STUB = "perfsuite-stub"
SLOWER, MORE = 7, 9
NIGHTS = tuple(n for n in range(1, 13) if n != 4)
PATH_FILE = "import perfsuite_stub.patch; perfsuite_stub.patch.install()\n"
PATCH = """
import functools
import importlib.util
import sys
import time

SHARE, CLONES = {share}, {clones}
TARGET = "diffusers.models.unets.unet_2d_condition"


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            change(module.UNet2DConditionModel)

        spec.loader.exec_module = exec_module
        return spec


def install():
    # Python runs a path file's code twice in a virtual environment.
    if not any(type(each).__name__ == "Finder" for each in sys.meta_path):
        sys.meta_path.insert(0, Finder())


def change(model):
    import torch

    forward = model.forward

    @functools.wraps(forward)
    def changed(self, sample, *args, **options):
        if self.dtype != torch.bfloat16:
            return forward(self, sample, *args, **options)
        start = time.perf_counter()
        for _ in range(CLONES):
            sample = sample.clone()
        result = forward(self, sample, *args, **options)
        now = time.perf_counter()
        until = now + SHARE * (now - start)
        while time.perf_counter() < until:
            pass
        return result

    model.forward = changed
"""


def night(number: int) -> str:
    """Its date."""
    return f"2025-11-{number:02}"


def version(number: int) -> str:
    """Of the wheel of a night."""
    return f"1.0.dev202511{number:02}"


def commit(number: int) -> str:
    """That it was built from."""
    return f"{5 if number == 6 else number:040x}"


def make_wheels(folder: Path, share: float = 0.08) -> list[Path]:
    """One for each night that there was."""
    return [
        make_wheel(
            folder,
            STUB,
            version(n),
            {
                "perfsuite_stub/patch.py": PATCH.format(
                    share=share if n >= SLOWER else 0.0, clones=int(n >= MORE)
                ),
                "perfsuite_stub.pth": PATH_FILE,
            },
            commit(n),
        )
        for n in NIGHTS
    ]


def make_run(
    number: int, device: Device, workload: str, variant: str, counts: Counts, share: float = 0.08
) -> Run:
    """What a night's run leaves: a session with noise, slower from one night on, and its counts."""
    rng = random.Random(number)
    versions = {**counts.versions, STUB: version(number)}
    slower = 1 + share if number >= SLOWER else 1.0
    level = 0.2 * rng.gauss(1, 0.03) * slower
    ratio = 0.5 * rng.gauss(1, 0.006) * slower
    date = f"{night(number)}T03:00:00+00:00"
    session = make_session(
        id=f"s{number}",
        date=date,
        latency_s=tuple(level * (1 + abs(rng.gauss(0, 0.01))) for _ in range(15)),
        relative=Relative("fp32", tuple(ratio * rng.gauss(1, 0.02) for _ in range(15))),
        peak_memory_bytes=500 * 2**20,
        versions=versions,
    )
    counted = replace(counts, versions=versions)
    key = f"{workload}/{variant}"
    result = Result(workload, variant, "made", session=session, counts=counted)
    return Run(f"run{number}", date, device, (result,), (key,), (key,))
