"""What an update stores, how it looks in the file, and that it reads back unchanged."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from perfsuite.records import ANCHOR, Device, Entry, Hot, Relative, Result, Session
from perfsuite.store import MAX_SESSIONS, BaselineFile, Baselines, Change, StoreError
from perfsuite.store.documents import parse
from perfsuite.store.errors import Place

Make = Callable[..., Result]
KEY = "shapes/bf16"


def ids(baselines: Baselines, device: Device, key: str = KEY) -> list[str]:
    stored = baselines.load(device.slug)
    assert stored is not None
    return [session.id for session in stored.entries[key].sessions]


def test_no_file_is_none(baselines: Baselines) -> None:
    assert baselines.load("cpu-example-4") is None


def test_what_is_stored_reads_back_equal(baselines: Baselines, device: Device, make_result: Make) -> None:
    result = make_result()
    assert baselines.update(device, [result], "new") == [Change(KEY, "recorded")]
    assert result.session is not None
    entry = Entry("shapes", "bf16", "shapes 64x64", (result.session,))
    assert baselines.load(device.slug) == BaselineFile(device, {KEY: entry})


def test_mappings_that_are_not_dicts_are_stored(
    baselines: Baselines, device: Device, make_result: Make
) -> None:
    frozen = replace(device, details=MappingProxyType({"isa": "avx512"}))
    baselines.update(frozen, [make_result()], "new")
    stored = baselines.load(device.slug)
    assert stored is not None
    assert stored.device == device


def test_never_writes_nothing(baselines: Baselines, device: Device, make_result: Make) -> None:
    assert baselines.update(device, [make_result()], "never") == []
    assert not baselines.directory.exists()


def test_results_without_session_are_ignored(baselines: Baselines, device: Device, make_result: Make) -> None:
    assert baselines.update(device, [make_result(None)], "reset") == []
    assert not baselines.directory.exists()


def test_an_unknown_mode_is_refused(baselines: Baselines, device: Device, make_result: Make) -> None:
    with pytest.raises(ValueError, match="'all' is none of never, new, append, reset"):
        baselines.update(device, [make_result()], "all")  # type: ignore[arg-type]


def test_new_keeps_what_is_there(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.update(device, [make_result("s1")], "new")
    before = baselines.path(device.slug).read_bytes()
    again = make_result("s2", protocol="another")
    assert baselines.update(replace(device, name="X"), [again], "new") == [Change(KEY, "kept")]
    assert baselines.path(device.slug).read_bytes() == before


def test_new_adds_the_entries_that_are_missing(
    baselines: Baselines, device: Device, make_result: Make
) -> None:
    baselines.update(device, [make_result("s1")], "new")
    changes = baselines.update(device, [make_result("s2"), make_result("s2", "fp16")], "new")
    assert changes == [Change(KEY, "kept"), Change("shapes/fp16", "recorded")]
    assert ids(baselines, device) == ["s1"]
    assert ids(baselines, device, "shapes/fp16") == ["s2"]


def test_append_adds_a_session(baselines: Baselines, device: Device, make_result: Make) -> None:
    assert baselines.update(device, [make_result("s1")], "append") == [Change(KEY, "recorded")]
    assert baselines.update(device, [make_result("s2")], "append") == [Change(KEY, "appended")]
    assert ids(baselines, device) == ["s1", "s2"]


def test_append_leaves_other_entries_alone(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.update(device, [make_result("s1"), make_result("s1", "fp16")], "new")
    baselines.update(device, [make_result("s2", "fp16")], "append")
    assert ids(baselines, device) == ["s1"]
    assert ids(baselines, device, "shapes/fp16") == ["s1", "s2"]


def test_a_session_is_not_stored_twice(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.update(device, [make_result("s1")], "new")
    assert baselines.update(device, [make_result("s1")], "append") == [Change(KEY, "kept")]
    assert baselines.update(device, [make_result("s2"), make_result("s2")], "append") == [
        Change(KEY, "appended")
    ]
    assert ids(baselines, device) == ["s1", "s2"]


def test_only_the_newest_session_keeps_its_profile(
    baselines: Baselines, device: Device, make_session: Callable[..., Session], make_result: Make
) -> None:
    """Else a file would be profiles for the most part."""
    for name in ("s1", "s2"):
        profiled = make_session(name, hot={"aten::mm": Hot(3, 0.5)})
        baselines.update(device, [make_result(profiled)], "append")
    stored = baselines.load(device.slug)
    assert stored is not None
    assert [dict(s.hot) for s in stored.entries[KEY].sessions] == [{}, {"aten::mm": Hot(3, 0.5)}]


def test_the_first_and_the_last_sessions_are_kept(
    baselines: Baselines, device: Device, make_result: Make
) -> None:
    many = [make_result(f"s{i}") for i in range(MAX_SESSIONS + 2)]
    baselines.update(device, many, "new")
    baselines.update(device, [make_result("last")], "append")
    kept = [*range(ANCHOR), *range(ANCHOR + 3, MAX_SESSIONS + 2)]
    assert ids(baselines, device) == [f"s{i}" for i in kept] + ["last"]


def test_reset_replaces_the_sessions(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.update(device, [make_result("s1"), make_result("s1", "fp16")], "new")
    changes = baselines.update(
        device, [make_result("s2", protocol="other"), make_result("s3", protocol="other")], "reset"
    )
    assert changes == [Change(KEY, "reset")]
    assert ids(baselines, device) == ["s2", "s3"]
    assert ids(baselines, device, "shapes/fp16") == ["s1"]
    stored = baselines.load(device.slug)
    assert stored is not None
    assert stored.entries[KEY].protocol == "other"


def test_append_refuses_another_protocol(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.update(device, [make_result("s1")], "new")
    path = baselines.path(device.slug)
    before = path.read_bytes()
    results = [make_result("s2", "fp16"), make_result("s2", protocol="shapes 96x96")]
    with pytest.raises(StoreError) as caught:
        baselines.update(device, results, "append")
    for part in (str(path), KEY, "protocol", "shapes 64x64", "shapes 96x96", "--perf-update=reset"):
        assert part in str(caught.value)
    assert path.read_bytes() == before


def test_the_device_becomes_the_newest(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.update(device, [make_result("s1")], "new")
    newer = replace(device, details={"driver": "2"})
    baselines.update(newer, [make_result("s2")], "append")
    stored = baselines.load(device.slug)
    assert stored is not None
    assert stored.device == newer


def test_the_file_reads_well(baselines: Baselines, device: Device, make_result: Make) -> None:
    baselines.update(device, [make_result("s1", "fp16"), make_result("s1")], "new")
    text = baselines.path(device.slug).read_text()
    lines = [line.strip() for line in text.splitlines()]
    assert lines.count('"latency_s": [0.1, 0.30000000000000004, 0.3333333333333333],') == 2
    assert lines.count('"warmup_s": [0.5, 0.25],') == 2
    assert lines.count('"steps_s": [0.02, 0.03],') == 2
    assert text.endswith("}\n")

    def check(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert [k for k, _ in pairs] == sorted(k for k, _ in pairs)
        return dict(pairs)

    document = json.loads(text, object_pairs_hook=check)
    assert list(document["entries"]) == ["shapes/bf16", "shapes/fp16"]
    assert document["schema_version"] == 3


def test_a_file_of_before_is_read_as_ever(
    baselines: Baselines, device: Device, make_session: Callable[..., Session], make_result: Make
) -> None:
    """One of schema 1 knows of no disturbed sessions, and so all have a weight; the next update writes 2."""
    known = make_session("s1", relative=Relative("fp32", (0.5, 0.6)))
    baselines.update(device, [make_result(known)], "new")
    path = baselines.path(device.slug)
    document = json.loads(path.read_text())
    (session,) = document["entries"][KEY]["sessions"]
    for name in ("unfit", "contended_s"):
        del session[name]
    for name in ("reference_s", "fixed_work_s", "contended"):
        del session["relative"][name]
    path.write_text(json.dumps({**document, "schema_version": 1}))

    stored = baselines.load(device.slug)

    assert stored is not None
    assert stored.entries[KEY].sessions == (known,)
    disturbed = make_session("s2", unfit="disturbed", contended_s=(0.4,))
    baselines.update(device, [make_result(disturbed)], "append")
    assert json.loads(path.read_text())["schema_version"] == 3
    stored = baselines.load(device.slug)
    assert stored is not None
    assert stored.entries[KEY].sessions == (known, disturbed)


def test_a_reader_of_before_refuses_what_it_would_give_a_weight(
    baselines: Baselines, device: Device, make_session: Callable[..., Session], make_result: Make
) -> None:
    """It says to upgrade, and does not blame a field."""
    baselines.update(device, [make_result(make_session("s1", unfit="disturbed"))], "new")
    path = baselines.path(device.slug)
    with pytest.raises(StoreError, match="newer perfsuite: schema 3, this one reads up to 1; upgrade"):
        parse(BaselineFile, path.read_bytes(), Place(path, "restore it"), 1)


def test_new_adds_to_an_entry_of_unfit_sessions_alone(
    baselines: Baselines, device: Device, make_session: Callable[..., Session], make_result: Make
) -> None:
    baselines.update(device, [make_result(make_session("s1", unfit="disturbed"))], "new")
    assert baselines.update(device, [make_result("s2")], "new") == [Change(KEY, "appended")]
    assert baselines.update(device, [make_result("s3")], "new") == [Change(KEY, "kept")]
    assert ids(baselines, device) == ["s1", "s2"]


def test_one_more_session_adds_lines_and_changes_none(
    baselines: Baselines, device: Device, make_result: Make
) -> None:
    path = baselines.path(device.slug)
    baselines.update(device, [make_result("s1")], "new")
    before = path.read_text().splitlines()
    baselines.update(device, [make_result("s2")], "append")
    after = path.read_text().splitlines()
    # The end of the last session in the list gains a comma; nothing else differs.
    gone = [line for line in before if line not in after]
    assert gone == []
    assert len(after) > len(before)


def test_others_may_read_the_file(baselines: Baselines, device: Device, make_result: Make) -> None:
    before = os.umask(0o022)
    try:
        baselines.update(device, [make_result()], "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(baselines.path(device.slug).stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"latency_s": (0.1, float("nan"))}, "sessions[0].latency_s[1]"),
        ({"latency_s": ()}, "sessions[0].latency_s"),
        ({"conditions": {"load": float("inf")}}, "sessions[0].conditions.load"),
        ({"versions": {"torch": None}}, "sessions[0].versions.torch"),
    ],
)
def test_what_could_not_be_read_is_not_written(
    baselines: Baselines,
    device: Device,
    make_result: Make,
    make_session: Callable[..., Session],
    changes: dict[str, object],
    field: str,
) -> None:
    baselines.update(device, [make_result("s1")], "new")
    before = baselines.path(device.slug).read_bytes()
    bad = make_result(make_session("s2", **changes))
    with pytest.raises(StoreError) as caught:
        baselines.update(device, [bad], "reset")
    for part in (str(baselines.path(device.slug)), KEY, field, "nothing was written"):
        assert part in str(caught.value)
    assert baselines.path(device.slug).read_bytes() == before


def test_a_type_that_json_does_not_know_is_named(
    baselines: Baselines, device: Device, make_result: Make, make_session: Callable[..., Session]
) -> None:
    bad = make_result(make_session("s2", conditions={"load": object()}))
    with pytest.raises(StoreError, match="object is not a type that JSON knows"):
        baselines.update(device, [bad], "new")
    assert not baselines.path(device.slug).exists()


@pytest.mark.parametrize("slug", ["", "../x", "a/b", "a\\b", ".hidden"])
def test_a_slug_is_a_file_name(baselines: Baselines, slug: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a baseline file"):
        baselines.path(slug)


def test_a_slug_may_hold_dots(
    baselines: Baselines, device: Device, make_result: Make, tmp_path: Path
) -> None:
    dotted = replace(device, slug="cpu-2.5ghz")
    baselines.update(dotted, [make_result()], "new")
    assert baselines.path("cpu-2.5ghz") == tmp_path / "baselines" / "cpu-2.5ghz.json"
    assert ids(baselines, dotted) == ["s1"]
