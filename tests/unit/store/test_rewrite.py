"""Rewriting a file of baselines: under its lock, in one step, or not at all."""

from collections.abc import Callable, Mapping

import pytest

from perfsuite.records import Device, Entry, Result
from perfsuite.store import BaselineFile, Baselines, StoreError
from perfsuite.store import baselines as module

Make = Callable[..., Result]


@pytest.fixture
def stored(baselines: Baselines, device: Device, make_result: Make) -> Baselines:
    baselines.update(device, [make_result("s1"), make_result("s2", "fp16")], "new")
    return baselines


def without_fp16(file: BaselineFile) -> Mapping[str, Entry]:
    return {key: entry for key, entry in file.entries.items() if entry.variant != "fp16"}


def test_what_is_left_is_returned_and_stored(stored: Baselines, device: Device) -> None:
    found = stored.rewrite(device.slug, without_fp16)
    assert found == stored.load(device.slug)
    assert found is not None
    assert list(found.entries) == ["shapes/bf16"]


def test_nothing_changed_is_nothing_written(
    stored: Baselines, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "write_atomic", lambda *a: pytest.fail("wrote"))
    assert stored.rewrite(device.slug, lambda file: file.entries) == stored.load(device.slug)


def test_nothing_left_is_no_file(stored: Baselines, device: Device) -> None:
    assert stored.rewrite(device.slug, lambda file: {}) is None
    assert not stored.path(device.slug).exists()


def test_no_file(baselines: Baselines, device: Device) -> None:
    assert baselines.rewrite(device.slug, lambda file: pytest.fail("asked")) is None


def test_it_holds_the_lock(stored: Baselines, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it decides, an update of another process would wait."""
    import filelock

    path = stored.path(device.slug)

    def change(file: BaselineFile) -> Mapping[str, Entry]:
        with pytest.raises(filelock.Timeout):
            filelock.FileLock(path.with_name(f".{path.name}.lock")).acquire(timeout=0)
        return without_fp16(file)

    assert stored.rewrite(device.slug, change) is not None


def test_a_bad_file_stays_as_it_is(stored: Baselines, device: Device) -> None:
    path = stored.path(device.slug)
    path.write_text("{")
    with pytest.raises(StoreError, match="not valid JSON"):
        stored.rewrite(device.slug, without_fp16)
    assert path.read_text() == "{"


def test_slugs(stored: Baselines, device: Device) -> None:
    """Neither the ladder's shape nor what is hidden is a device."""
    for name in ("ladder-shape.json", ".hidden.json", "notes.txt"):
        (stored.directory / name).write_text("{}")
    (stored.directory / "reference").mkdir()
    assert stored.slugs() == [device.slug]


def test_slugs_of_no_folder(baselines: Baselines) -> None:
    assert baselines.slugs() == []
