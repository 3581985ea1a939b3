"""What the process holds, to the byte where the C library tells."""

import ctypes
import gc
import os
import threading

import numpy as np
import pytest

from perfsuite.device import held
from perfsuite.device.held import Held, base_bytes, device_bytes, held_bytes, is_exact, resident_bytes, trim

KEPT = 3_000_000


@pytest.mark.skipif(not is_exact(), reason="a C library that does not count what it has given out")
@pytest.mark.parametrize("make", [bytearray, lambda size: np.zeros(size, dtype=np.uint8)])
def test_what_is_kept_is_counted(make: type[bytearray]) -> None:
    """Also what was never written to, which the resident set does not hold."""
    before = held_bytes()
    kept = make(KEPT)
    assert held_bytes() - before == pytest.approx(len(kept), rel=0.05)
    del kept
    assert abs(held_bytes() - before) < 0.05 * KEPT


@pytest.mark.skipif(not is_exact(), reason="a C library that does not count what it has given out")
def test_small_objects_are_counted_by_their_number() -> None:
    before = held_bytes()
    kept = [object() for _ in range(100_000)]
    assert held_bytes() - before >= 100_000 * held.BLOCK_BYTES
    assert kept


def test_without_a_count_it_is_the_resident_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_mallinfo", lambda: None)
    assert not is_exact()
    assert held_bytes() == pytest.approx(resident_bytes(), rel=0.05)


def test_another_allocator_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """glibc's own count says nothing of it."""
    from perfsuite.device import environment

    monkeypatch.setattr(environment, "allocator", lambda: "libjemalloc")
    held._mallinfo.cache_clear()
    try:
        assert not is_exact()
    finally:
        held._mallinfo.cache_clear()


def test_it_is_looked_at_before_each_call_and_after_the_last() -> None:
    gc.collect()  # what other tests left is not this watch's
    watch, kept = Held("cpu"), []
    for _ in range(4):
        watch.mark()
        kept.append(bytearray(KEPT))
    found = watch.finish(7)
    assert len(found.held_bytes) == len(found.resident_bytes) == 5
    assert found.base_bytes == 7
    assert found.device_bytes == ()
    if is_exact():
        steps = np.diff(found.held_bytes)
        assert steps == pytest.approx([KEPT] * 4, rel=0.05)
        assert found.collected_bytes >= found.held_bytes[0] + 3.9 * KEPT


def test_threads_and_open_files_are_counted_beside_it() -> None:
    watch, kept, halt = Held("cpu"), [], threading.Event()
    for _ in range(3):
        watch.mark()
        kept.append(open(os.devnull))
        threading.Thread(target=halt.wait, daemon=True).start()
    found = watch.finish(0)
    halt.set()
    if found.files[0]:
        assert list(np.diff(found.files)) == [1, 1, 1]
        assert found.files_collected == found.files[-1]
    assert list(np.diff(found.threads)) == [1, 1, 1]
    for file in kept:
        file.close()


def test_a_cpu_has_no_device_memory() -> None:
    assert device_bytes("cpu") == 0
    assert base_bytes("cpu") == pytest.approx(resident_bytes(), rel=0.05)


def test_what_is_free_goes_back() -> None:
    """In many small pieces it stays with the C library until then."""
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("a C library that keeps what is free")
    pieces = [ctypes.create_string_buffer(60_000) for _ in range(2_000)]
    for piece in pieces:
        ctypes.memset(piece, 1, len(piece))
    last = ctypes.create_string_buffer(60_000)
    full = resident_bytes()
    del pieces, piece
    trim()
    assert full - resident_bytes() > 60_000_000
    assert last
