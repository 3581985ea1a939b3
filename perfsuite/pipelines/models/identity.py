"""What tells the weights that a latency was measured with from others."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

SAMPLES, SAMPLE_BYTES = 64, 1 << 16
TENSORS = ".safetensors"
UNREAD = (".md", ".gitattributes", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg")
"""Ends of names that no loader opens."""
PROVENANCE = ("_diffusers_version", "_name_or_path", "transformers_version")
"""Entries of a configuration that say who saved it, and change nothing of what is computed."""


@cache
def of_files(place: str) -> str:
    """As `as_it_is`, of what was there when this process first asked: weights are loaded once."""
    return as_it_is(Path(place))


def as_it_is(root: Path) -> str:
    """Hash of a file, or of all that a loader may read in a folder, by names, sizes and content.

    Configurations count as much as tensors: another scheduler, head count or scaling factor is another
    model. Of large files evenly spaced samples are read. It stays the same where files are copied or moved,
    and where they are saved again by another version.
    """
    found = hashlib.sha256()
    if root.is_file():
        _add(found, root, root.name)
        return found.hexdigest()[:12]
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root)
        if not any(part.startswith(".") for part in name.parts) and path.suffix.lower() not in UNREAD:
            _add(found, path, name.as_posix())
    return found.hexdigest()[:12]


def _add(found: hashlib._Hash, path: Path, name: str) -> None:
    settings = _settings(path) if path.suffix == ".json" else None
    if settings is not None:
        found.update(f"{name}\n{settings}\n".encode())
        return
    size = path.stat().st_size
    found.update(f"{name} {size}\n".encode())
    with path.open("rb") as file:
        for i in range(SAMPLES):
            file.seek(max(0, size - SAMPLE_BYTES) * i // (SAMPLES - 1))
            found.update(file.read(SAMPLE_BYTES))


def _settings(path: Path) -> str | None:
    """What a JSON file says, however it is laid out; None of what is no JSON object."""
    try:
        entries = json.loads(path.read_bytes())
    except ValueError:
        return None  # its bytes tell it from others
    if not isinstance(entries, dict):
        return None
    return json.dumps({k: v for k, v in entries.items() if k not in PROVENANCE}, sort_keys=True)
