"""What an interpreter has of some packages, by its own word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfsuite.environments.errors import EnvironmentsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNDER_TEST = ("torch", "triton", "pytorch-triton", "torchao", "diffusers", "transformers")
"""Packages whose versions are exchanged, the likeliest cause first."""
LIMIT_S = 120.0


@dataclass(frozen=True)
class Installed:
    """One package of one interpreter."""

    version: str
    git: str | None
    """Hash of the commit that it was built from, where it tells."""
    place: str
    """Folder that it lies in."""
    elsewhere: tuple[str, ...] = ()
    """Modules that an import would take from another place."""
    at_start: tuple[str, ...] = ()
    """Path files that run code in each process."""
    unmet: tuple[str, ...] = ()
    """What it requires and the interpreter does not have."""
    links: tuple[str, ...] = ()
    """``Label, URL`` of its metadata."""


def installed(packages: Iterable[str], python: str | Path = sys.executable) -> Mapping[str, Installed]:
    """Those of `packages` that an interpreter has.

    Raises:
        EnvironmentsError: it cannot be started, or said something else.
    """
    command = [str(python), "-P", str(Path(__file__).with_name("child.py")), *packages]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)
        said = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        tail = done.stderr.strip()[-800:] if isinstance(error, ValueError) else str(error)
        raise EnvironmentsError(f"{python}: could not say what it has installed: {tail}") from error
    return {name: _read(found) for name, found in said.items() if found is not None}


def _read(found: dict[str, Any]) -> Installed:
    fields: Any = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
    return Installed(**fields)
