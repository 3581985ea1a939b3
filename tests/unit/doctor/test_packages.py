"""Versions against ranges, pairs that clash, and torchao's C++ extensions."""

import importlib.util
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from examining import Examine, Only

from perfsuite.doctor import packages
from perfsuite.records import Health


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """These versions and ranges, and no others."""

    def place(requires: list[str] | None, **versions: str) -> None:
        def version(name: str) -> str:
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        def asked(name: str) -> list[str]:
            if requires is None:
                raise metadata.PackageNotFoundError(name)
            return requires

        monkeypatch.setattr(packages.metadata, "version", version)
        monkeypatch.setattr(packages.metadata, "requires", asked)

    return place


def test_all_within_their_ranges(installed: Callable[..., None], examine: Examine, only: Only) -> None:
    """Extras are not asked for, pre-releases count."""
    installed(["torch>=2.11", "asv>=0.6; extra == 'evaluate'"], torch="2.14.0.dev20990101", torchao="0.18.0")
    found = only(packages.versions(examine()))
    assert (found.status, found.figures["torch"]) == (Health.OK, "2.14.0.dev20990101")
    assert "all 1 ranges are met" in found.found


def test_outside_and_missing(installed: Callable[..., None], examine: Examine, only: Only) -> None:
    installed(["torch>=2.11", "diffusers>=0.40", "numpy>=2"], torch="2.4.1", numpy="2.1")
    found = only(packages.versions(examine()))
    assert found.status is Health.PROBLEM
    assert found.found == "torch 2.4.1 is outside >=2.11; diffusers is not installed"
    assert found.remedy == "pip install 'torch>=2.11' 'diffusers>=0.40'"


def test_two_that_clash(installed: Callable[..., None], examine: Examine) -> None:
    installed([], torch="2.10.0", torchao="0.18.0")
    plain, clash = packages.versions(examine())
    assert (plain.status, clash.status) == (Health.OK, Health.WARNING)
    assert clash.found.startswith("torchao 0.18.0 with torch 2.10.0: ")


def test_not_installed_itself(installed: Callable[..., None], examine: Examine, only: Only) -> None:
    installed(None, torch="2.13.0")
    found = only(packages.versions(examine()))
    assert (found.status, found.remedy) == (Health.WARNING, "pip install -e .")


def test_the_real_ranges_are_met(examine: Examine) -> None:
    """Of the environment that tests this."""
    assert [f.status for f in packages.versions(examine())] == [Health.OK]


@pytest.fixture
def torchao(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of torchao's."""
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.delenv("TORCHAO_FORCE_SKIP_LOADING_SO_FILES", raising=False)
    return tmp_path


def test_an_extension_that_does_not_load(torchao: Path, examine: Examine, only: Only) -> None:
    (torchao / "_C_broken.abi3.so").write_bytes(b"no library")
    found = only(packages.torchao_extensions(examine()))
    assert (found.status, found.figures) == (Health.WARNING, {"extensions": 1, "refused": 1})
    assert "_C_broken.abi3.so" in found.found


def test_no_extension_is_no_fault(torchao: Path, examine: Examine, only: Only) -> None:
    assert only(packages.torchao_extensions(examine())).status is Health.OK


def test_extensions_kept_out(
    torchao: Path, examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHAO_FORCE_SKIP_LOADING_SO_FILES", "1")
    found = only(packages.torchao_extensions(examine()))
    assert (found.status, found.remedy) == (Health.WARNING, "unset it")


def test_no_torchao(examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("TORCHAO_FORCE_SKIP_LOADING_SO_FILES", raising=False)
    assert only(packages.torchao_extensions(examine())).status is Health.PROBLEM
