"""The ladder's shape, read from its file."""

import json
from pathlib import Path
from typing import Any

import pytest

from perfsuite.store import SHAPE_FILE, ShapeBound, StoreError, load_shape

BOUND = {
    "device_kind": "cpu",
    "workload": "shapes",
    "variant": "bf16",
    "over": "fp32",
    "least_speedup": 0.3,
    "source": "text",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / SHAPE_FILE


def write(path: Path, *bounds: object, **changes: Any) -> None:
    path.write_text(json.dumps({"schema_version": 1, "bounds": bounds, **changes}))


def test_no_file_is_no_bounds(path: Path) -> None:
    assert load_shape(path) == ()


def test_bounds_are_read_in_order(path: Path) -> None:
    write(path, BOUND, {**BOUND, "device_kind": "cuda", "least_speedup": 2})
    assert load_shape(str(path)) == (
        ShapeBound("cpu", "shapes", "bf16", "fp32", 0.3, "text"),
        ShapeBound("cuda", "shapes", "bf16", "fp32", 2.0, "text"),
    )


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        ({"least_speedup": 0}, "least_speedup", "found 0"),
        ({"least_speedup": float("nan")}, "least_speedup", "nan"),
        ({"least_speedup": "2"}, "least_speedup", "'2'"),
        ({"device_kind": "gpu"}, "device_kind", "'gpu'"),
        ({"over": None}, "over", "None"),
        ({"most_speedup": 3}, "most_speedup", "3"),
    ],
)
def test_a_bad_bound_is_named(path: Path, change: dict[str, Any], field: str, found: str) -> None:
    write(path, BOUND, {**BOUND, **change})
    with pytest.raises(StoreError) as caught:
        load_shape(path)
    for part in (str(path), "entry 'bounds[1]'", f"field {field}: ", found, "git checkout -- "):
        assert part in str(caught.value)


def test_a_missing_field_is_named(path: Path) -> None:
    write(path, {key: value for key, value in BOUND.items() if key != "source"})
    with pytest.raises(StoreError, match=r"entry 'bounds\[0\]', field source: Field required"):
        load_shape(path)


def test_two_bounds_of_one_pair(path: Path) -> None:
    write(path, BOUND, {**BOUND, "least_speedup": 0.5})
    with pytest.raises(StoreError, match=r"'bounds\[1\]'.*bounds\[0\] is of cpu shapes bf16 fp32 already"):
        load_shape(path)


def test_a_newer_schema(path: Path) -> None:
    write(path, schema_version=7)
    with pytest.raises(StoreError, match="schema 7, this one reads up to 1; upgrade perfsuite"):
        load_shape(path)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"schema_version": 1', b"\xff"])
def test_what_is_no_document_is_refused(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    with pytest.raises(StoreError) as caught:
        load_shape(path)
    assert str(path) in str(caught.value)
