"""The interpreter of a trial: this one's packages, and slower code where the environment says so."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from perfsuite.fieldtrial import slowing
from perfsuite.fieldtrial.regimes import TrialError

_PACKAGE = Path(__file__).parent.parent
_CHECK = (
    "import sys, perfsuite; print(perfsuite.__file__); "
    "print(any(type(f).__name__ == '_Finder' for f in sys.meta_path))"
)


def build(folder: Path) -> Path:
    """Make the interpreter in `folder`, in place of an older one; its path.

    It is a virtual environment without packages of its own: this very package comes first on its path, then
    whatever this interpreter has.

    Raises:
        TrialError: it does not slow what it should, or takes another package.
    """
    venv.EnvBuilder(clear=True, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    # Not on PYTHONPATH: workers do without it, and would find neither the package nor what slows it.
    lines = [
        str(_PACKAGE.parent),
        *(f"import site; site.addsitedir({path!r})" for path in _site_folders()),
        "import perfsuite.fieldtrial.slowing; perfsuite.fieldtrial.slowing.install()",
    ]
    (site / "perfsuite-field-trial.pth").write_text("\n".join(lines) + "\n")
    _check(python)
    return python


def _site_folders() -> list[str]:
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def _check(python: Path) -> None:
    environment = {**os.environ, slowing.PERCENT: "10"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, "-P", "-c", _CHECK], env=environment, capture_output=True, text=True, check=False, cwd="/"
    )
    if done.stdout.split() != [str(_PACKAGE / "__init__.py"), "True"]:
        raise TrialError(
            f"{python}: wanted {_PACKAGE} with slower code, found {done.stdout.strip() or 'nothing'}; "
            f"{done.stderr.strip() or 'it said nothing else'}"
        )
