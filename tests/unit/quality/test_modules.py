"""Modules are recorded as they were called, read back to the bit, and a fault shows at its own module."""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_pipeline import (
    INF,
    Block,
    Encoded,
    make_pipe,
    make_trace,
)

from perfsuite.pipelines.families import SDXL
from perfsuite.quality import modules
from perfsuite.quality.modules import ModuleRecord, read_record
from perfsuite.quality.relative_errors import Place, QualityError


def there_and_back(tree: Any) -> Any:
    """Through JSON, as in a file."""
    tensors: list[Any] = []
    packed = json.loads(json.dumps(modules._pack(tree, tensors)))
    return modules._unpack(packed, {f"input.{i}": t for i, t in enumerate(tensors)})


# -- arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tree",
    [
        None, True, False, 0, 1, -3, 0.1, 1e-300, INF, "", "text", (), [], {}, (1,), [1], ((), [], {}),
        {"args": (1, [2.5, None]), "kwargs": {"a": {"b": ("c",)}, "return_dict": False}},
        {"tensor": 1, "value": {"dict": []}, "tuple": (), "list": {"input.0": 2}},
    ],
    ids=repr,
)  # fmt: skip
def test_arguments_come_back(tree: Any) -> None:
    """Equal, and of equal types: True is not 1, and a list is no tuple."""
    found = there_and_back(tree)
    assert repr(found) == repr(tree)


def test_tensors_come_back_at_their_places() -> None:
    """Several in every container, the same one twice, integers too."""
    a, b, tokens = torch.ones(2), torch.zeros(3, 1), torch.tensor([1])
    found = there_and_back([a, (b, {"x": tokens, "again": a}), None])
    assert found[0] is a
    assert found[1][0] is b
    assert found[1][1]["x"] is tokens
    assert found[1][1]["again"] is a
    assert (type(found[1]), type(found[1][1])) == (tuple, dict)


@pytest.mark.parametrize(
    "leaf",
    [torch.tanh, torch.float32, {1, 2}, np.zeros(2), b"bytes", 1j, OrderedDict(a=1), Encoded(1, 2),
     torch.ones(2, 3).shape, {1: "a"}, object],
    ids=lambda leaf: type(leaf).__name__,
)  # fmt: skip
@pytest.mark.parametrize("wrap", [lambda leaf: leaf, lambda leaf: {"a": (1, [leaf])}], ids=["bare", "deep"])
def test_other_types_are_unknown(leaf: Any, wrap: Any) -> None:
    """Better not recorded than called with something else: also where it is a kind of tuple or dict."""
    with pytest.raises(modules._Unknown):
        modules._pack(wrap(leaf), [])


# -- which calls and modules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "prompts", "unet"),
    [
        (30, 4, [(0, 5), (3, 24)]),
        (30, 1, [(0, 5), (0, 24)]),
        (1, 1, [(0, 0)]),
        (1, 2, [(0, 0), (1, 0)]),
        (2, 1, [(0, 0), (0, 1)]),
    ],
)
def test_recorded_calls(steps: int, prompts: int, unet: list[tuple[int, int]]) -> None:
    """In the order of a generation: an early step of the first prompt, a late one of the last, none twice."""
    calls = modules.recorded_calls([make_trace(steps)] * prompts)
    assert [(c.prompt, c.step) for c in calls if c.component == "unet"] == unet
    assert list(dict.fromkeys(c.component for c in calls)) == list(SDXL.components)
    assert [(c.prompt, c.step) for c in calls if c.component != "unet"] == [(0, None)] * 3


def hooks(model: torch.nn.Module) -> int:
    return sum(len(m._forward_hooks) for m in model.modules())


def test_first_call_of_every_submodule_is_told() -> None:
    """As they complete, so inner ones first; the model itself, and what does nothing, are not told."""
    block, told = Block().eval(), []
    sample, embeds = torch.ones(1, 2, 6), torch.ones(1, 3, 6)
    model = torch.nn.ModuleDict({"block": block, "identity": torch.nn.Identity()})

    def run() -> None:
        block(model["identity"](sample), (embeds, 0.5), mask=None)
        block(2 * sample)

    modules._hooked(model, lambda *heard: told.append(heard), run)
    assert [name for name, *_ in told] == ["block.norm", "block.linear", "block"]
    _, args, kwargs, output = told[-1]
    assert args[0] is sample
    assert args[1] == (embeds, 0.5)
    assert kwargs == {"mask": None}
    assert torch.equal(output[0], block(sample, (embeds, 0.5))[0])
    assert hooks(model) == 0


def test_no_hook_stays_after_an_error() -> None:
    """The next run of the pipeline must not be listened to."""
    model = make_pipe().unet
    with pytest.raises(TypeError):
        modules._hooked(model, lambda *heard: None, model)
    assert hooks(model) == 0


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (100, ["a", "b", "a.x", "a.y", "b.x", "a.x.deep"]),
        (99, ["a", "b", "a.x", "a.y", "b.x"]),
        (79, ["a", "b", "a.x", "a.y"]),
        (50, ["b", "a.x", "a.y", "b.x"]),
        (35, ["b", "a.x", "a.y"]),
        (0, []),
    ],
)
def test_outer_modules_are_kept(limit: int, kept: list[str]) -> None:
    """Depth by depth while they fit three quarters; what is too large leaves its room to what it holds."""
    sizes = {"a.x.deep": 20, "a.x": 10, "a.y": 10, "a": 40, "b.x": 10, "b": 10}
    assert modules._affordable(sizes, limit, dict.fromkeys(sizes, "Linear")) == set(kept)


