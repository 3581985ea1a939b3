"""Who registers: entry points of installed packages, files by their path; how fresh processes know them."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

GROUP = "perfsuite"
"""Of the entry points: each names a function that takes a `Registry`."""
FUNCTION = "pytest_perfsuite_register"
"""In a ``conftest.py`` or any other file; pytest knows it as a hook."""
HANDED_ON = "PERFSUITE_HANDED_ON"
"""Environment variable of fresh processes: files that register, and where these find what they import."""


class RegistrationError(ValueError):
    """Something that cannot be registered: the message says what, who registered it where, and the remedy."""

    @classmethod
    def of(cls, error: BaseException) -> RegistrationError:
        """What a function raised while it registered, and the line: the last that is no library's."""
        frames = traceback.extract_tb(error.__traceback__)
        last = next((f for f in reversed(frames) if "site-packages" not in f.filename), frames[-1])
        return cls(
            f"registering failed at {last.filename}:{last.lineno} with {type(error).__name__}: {error}; "
            "correct that file, or uninstall its package"
        )


def load_entry_points(problems: list[str]) -> Iterator[tuple[str, Callable[[Any], object]]]:
    """Each installed package that registers, and its function; what cannot be imported goes to `problems`."""
    found = {(p.dist.name if p.dist else "", p.name): p for p in entry_points(group=GROUP)}
    for (package, name), point in sorted(found.items()):
        who = f"package {package} (entry point {name} = {point.value})"
        try:
            function = point.load()
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            problems.append(
                f"{who} cannot be imported: {said}; correct or uninstall it: pip uninstall {package}"
            )
            continue
        if not callable(function):
            problems.append(f"{who} is no function; name one that takes a perfsuite.pipelines.Registry")
            continue
        yield who, function


def load_file(path: Path) -> Callable[[Any], object]:
    """The function `FUNCTION` of a file, which is imported as pytest does: its folder is on the path, or of
    a package the folder that holds it.

    Raises:
        RegistrationError: there is no such file, or no such function in it.
    """
    if not path.is_file():
        raise RegistrationError(
            f"{path} is not there; name a Python file with a function {FUNCTION}(registry)"
        )
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    if str(root) not in sys.path:
        sys.path.append(str(root))
    if len(parts) > 1:
        module = importlib.import_module(".".join(parts))
    else:
        spec = importlib.util.spec_from_file_location(f"perfsuite_registered_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise RegistrationError(
                f"{path} is no Python file; name one with a function {FUNCTION}(registry)"
            )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    function: Callable[[Any], object] | None = getattr(module, FUNCTION, None)
    if function is None:
        raise RegistrationError(f"{path} has no function {FUNCTION}(registry)")
    return function


def handed_on(files: Sequence[Path], python: str) -> dict[str, str]:
    """The environment in which a fresh process of an interpreter calls the same files."""
    if not files:
        return {}
    # What another interpreter imports is its own.
    path = sys.path if python == sys.executable else []
    return {HANDED_ON: json.dumps({"files": [str(file) for file in files], "path": path})}


def read_handed_on() -> list[Path]:
    """The files that the process which started this one called; what they import can be found."""
    if HANDED_ON not in os.environ:
        return []
    found = json.loads(os.environ[HANDED_ON])
    sys.path += [entry for entry in found["path"] if entry not in sys.path]
    return [Path(file) for file in found["files"]]
