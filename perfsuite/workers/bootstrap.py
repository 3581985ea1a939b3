"""First lines of a worker in any interpreter: ``python -P bootstrap.py SOCKET [--keep]``.

Both sides of a comparison must be measured by the same code, so the worker takes this very package,
whatever the interpreter has installed, and everything else (torch, diffusers) from the interpreter. Putting
the package's parent folder on the path would bring our own torch along.
"""

import importlib.util
import sys
from pathlib import Path


def _adopt(package: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        "perfsuite", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["perfsuite"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _adopt(Path(__file__).resolve().parent.parent)
    from perfsuite.workers.serving import main

    main(sys.argv[1:])
