"""A plan on disk is read as it was written, or refused: of another version, changed, or damaged."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planned import planned

from perfsuite import __version__
from perfsuite.fleet.planning.files import encode_plan, read_plan, write_plan
from perfsuite.fleet.planning.identity import identified
from perfsuite.records import Plan
from perfsuite.store import StoreError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    plan = planned(repeats=2, rungs=2, compile_cache="/code", options=("-x",))
    write_plan(tmp_path / "plan.json", plan)
    assert read_plan(tmp_path / "plan.json") == plan
    assert (tmp_path / "plan.json").read_bytes() == encode_plan(plan)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(encode_plan(planned()))
    change(document)
    return json.dumps(document).encode()


def renamed(plan: Plan, **fields: Any) -> bytes:
    """A plan whose first block says something else, with the id that fits."""
    first, *rest = plan.blocks
    return encode_plan(identified(replace(plan, blocks=(replace(first, **fields), *rest))))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            changed(lambda d: d.update(perfsuite="0.0.1", unheard_of=1)),
            f"field perfsuite: a plan of perfsuite 0.0.1, and this is {__version__}; run it with",
        ),
        (changed(lambda d: d.update(seed=7)), "field id: the plan was changed after it was made"),
        (changed(lambda d: d.update(schema_version=2)), "written by a newer perfsuite"),
        (changed(lambda d: d.update(kind="trial")), "field kind: Input should be 'plan'"),
        (changed(lambda d: d.pop("blocks")), "field blocks: Field required"),
        (changed(lambda d: d["blocks"][0].update(limit_s=-1)), "limit_s: Input should be greater than 0"),
        (encode_plan(planned())[:-40], "not valid JSON, or cut short"),
        (b"", "empty"),
        (b"[]", "the top level must be an object"),
        (renamed(planned(), environments=("x",)), r"field blocks\[0\]: there is no environment 'x'"),
        (renamed(planned(), device="x"), r"field blocks\[0\]: there is no device class 'x'"),
        (renamed(planned(), needs=("x",)), r"field blocks\[0\]: it waits for a block 'x' that is not there"),
        (renamed(planned(), id=planned().blocks[1].id), "field blocks: two blocks have one id"),
    ],
)  # fmt: skip
def test_what_is_no_plan_of_this_perfsuite(raw: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=said) as refused:
        read_plan(path)
    assert str(refused.value).startswith(str(path))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such file; name a plan, or make one: perfsuite plan"):
        read_plan(tmp_path / "plan.json")


def test_a_matrix_is_no_plan(tmp_path: Path) -> None:
    (tmp_path / "matrix.toml").write_text("work = []")
    with pytest.raises(StoreError, match=r"a matrix, .*: perfsuite plan \S+/matrix.toml --out plan.json"):
        read_plan(tmp_path / "matrix.toml")
