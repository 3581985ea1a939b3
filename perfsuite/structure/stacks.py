"""Which line of a user's, diffusers' or transformers' code is running."""

from __future__ import annotations

import contextlib
import traceback
from pathlib import Path

from perfsuite.pipelines.watching.graphs import place


def caller(depth: int = 2) -> str:
    """The innermost line of code outside torch, and who called it: ``file.py:12 in f: x.item()``."""
    import torch

    not_meant = (Path(torch.__file__).parent, Path(__file__).parent, Path(contextlib.__file__))
    frames = [
        frame
        for frame in traceback.extract_stack()
        if frame.filename[0] != "<" and not any(map(Path(frame.filename).is_relative_to, not_meant))
    ]
    return "\n    from ".join(place(f.filename, f.lineno or 0, f.name) for f in frames[: -1 - depth : -1])
