"""The artifact of compiled code: what was written is read, and anything else is refused with the reason."""

import json
import os
from pathlib import Path

import pytest

from perfsuite.store import StoreError
from perfsuite.store.compiled import read_compiled, write_compiled

MADE_FOR = {"torch": "2.13.0", "device": "cpu-example-4t"}
PARTS = (b"\x80newest" * 100, b"older\n\nwith lines")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "artifact"
    size = write_compiled(path, MADE_FOR, PARTS)
    assert size == path.stat().st_size > sum(map(len, PARTS))
    return path


def refusal(path: Path, made_for: dict[str, str] = MADE_FOR) -> str:
    with pytest.raises(StoreError) as caught:
        read_compiled(path, made_for)
    assert str(caught.value).startswith(str(path))
    assert "made anew from what this run compiles" in str(caught.value) or "newer perfsuite" in str(
        caught.value
    )
    return str(caught.value)


def test_what_was_written_is_read(artifact: Path) -> None:
    """Byte for byte, in order; nothing but the file is left in its folder."""
    assert read_compiled(artifact, MADE_FOR) == PARTS
    assert [p.name for p in artifact.parent.iterdir()] == ["artifact"]


def test_no_file_has_no_parts(tmp_path: Path) -> None:
    """The first run finds none."""
    assert read_compiled(tmp_path / "none", MADE_FOR) == ()


@pytest.mark.parametrize("kept", [0, 1, 40, -1, -len(PARTS[1]) - 1])
def test_a_file_that_was_cut_short_is_refused(artifact: Path, kept: int) -> None:
    """In the header, between the parts, one byte before the end."""
    artifact.write_bytes(artifact.read_bytes()[:kept])
    refusal(artifact)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\x80\x04\x95" * 999, b"{}\n", b'{"kind": "run"}\n', b"x" * 99999]
)
def test_what_is_no_artifact_is_refused(artifact: Path, content: bytes) -> None:
    """Random bytes, a bare pickle, another file of JSON lines."""
    artifact.write_bytes(content)
    refusal(artifact)


def test_one_flipped_bit_is_found(artifact: Path) -> None:
    """Of the first part, and of the last."""
    whole = artifact.read_bytes()
    for place, part in ((len(whole) - len(PARTS[1]) - 3, "parts[0]"), (len(whole) - 1, "parts[1]")):
        artifact.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert f"field {part}: damaged: its digest is another" in refusal(artifact)


def test_bytes_at_the_end_are_refused(artifact: Path) -> None:
    """They belong to no part."""
    with artifact.open("ab") as stream:
        stream.write(b"more")
    assert "damaged: " in refusal(artifact)


@pytest.mark.parametrize(
    ("made_for", "reason"),
    [
        ({**MADE_FOR, "torch": "2.14.0"}, "field made_for.torch: made for 2.13.0, this is 2.14.0"),
        ({**MADE_FOR, "device": "nvidia-a100"}, "made for cpu-example-4t, this is nvidia-a100"),
        ({**MADE_FOR, "triton": "3"}, "field made_for.triton: made for none, this is 3"),
        ({"torch": "2.13.0"}, "field made_for.device: made for cpu-example-4t, this is none"),
    ],
)
def test_an_artifact_of_elsewhere_is_refused(artifact: Path, made_for: dict[str, str], reason: str) -> None:
    """Another torch, another device, or something that one of the two does not know of."""
    assert reason in refusal(artifact, made_for)


def test_a_newer_format_is_named(artifact: Path) -> None:
    """Its fields are not blamed."""
    header, _, content = artifact.read_bytes().partition(b"\n")
    document = {**json.loads(header), "schema_version": 2, "compression": "zstd"}
    artifact.write_bytes(json.dumps(document).encode() + b"\n" + content)
    assert "written by a newer perfsuite: schema 2" in refusal(artifact)


def test_a_file_that_anybody_may_write_is_refused(artifact: Path) -> None:
    """Loading it runs what is in it."""
    artifact.chmod(0o666)
    assert "anybody may write it, and loading it would run code" in refusal(artifact)


def test_a_file_of_another_user_is_refused(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator's is not."""
    owner = artifact.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    if owner == 0:
        assert read_compiled(artifact, MADE_FOR) == PARTS
        real = os.fstat

        def other(number: int) -> os.stat_result:
            return os.stat_result((*real(number)[:4], 54321, *real(number)[5:]))

        monkeypatch.setattr(os, "fstat", other)
    assert "belongs to another user" in refusal(artifact)


def test_a_folder_is_no_artifact(tmp_path: Path) -> None:
    """Said as any other failure to read."""
    assert "cannot be read" in refusal(tmp_path)


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, with no rest beside it."""

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="No space left"):
        write_compiled(artifact, MADE_FOR, [b"new"])
    assert read_compiled(artifact, MADE_FOR) == PARTS
    assert [p.name for p in artifact.parent.iterdir()] == ["artifact"]
