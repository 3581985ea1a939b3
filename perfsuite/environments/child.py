"""What an interpreter would import, told by itself: ``python -P child.py PACKAGE...`` prints JSON.

Nothing is imported of the packages, and nothing of ours: it runs in interpreters that have neither. A
version alone proves little, so the git hash is read from the very file that an import would take.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import sys
from pathlib import Path

GIT = re.compile(r"^git_version\b[^=\n]*=\s*['\"]([0-9a-f]{7,40})\b", re.MULTILINE)


def of(package: str) -> dict[str, object] | None:
    """Version, git hash and folder; None where it is not installed."""
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    files = [str(file) for file in found.files or ()]
    modules = sorted({file.split("/")[0] for file in files if re.fullmatch(r"[^/.]+/__init__\.py", file)})
    place = Path(str(found.locate_file(""))).resolve()
    return {
        "version": found.version,
        "git": _git(found, files),
        "place": str(place),
        # A module that comes from elsewhere than its metadata is another version than it says.
        "elsewhere": [name for name in modules if not _lies_in(name, place)],
        "at_start": [file for file in files if re.fullmatch(r"[^/]+\.pth", file) and _runs(found, file)],
        "unmet": _unmet(found),
        "links": [*(found.metadata.get_all("Project-URL") or ()), f"Homepage, {found.metadata['Home-page']}"],
    }


def _read(found: importlib.metadata.Distribution, file: str) -> str:
    return Path(str(found.locate_file(file))).read_text(errors="replace")


def _git(found: importlib.metadata.Distribution, files: list[str]) -> str | None:
    """From ``<package>/version.py``, as torch has it, or from where pip installed it."""
    for file in files:
        if re.fullmatch(r"[^/]+/version\.py", file):
            said = GIT.search(_read(found, file))
            if said:
                return said[1]
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    commit: str | None = origin.get("vcs_info", {}).get("commit_id")
    return commit


def _unmet(found: importlib.metadata.Distribution) -> list[str]:
    """Requirements that this interpreter does not meet, extras aside."""
    from packaging.requirements import Requirement

    unmet = []
    for text in found.requires or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            unmet.append(f"{wanted.name}{wanted.specifier}")
    return unmet


def _lies_in(name: str, place: Path) -> bool:
    spec = importlib.util.find_spec(name)
    return bool(spec and spec.origin and Path(spec.origin).resolve().is_relative_to(place))


def _runs(found: importlib.metadata.Distribution, file: str) -> bool:
    """Whether a path file runs code at the start of each process."""
    return re.search(r"^import\s", _read(found, file), re.MULTILINE) is not None


if __name__ == "__main__":
    print(json.dumps({name: of(name) for name in sys.argv[1:]}))
