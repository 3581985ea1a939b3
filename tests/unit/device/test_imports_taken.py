"""What importing takes is known once, and only where nobody was there before."""

from types import SimpleNamespace

import pytest

from perfsuite.device import imports
from perfsuite.device.imports import Imports


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of modules in place of importing them, into a table of modules that is empty."""
    names: list[str] = []
    table = SimpleNamespace(modules={})

    def bring(name: str) -> None:
        names.append(name)
        table.modules[name] = object()

    monkeypatch.setattr(imports, "sys", table)
    monkeypatch.setattr(imports.importlib, "import_module", bring)
    return names


def test_all_is_brought_once(brought: list[str]) -> None:
    """The parts count together; the second time there is nothing to do."""
    found = Imports()
    found.bring("torch")
    found.bring()
    found.bring()
    assert brought == list(imports.MODULES)
    assert found.take() is not None
    assert found.take() is None


def test_where_torch_is_there_already_nobody_knows(brought: list[str]) -> None:
    imports.sys.modules["torch"] = object()
    found = Imports()
    found.bring()
    assert "torch" not in brought
    assert found.take() is None
