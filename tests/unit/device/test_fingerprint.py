"""A device has a name fit for a file, and as many threads as this process may use."""

import importlib.metadata
import json
import os

import psutil
import pytest

from perfsuite.device.fingerprint import available_threads, further, git_hashes, slug, versions


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "intel-r-xeon-r-cpu-2-20ghz"),
        ("  AMD EPYC™ 7B13 ", "amd-epyc-7b13"),
        ("../..\\etc/passwd", "etc-passwd"),
        ("already-one-2t", "already-one-2t"),
    ],
)
def test_slug(text: str, wanted: str) -> None:
    """Lower-case letters and digits between single hyphens: no path, no space, no trademark."""
    assert slug(text) == wanted
    assert slug(slug(text)) == wanted


@pytest.mark.parametrize(
    ("cores", "allowed", "wanted", "threads"),
    [
        (8, 16, None, 7),
        (8, 4, None, 3),
        (None, 6, None, 5),
        (2, 2, None, 1),
        (1, 1, None, 1),
        (8, 16, "2", 2),
        (8, 16, " 3 ", 3),
        (8, 16, "64", 8),
        (8, 4, "6", 4),
        (8, 16, "3,2", 3),
        (8, 16, "", 7),
        (8, 16, "0", 7),
        (8, 16, "-1", 7),
        (8, 16, "many", 7),
        (8, 16, "²", 7),
    ],
)
def test_available_threads(
    cores: int | None, allowed: int, wanted: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All physical cores but one, fewer where affinity allows fewer, and what OMP_NUM_THREADS says up to all;
    nonsense there is ignored."""
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 16 if logical else cores)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(allowed)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert available_threads() == threads


class _Distribution:
    """Of a package that pip installed, as its metadata tell."""

    def __init__(self, direct_url: dict[str, object] | None) -> None:
        self._text = None if direct_url is None else json.dumps(direct_url)

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._text


def test_commits_that_packages_were_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those from git; an editable folder and an index tell none, and torch tells its own."""
    import torch

    told: dict[str, dict[str, object] | None] = {
        "diffusers": {"url": "https://example.org/d", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        "perfsuite": {"url": "file:///somewhere", "dir_info": {"editable": True}},
        "torch": None,
    }

    def distribution(name: str) -> _Distribution:
        if name not in told:
            raise importlib.metadata.PackageNotFoundError(name)
        return _Distribution(told[name])

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    monkeypatch.setattr(torch.version, "git_version", "def")
    assert git_hashes() == {"diffusers": "abc", "torch": "def"}
    monkeypatch.delattr(torch.version, "git_version")
    assert git_hashes() == {"diffusers": "abc"}


def test_packages_that_the_environment_names_are_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, however it is spaced."""
    monkeypatch.setenv("PERFSUITE_PACKAGES", " packaging  torch numpy packaging ")
    assert further() == ("packaging", "torch", "numpy")
    found = versions()
    assert list(found)[-2:] == ["packaging", "numpy"]
    assert found["packaging"] == importlib.metadata.version("packaging")
    monkeypatch.delenv("PERFSUITE_PACKAGES")
    assert "packaging" not in versions()
