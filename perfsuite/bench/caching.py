"""The artifact of compiled code through one run: loaded before the first build, written after the last.

A cold start of minutes becomes one of seconds on a machine that has never compiled the variant.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from perfsuite.pipelines.watching.caches import LOADED, recorded, union
from perfsuite.store import StoreError
from perfsuite.store.compiled import read_compiled, write_compiled

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.records import Device

PARTS = 8
"""Kept at most: each run that compiles something new adds one, and drops those that it holds itself."""


def made_for(device: Device) -> dict[str, str]:
    """What compiled code depends on besides what torch's own keys hold."""
    import torch

    # Generated C++ is written for the vector width of the CPU, which no name of a CPU tells.
    return {
        "torch": torch.__version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.slug,
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
    }


class CompileCache:
    """One file for the compiled code of all variants; without a path it does nothing."""

    def __init__(self, path: Path | None, device: Device) -> None:
        self.path, self._device = path, device
        self._parts: tuple[bytes, ...] | None = None
        self._held: tuple[frozenset[str], ...] = ()
        self.lines: list[str] = []
        """What a person should know: what was refused, and what was written."""

    def load(self) -> None:
        """Give torch what the file holds, once; a file that is refused is named in `lines`."""
        if self.path is None or self._parts is not None:
            return
        self._parts = ()
        try:
            parts = read_compiled(self.path, made_for(self._device))
        except StoreError as error:
            self.lines.append(f"compile cache refused: {error}")
            return
        if not parts:
            return
        strange = LOADED.load(parts, self.path.stat().st_size)
        if strange:
            self.lines.append(
                f"compile cache {self.path}: torch could not read {len(strange)} of {len(parts)} parts"
            )
        self._parts = tuple(part for number, part in enumerate(parts) if number not in strange)
        self._held = LOADED.keys

    def save(self) -> None:
        """Write the file if this run compiled, or found in torch's folder, what it does not hold.

        A file that cannot be written is named in `lines`.
        """
        if self.path is None or self._parts is None:
            return
        new, keys = recorded()
        if not keys - union(self._held):
            return
        kept = [part for part, held in zip(self._parts, self._held, strict=True) if held - keys]
        parts = [new, *kept][:PARTS]
        try:
            size = write_compiled(self.path, made_for(self._device), parts)
        except StoreError as error:
            self.lines.append(f"ERROR: compile cache not written: {error}")
            return
        self.lines.append(
            f"compile cache {self.path}: {len(keys)} entries of this run, {size / 2**20:.1f} MiB"
        )
