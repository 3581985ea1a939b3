"""Files of one processor: its former name, and its other threads and instructions."""

from dataclasses import replace
from pathlib import Path

import pytest
from sessions import make_session

from perfsuite.records import Device, Result
from perfsuite.store import Baselines, StoreError

AVX512 = Device("cpu", "Example", "cpu-example-avx512-2t", 2, 2**33, {"instruction_set": "AVX512"})
AVX2 = replace(AVX512, slug="cpu-example-avx2-2t", details={"instruction_set": "AVX2"})
FORMER = replace(AVX512, slug="cpu-example-2t")


def _result(number: int, device: Device) -> Result:
    environment = {"instruction_set": device.details["instruction_set"], "threads": "2"}
    return Result("w", "v", "p", session=make_session(id=f"s{number}", environment=environment))


@pytest.fixture
def baselines(tmp_path: Path) -> Baselines:
    return Baselines(tmp_path)


def test_a_file_of_the_former_name_is_taken_over(baselines: Baselines) -> None:
    """Read as it is, and written under the new name with all that it held."""
    baselines.update(FORMER, [_result(1, FORMER)], "new")
    found = baselines.of(AVX512)
    assert found is not None
    assert len(found.entries["w/v"].sessions) == 1
    assert baselines.slugs() == ["cpu-example-2t"]
    baselines.update(AVX512, [_result(2, AVX512)], "append")
    assert baselines.slugs() == ["cpu-example-avx512-2t"]
    found = baselines.load("cpu-example-avx512-2t")
    assert found is not None
    assert [s.id for s in found.entries["w/v"].sessions] == ["s1", "s2"]


def test_one_of_other_instructions_is_not(baselines: Baselines) -> None:
    baselines.update(FORMER, [_result(1, FORMER)], "new")
    assert baselines.of(AVX2) is None
    assert [f.device.slug for f in baselines.kin(AVX2)] == ["cpu-example-2t"]
    baselines.update(AVX2, [_result(2, AVX2)], "new")
    assert baselines.slugs() == ["cpu-example-2t", "cpu-example-avx2-2t"]


def test_kin_are_of_the_same_processor(baselines: Baselines) -> None:
    baselines.update(replace(AVX2, name="Another", slug="cpu-another-2t"), [_result(1, AVX2)], "new")
    assert baselines.kin(AVX512) == []


def test_append_refuses_other_instructions(baselines: Baselines) -> None:
    """Nothing is written, and the message names what differs."""
    baselines.update(AVX512, [_result(1, AVX512)], "new")
    before = baselines.path(AVX512.slug).read_bytes()
    with pytest.raises(StoreError, match="two environments do not mix: instruction_set AVX512 -> AVX2"):
        baselines.update(AVX512, [_result(2, AVX2)], "append")
    assert baselines.path(AVX512.slug).read_bytes() == before
