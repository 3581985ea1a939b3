"""Stored counts: by kind of device and minor version of torch, readable, never overwritten by accident."""

import json
from pathlib import Path
from typing import Any

import pytest
from counted import compiled, make_counts

from perfsuite.records import Counts, CountVerdict, Result, Status
from perfsuite.store import Change, CountsStore, StoreError
from perfsuite.store.counts import minor

KEY = "shapes/bf16"


@pytest.fixture
def store(tmp_path: Path) -> CountsStore:
    return CountsStore(tmp_path / "baselines", "cpu")


def result(counts: Counts | None, protocol: str = "p", variant: str = "bf16", judged: bool = True) -> Result:
    verdict = CountVerdict(Status.OK) if judged else None
    return Result("shapes", variant, protocol, counts=counts, counted=verdict)


MORE = make_counts(flop={"unet": 5})


def test_no_file_is_nothing(store: CountsStore) -> None:
    assert store.load() == {}


@pytest.mark.parametrize(
    "counts", [make_counts(), compiled(), make_counts(flop=None, absent={"flop": "why"})]
)
def test_what_is_stored_reads_back_equal(counts: Counts, store: CountsStore) -> None:
    assert store.update([result(counts)], "new", "2.13") == [Change(KEY, "recorded")]
    assert store.load()[KEY].counts == {"2.13": counts}
    assert store.path.name == "cpu.json"
    assert store.path.parent.name == "counts"


def test_one_count_is_one_line(store: CountsStore) -> None:
    """So that a diff shows what changed, and nothing else."""
    store.update([result(make_counts())], "new", "2.13")
    before = store.path.read_text().splitlines()
    operators = make_counts().operators
    assert operators is not None
    more = {**operators, "aten.addmm in BasicTransformerBlock": 121}
    store.update([result(make_counts(operators=more))], "reset", "2.13")
    after = store.path.read_text().splitlines()
    assert [line.strip() for line in after if line not in before] == [
        '"aten.addmm in BasicTransformerBlock": 121,'
    ]


@pytest.mark.parametrize("mode", ["new", "append"])
def test_stored_counts_are_replaced_by_reset_alone(mode: Any, store: CountsStore) -> None:
    store.update([result(make_counts())], "new", "2.13")
    before = store.path.read_bytes()
    assert store.update([result(MORE)], mode, "2.13") == [Change(KEY, "kept")]
    assert store.path.read_bytes() == before
    assert store.update([result(MORE)], "reset", "2.13") == [Change(KEY, "reset")]
    assert store.load()[KEY].counts == {"2.13": MORE}
    assert store.update([result(MORE)], "reset", "2.13") == [Change(KEY, "kept")]


@pytest.mark.parametrize("mode", ["new", "append", "reset"])
def test_another_minor_version_is_stored_beside(mode: Any, store: CountsStore) -> None:
    store.update([result(make_counts())], "new", "2.13")
    store.update([result(MORE), result(MORE, variant="fp32")], mode, "2.14")
    assert store.load()[KEY].counts == {"2.13": make_counts(), "2.14": MORE}
    assert store.load()["shapes/fp32"].counts == {"2.14": MORE}


def test_another_protocol_replaces_all_by_reset_alone(store: CountsStore) -> None:
    store.update([result(make_counts())], "new", "2.13")
    assert store.update([result(MORE, "q")], "new", "2.14") == [Change(KEY, "kept")]
    assert store.update([result(MORE, "q")], "reset", "2.14") == [Change(KEY, "reset")]
    entry = store.load()[KEY]
    assert (entry.protocol, dict(entry.counts)) == ("q", {"2.14": MORE})


@pytest.mark.parametrize(("counts", "judged"), [(None, True), (make_counts(), False)])
def test_what_was_not_judged_is_not_stored(counts: Counts | None, judged: bool, store: CountsStore) -> None:
    assert store.update([result(counts, judged=judged)], "reset", "2.13") == []
    assert not store.path.exists()


def test_never_writes_nothing(store: CountsStore) -> None:
    assert store.update([result(make_counts())], "never", "2.13") == []
    assert not store.path.exists()


def _damage(store: CountsStore, change: Any) -> None:
    store.update([result(make_counts())], "new", "2.13")
    document = json.loads(store.path.read_text())
    change(document)
    store.path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(device_kind="cuda"), "field device_kind: must be the name of the file, 'cpu'"),
        (lambda d: d.update(schema_version=9), "written by a newer perfsuite: schema 9"),
        (lambda d: d["entries"][KEY].update(variant="fp32"), "entry 'shapes/bf16', field workload, variant"),
        (lambda d: d["entries"][KEY].update(counts={}), "entry 'shapes/bf16', field counts"),
        (
            lambda d: d["entries"][KEY]["counts"]["2.13"]["flop"].update(unet=1.5),
            "field counts['2.13'].flop.unet: Input should be a valid integer",
        ),
        (
            lambda d: d["entries"][KEY]["counts"]["2.13"]["flop"].update(unet=-1),
            "field counts['2.13'].flop.unet: Input should be greater than or equal to 0",
        ),
        (lambda d: d["entries"][KEY]["counts"]["2.13"].update(joules={}), "field counts['2.13'].joules"),
    ],
)
def test_a_bad_file_is_named_with_its_place_and_stays(change: Any, said: str, store: CountsStore) -> None:
    _damage(store, change)
    before = store.path.read_bytes()
    with pytest.raises(StoreError) as caught:
        store.update([result(MORE)], "reset", "2.13")
    assert said in str(caught.value)
    assert str(store.path) in str(caught.value)
    remedy = "upgrade perfsuite" if "newer" in said else f"git checkout -- {store.path}"
    assert remedy in str(caught.value)
    assert store.path.read_bytes() == before


@pytest.mark.parametrize(
    ("version", "found"),
    [("2.13.0+cpu", "2.13"), ("2.14.0.dev20260101", "2.14"), ("2.14.0a0+gitabc", "2.14"), ("3", "3")],
)
def test_minor_version(version: str, found: str) -> None:
    assert minor(version) == found
