"""Random weights that nobody chose, where there is something of other weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sessions import make_session

from perfsuite.bench.fallback import fallen_back, none_begins
from perfsuite.pipelines import models, workloads
from perfsuite.pipelines.models import sources
from perfsuite.records import Device, Entry
from perfsuite.store import BaselineFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEVICE = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**34)
SDXL = workloads.get("sdxl-base")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing cached, no hub."""
    monkeypatch.setattr(sources, "_is_cached", lambda *_: False)
    monkeypatch.setattr(sources, "_unreachable", lambda hub: "the hub cannot be reached (Timeout)")
    sources.resolve.cache_clear()
    yield
    sources.resolve.cache_clear()


def _stored(weights: str, workload: str = "sdxl-base") -> BaselineFile:
    protocol = workloads.get(workload).protocol + weights
    entry = Entry(workload, "bf16", protocol, (make_session(),))
    return BaselineFile(DEVICE, {entry.key: entry})


def test_beside_baselines_of_the_hub(tmp_path: Path) -> None:
    """Of this workload, or of another size of its model."""
    for workload in ("sdxl-base", "sdxl-base@512x512+4steps"):
        said = fallen_back(SDXL, "auto", _stored(" weights hub", workload), tmp_path)
        assert "not in the hub's cache, and the hub cannot be reached (Timeout)" in said
        assert "of other weights (hub)" in said
        assert "--perf-weights=random" in said


def test_beside_reference_pictures_alone(tmp_path: Path) -> None:
    (tmp_path / "reference" / "sdxl-base").mkdir(parents=True)
    assert f"those of {tmp_path / 'reference' / 'sdxl-base'}" in fallen_back(SDXL, "auto", None, tmp_path)


def test_where_it_is_meant_or_nothing_is_stored(tmp_path: Path) -> None:
    """Random weights that were asked for, baselines of random ones, another model, and no baseline."""
    assert fallen_back(SDXL, "random", _stored(" weights hub"), tmp_path) == ""
    assert fallen_back(SDXL, "auto", _stored(" weights random"), tmp_path) == ""
    assert fallen_back(SDXL, "auto", _stored("", "shapes"), tmp_path) == ""
    assert fallen_back(SDXL, "auto", None, tmp_path) == ""
    assert fallen_back(workloads.SHAPES, "auto", _stored(" weights hub"), tmp_path) == ""


def test_a_baseline_begins_with_random_weights_only_where_they_are_meant() -> None:
    """Asked for, or what is stored of the model; the small model's own are nobody's fallback."""
    said = none_begins(SDXL, "auto", None)
    assert "they are random, for they are not in the hub's cache, and the hub cannot be reached" in said
    assert "--perf-weights=random" in said
    assert none_begins(SDXL, "auto", _stored("", "shapes")) == said
    assert none_begins(SDXL, "auto", _stored(" weights hub")) == said
    assert none_begins(SDXL, "random", None) == ""
    assert none_begins(SDXL, "auto", _stored(" weights random", "sdxl-base@512x512+4steps")) == ""
    assert none_begins(workloads.SHAPES, "auto", None) == ""


@pytest.mark.parametrize("prompt", ["a", "it's", 'a "b" weights hub', "'\" both' weights x", "\\' weights y"])
@pytest.mark.parametrize(("said", "weights"), [("", "shipped"), (" weights hub:fp16", "hub:fp16")])
def test_the_protocol_tells_the_weights(prompt: str, said: str, weights: str) -> None:
    """Whatever the prompt says."""
    from dataclasses import replace

    protocol = replace(SDXL, prompts=(prompt,)).protocol + said
    assert models.weights_in(protocol) == weights
    assert models.weights_in("another form") is None
    assert models.others(protocol, f"{protocol}x") is bool(said)
