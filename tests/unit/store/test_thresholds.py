"""The picture thresholds: written, read back, and refused when damaged."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perfsuite.store import (
    PromptThreshold,
    StoreError,
    Thresholds,
    load_thresholds,
    thresholds_path,
    write_thresholds,
)

THRESHOLDS = Thresholds(
    workload="shapes",
    protocol="shapes 64x64",
    margin=1.5,
    measured_on="Example CPU",
    versions={"torch": "2.8.0"},
    variants={
        "fp16": {"a red circle": PromptThreshold(1.0, 5, 1.0)},
        "bf16": {
            "a red circle": PromptThreshold(0.9, 5, 0.85),
            "ein grünes Dreieck": PromptThreshold(1, 5, 0),
        },
    },
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reference" / "shapes" / "thresholds.json"


def test_each_kind_of_device_has_a_file(path: Path) -> None:
    """Those of a CPU, which came first, have the plain name."""
    assert thresholds_path(path.parent, "cpu") == path
    assert thresholds_path(path.parent, "cuda") == path.with_name("thresholds-cuda.json")


def test_no_file_is_none(path: Path) -> None:
    assert load_thresholds(path) is None


def test_what_is_written_reads_back_equal(path: Path) -> None:
    write_thresholds(str(path), THRESHOLDS)
    assert load_thresholds(str(path)) == THRESHOLDS
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_file_has_the_agreed_form(path: Path) -> None:
    write_thresholds(path, THRESHOLDS)
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)
    assert document["variants"]["bf16"]["prompts"]["a red circle"] == {
        "floor": 0.9,
        "n": 5,
        "threshold": 0.85,
    }
    assert {k: v for k, v in document.items() if k != "variants"} == {
        "schema_version": 2,
        "workload": "shapes",
        "protocol": "shapes 64x64",
        "margin": 1.5,
        "measured_on": "Example CPU",
        "versions": {"torch": "2.8.0"},
        "loaded": {},
    }
    assert list(document["variants"]) == ["bf16", "fp16"]
    assert "ein grünes Dreieck" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        ({"floor": 0}, ".floor: ", "found 0"),
        ({"floor": 1.01}, ".floor: ", "1.01"),
        ({"floor": float("nan")}, ".floor: ", "nan"),
        ({"floor": "1"}, ".floor: ", "'1'"),
        ({"n": 0}, ".n: ", "found 0"),
        ({"n": 1.5}, ".n: ", "1.5"),
        ({"threshold": 0.91}, ": ", "threshold 0.91 is above the floor, 0.9"),
        ({"threshold": float("-inf")}, ".threshold: ", "-inf"),
        ({"ssim": 1}, ".ssim: ", "1"),
    ],
)
def test_a_bad_figure_is_named(path: Path, change: dict[str, Any], field: str, found: str) -> None:
    write_thresholds(path, THRESHOLDS)
    document = json.loads(path.read_text())
    document["variants"]["bf16"]["prompts"]["a red circle"].update(change)
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError) as caught:
        load_thresholds(path)
    where = f"entry 'bf16', field prompts['a red circle']{field}"
    for part in (str(path), where, found, "git checkout -- "):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"margin": 1}, "margin"),
        ({"variants": []}, "variants"),
        ({"note": ""}, "note"),
        ({"versions": 1}, "versions"),
    ],
)
def test_a_bad_head_is_named(path: Path, change: dict[str, Any], field: str) -> None:
    write_thresholds(path, THRESHOLDS)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError, match=f"field {field}: "):
        load_thresholds(path)


def test_what_was_loaded_is_kept(path: Path) -> None:
    """A file of before says nothing of it."""
    told = replace(THRESHOLDS, loaded={"bf16": "lora-a.safetensors 0123456789ab"})
    write_thresholds(path, told)
    assert load_thresholds(path) == told
    document = json.loads(path.read_text())
    del document["loaded"]
    path.write_text(json.dumps({**document, "schema_version": 1}))
    assert load_thresholds(path) == THRESHOLDS


def test_a_newer_schema(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text('{"schema_version": 3}')
    with pytest.raises(StoreError, match="schema 3, this one reads up to 2; upgrade perfsuite"):
        load_thresholds(path)


def test_a_threshold_above_its_floor_cannot_be_made() -> None:
    with pytest.raises(ValueError, match=r"threshold 0\.95 is above the floor, 0\.9"):
        PromptThreshold(0.9, 5, 0.95)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (replace(THRESHOLDS, margin=float("nan")), "field margin: "),
        (
            replace(THRESHOLDS, variants={"bf16": {"x": PromptThreshold(1.5, 5, 1.0)}}),
            "field prompts.x.floor: ",
        ),
    ],
)
def test_what_could_not_be_read_is_not_written(path: Path, bad: Thresholds, field: str) -> None:
    write_thresholds(path, THRESHOLDS)
    with pytest.raises(StoreError, match="nothing was written") as caught:
        write_thresholds(path, bad)
    assert field in str(caught.value)
    assert load_thresholds(path) == THRESHOLDS
