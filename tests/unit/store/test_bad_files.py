"""A damaged baseline file is named with entry, field and remedy, and its bytes stay as they were."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perfsuite.records import Device, Result
from perfsuite.store import Baselines, StoreError

Make = Callable[..., Result]
KEY = "shapes/bf16"
REMEDY = ("git checkout -- ", "--perf-update=new")


@pytest.fixture
def path(baselines: Baselines, device: Device, make_result: Make) -> Path:
    baselines.update(device, [make_result("s1"), make_result("s1", "fp16")], "new")
    return baselines.path(device.slug)


@pytest.fixture
def refused(baselines: Baselines, device: Device, make_result: Make, path: Path) -> Callable[..., str]:
    """Put bytes in place of the file; return the message with which reading and updating refuse it."""

    def check(raw: bytes, *parts: str) -> str:
        path.write_bytes(raw)
        with pytest.raises(StoreError) as caught:
            baselines.load(device.slug)
        message = str(caught.value)
        for mode in ("new", "append", "reset"):
            with pytest.raises(StoreError) as again:
                baselines.update(device, [make_result("s2", "fp32")], mode)
            assert str(again.value) == message
        assert path.read_bytes() == raw
        assert sorted(p.name for p in path.parent.iterdir()) == [f".{path.name}.lock", path.name]
        for part in (str(path), *parts):
            assert part in message
        return message

    return check


def edited(path: Path, where: tuple[str | int, ...], value: Any) -> bytes:
    """Return the file with the member at `where` replaced; a value of ... removes it."""
    document = json.loads(path.read_text())
    target = document
    for step in where[:-1]:
        target = target[step]
    if value is ...:
        del target[where[-1]]
    else:
        target[where[-1]] = value
    return json.dumps(document).encode()


SESSION = ("entries", KEY, "sessions", 0)
FIELDS = [
    # where, value, entry, field, what the message says was found
    ((*SESSION, "latency_s"), "fast", KEY, "sessions[0].latency_s", "'fast'"),
    ((*SESSION, "latency_s", 1), "0.5", KEY, "sessions[0].latency_s[1]", "'0.5'"),
    ((*SESSION, "latency_s", 1), 0, KEY, "sessions[0].latency_s[1]", "greater than 0, found 0"),
    ((*SESSION, "latency_s", 1), True, KEY, "sessions[0].latency_s[1]", "True"),
    ((*SESSION, "latency_s", 1), None, KEY, "sessions[0].latency_s[1]", "None"),
    ((*SESSION, "latency_s", 1), float("nan"), KEY, "sessions[0].latency_s[1]", "nan"),
    ((*SESSION, "latency_s", 1), float("-inf"), KEY, "sessions[0].latency_s[1]", "-inf"),
    ((*SESSION, "latency_s"), [], KEY, "sessions[0].latency_s", "[]"),
    ((*SESSION, "latency_s"), ..., KEY, "sessions[0].latency_s", "required"),
    ((*SESSION, "latency_ms"), [1], KEY, "sessions[0].latency_ms", "[1]"),
    ((*SESSION, "peak_memory_bytes"), -1, KEY, "sessions[0].peak_memory_bytes", "-1"),
    ((*SESSION, "peak_memory_bytes"), 1.5, KEY, "sessions[0].peak_memory_bytes", "1.5"),
    ((*SESSION, "conditions"), {"load": float("nan")}, KEY, "sessions[0].conditions.load", "nan"),
    ((*SESSION, "conditions"), {"load": []}, KEY, "sessions[0].conditions.load", "[]"),
    ((*SESSION, "versions"), {"torch-x": 2}, KEY, "sessions[0].versions['torch-x']", "2"),
    ((*SESSION, "stages"), {}, KEY, "sessions[0].stages.text_encoders_s", "required"),
    ((*SESSION, "stages", "vae_s"), -0.1, KEY, "sessions[0].stages.vae_s", "-0.1"),
    ((*SESSION, "stages", "extra_s"), 1, KEY, "sessions[0].stages.extra_s", "1"),
    ((*SESSION, "warmup_steady"), "yes", KEY, "sessions[0].warmup_steady", "'yes'"),
    (SESSION, [1], KEY, "sessions[0]", "[1]"),
    (("entries", KEY, "sessions"), [], KEY, "sessions", "[]"),
    (("entries", KEY, "sessions"), {}, KEY, "sessions", "{}"),
    (("entries", KEY, "protocol"), ..., KEY, "protocol", "required"),
    (("entries", KEY, "note"), "x", KEY, "note", "'x'"),
    (("entries", KEY, "variant"), "fp16", KEY, "workload, variant", "'shapes/fp16'"),
    (("entries", KEY, "workload"), "sdxl", KEY, "workload, variant", "'sdxl/bf16'"),
    (("entries", KEY), None, KEY, "", "None"),
    (("entries",), [], "", "entries", "[]"),
    (("entries",), ..., "", "entries", "required"),
    (("device",), ..., "", "device", "required"),
    (("device", "count"), "4", "", "device.count", "'4'"),
    (("device", "colour"), "red", "", "device.colour", "'red'"),
    (("device", "slug"), "cpu-other", "", "device.slug", "'cpu-other'"),
    (("schema_version",), ..., "", "schema_version", "required"),
    (("schema_version",), 0, "", "schema_version", "0"),
    (("schema_version",), "1", "", "schema_version", "'1'"),
    (("schema_version",), True, "", "schema_version", "True"),
    (("schema_version",), 1.0, "", "schema_version", "1.0"),
    (("comment",), "x", "", "comment", "'x'"),
]


@pytest.mark.parametrize(("where", "value", "entry", "field", "found"), FIELDS)
def test_a_bad_field_is_named(
    refused: Callable[..., str],
    path: Path,
    where: tuple[str | int, ...],
    value: Any,
    entry: str,
    field: str,
    found: str,
) -> None:
    parts = [f"entry {entry!r}"] if entry else []
    parts += [f"field {field}: "] if field else []
    refused(edited(path, where, value), *parts, found, *REMEDY)


def test_a_number_too_large_for_a_float_is_refused(refused: Callable[..., str], path: Path) -> None:
    raw = path.read_bytes().replace(b"[0.1,", b"[1e999,", 1)
    refused(raw, f"entry {KEY!r}", "field sessions[0].latency_s[0]", "inf", *REMEDY)


def test_a_whole_number_is_a_float(baselines: Baselines, device: Device, path: Path) -> None:
    path.write_bytes(edited(path, (*SESSION, "latency_s", 0), 2))
    stored = baselines.load(device.slug)
    assert stored is not None
    assert stored.entries[KEY].sessions[0].latency_s[0] == 2.0


def test_the_number_of_errors_is_told(refused: Callable[..., str], path: Path) -> None:
    raw = edited(path, (*SESSION, "stages"), {"steps_s": [], "other_s": 0, "vae_s": "x"})
    refused(raw, "stages.text_encoders_s", "first of 2 bad fields")
    one = edited(path, (*SESSION, "stages"), {"steps_s": [], "other_s": 0, "vae_s": 0})
    assert "bad fields" not in refused(one, "stages.text_encoders_s")


def test_what_was_found_is_cut_to_a_readable_length(refused: Callable[..., str], path: Path) -> None:
    message = refused(edited(path, (*SESSION, "peak_memory_bytes"), "x" * 10_000))
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[]", "the top level must be an object, found []"),
        (b'"text"', "the top level must be an object, found 'text'"),
        (b"null", "the top level must be an object, found None"),
        (b"{} {}", "not valid JSON"),
        (b"<<<<<<< HEAD\n{}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"schema_version": 1' + b"1" * 5000 + b"}", "not valid JSON"),
    ],
    ids=["empty", "blank", "utf16", "list", "string", "null", "two", "conflict", "deep", "huge number"],
)
def test_what_is_no_document_is_refused(refused: Callable[..., str], raw: bytes, found: str) -> None:
    refused(raw, found, *REMEDY)


def test_every_truncation_is_refused(baselines: Baselines, device: Device, path: Path) -> None:
    raw = path.read_bytes()
    for length in range(0, len(raw) - 2, 7):
        path.write_bytes(raw[:length])
        with pytest.raises(StoreError, match=r"empty|cut short"):
            baselines.load(device.slug)


def test_a_newer_schema_is_not_blamed_on_its_fields(refused: Callable[..., str], path: Path) -> None:
    document = {"schema_version": 99, "machine": {}, "latencies": []}
    message = refused(
        json.dumps(document).encode(),
        "field schema_version",
        "written by a newer perfsuite: schema 99, this one reads up to 3; upgrade perfsuite",
    )
    assert "machine" not in message
    assert "delete" not in message


def test_a_key_of_an_entry_that_is_there_twice(refused: Callable[..., str], path: Path) -> None:
    raw = path.read_bytes().replace(b'"warmup_steady"', b'"commit"', 1)
    refused(raw, f"entry {KEY!r}", "field sessions[0].commit", "the key 'commit' is there twice", *REMEDY)


def test_an_entry_that_is_there_twice(refused: Callable[..., str], path: Path) -> None:
    raw = path.read_bytes().replace(b'"shapes/fp16": {', b'"shapes/bf16": {', 1)
    refused(raw, f"entry {KEY!r}", "the key 'shapes/bf16' is there twice", *REMEDY)


def test_a_file_renamed_to_another_device(baselines: Baselines, path: Path) -> None:
    other = path.rename(path.with_name("cuda-other.json"))
    with pytest.raises(StoreError, match="'cuda-other', found 'cpu-example-4'") as caught:
        baselines.load("cuda-other")
    assert str(other) in str(caught.value)


def test_a_file_without_permission(
    baselines: Baselines, device: Device, make_result: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not chmod: the superuser reads everything.
    def deny(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", deny)
        with pytest.raises(StoreError, match=r"cannot be read \(Permission denied\); check its permissions"):
            baselines.update(device, [make_result("s2")], "append")
    assert path.read_bytes() == before


def test_a_folder_in_place_of_the_file(baselines: Baselines, device: Device) -> None:
    baselines.path(device.slug).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be read"):
        baselines.load(device.slug)


def test_a_file_in_place_of_the_folder(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.directory.write_text("not a folder")
    with pytest.raises(StoreError, match="folder cannot be created"):
        baselines.update(device, [make_result()], "new")
    assert baselines.directory.read_text() == "not a folder"