def test_of_each_class_some_are_kept() -> None:
    """Where the outer modules fill their share, the smallest of every class come in turn."""
    classes = {"a": "Block", "a.n1": "Norm", "a.n2": "Norm", "a.n3": "Norm", "a.f": "Linear", "a.g": "Linear"}
    sizes = {"a": 60, "a.n1": 8, "a.n2": 7, "a.n3": 7, "a.f": 9, "a.g": 30}
    assert modules._affordable(sizes, 80, classes) == {"a", "a.n2", "a.f"}


def test_sizes_count_inputs_and_outputs() -> None:
    """In bytes of their precision, and only of modules that ran."""
    model = torch.nn.ModuleDict({"ran": torch.nn.Linear(4, 2).bfloat16(), "idle": torch.nn.Linear(1, 1)})
    found = modules._sizes(model, lambda: model["ran"](torch.ones(3, 4, dtype=torch.bfloat16)))
    assert found == {"ran": 2 * (3 * 4 + 3 * 2)}


# -- files -------------------------------------------------------------------------------------------


def store(folder: Path, *args: Any, output: Any = None, kept: str = "x", **kwargs: Any) -> list[ModuleRecord]:
    """What is recorded of one call of a module named ``x``."""
    records: list[ModuleRecord] = []
    output = torch.ones(2) if output is None else output
    modules._store(modules._Call("unet", 1, 5), {kept: "Linear"}, folder, records, "x", args, kwargs, output)
    return records


def test_stored_call_is_read_back(tmp_path: Path) -> None:
    """Arguments at their places and every output, to the bit and in their own precision."""
    generator = torch.Generator().manual_seed(3)
    wide, half = torch.randn(2, 3, generator=generator), torch.randn(4, generator=generator).half()
    (entry,) = store(
        tmp_path, wide.T, (half, True), mask=None, ids=torch.tensor([7]), output=(half, {"more": [wide]})
    )
    assert entry == ModuleRecord(Place("unet", "x", 1, 5), "00000.safetensors", "Linear")
    (packed, values), outputs = read_record(tmp_path, entry)
    found = modules._unpack(packed, values)
    assert torch.equal(found["args"][0], wide.T)
    assert (found["args"][1][0].dtype, found["args"][1][1]) == (torch.float16, True)
    assert found["kwargs"]["mask"] is None
    assert found["kwargs"]["ids"].tolist() == [7]
    assert [t.dtype for t in outputs] == [torch.float16, torch.float32]
    assert torch.equal(outputs[0], half)
    assert torch.equal(outputs[1], wide)


def test_shared_memory_can_be_stored(tmp_path: Path) -> None:
    """One tensor in two places, a view and an expanded one: safetensors refuses what shares memory."""
    base = torch.arange(12.0).reshape(3, 4)
    (entry,) = store(tmp_path, base, base, base[1:], base[:, :1].expand(3, 4), output=(base, base))
    (packed, values), outputs = read_record(tmp_path, entry)
    args = modules._unpack(packed, values)["args"]
    assert [torch.equal(a, b) for a, b in zip(args[:3], (base, base, base[1:]), strict=True)] == [True] * 3
    assert args[3].tolist() == [[0.0] * 4, [4.0] * 4, [8.0] * 4]
    assert len(outputs) == 2


def test_files_are_numbered(tmp_path: Path) -> None:
    """None is written over another."""
    records: list[ModuleRecord] = []
    for i in range(3):
        call = modules._Call("vae", 0, None)
        modules._store(
            call, {"x": "Linear"}, tmp_path, records, "x", (torch.full((1,), float(i)),), {}, torch.ones(1)
        )
    found = [float(read_record(tmp_path, entry)[0][1]["input.0"]) for entry in records]
    assert found == [0.0, 1.0, 2.0]


def test_what_cannot_be_judged_is_not_stored(tmp_path: Path) -> None:
    """Unknown arguments, no floating input or output, and what the disk has no room for."""
    assert store(tmp_path, torch.ones(1), how=torch.tanh) == []
    assert store(tmp_path, torch.tensor([1, 2])) == []
    assert store(tmp_path, torch.ones(1), output=(torch.tensor([1]), None)) == []
    assert store(tmp_path, torch.ones(1), kept="y") == []
    assert list(tmp_path.iterdir()) == []


def foreign(path: Path, tensors: dict[str, Any], metadata: dict[str, str] | None) -> None:
    from safetensors.torch import save_file

    save_file(tensors, path, metadata)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1"),
        lambda path: path.write_bytes(path.read_bytes()[:7]),
        lambda path: path.write_bytes(path.read_bytes()[:60]),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: foreign(path, {"weight": torch.ones(2)}, None),
        lambda path: foreign(path, {"weight": torch.ones(2)}, {"format": "pt"}),
        lambda path: foreign(path, {"output.0": torch.ones(2)}, {"inputs": "{"}),
        lambda path: foreign(path, {"output.7": torch.ones(2)}, {"inputs": "{}"}),
    ],
    ids=["missing", "empty", "pointer", "cut-length", "cut-header", "cut-data", "no-metadata",
         "other-metadata", "no-json", "output-lost"],
)  # fmt: skip
def test_damaged_file_is_named(tmp_path: Path, damage: Any) -> None:
    """With the folder to delete, which is that of the whole reference."""
    folder = tmp_path / "reference" / "modules"
    folder.mkdir(parents=True)
    (entry,) = store(folder, torch.ones(64))
    damage(folder / entry.file)
    with pytest.raises(QualityError, match="the recorded module is damaged") as caught:
        read_record(folder, entry)
    assert str(caught.value).startswith(f"{folder / entry.file}: ")
    assert str(caught.value).endswith(f"delete the folder {folder.parent} and run again")
