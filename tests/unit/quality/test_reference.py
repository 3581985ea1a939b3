"""A reference belongs to its pipeline, is read back as it was stored, and is never a damaged one."""

import gc
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokens import words

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.technique import Context
from perfsuite.pipelines.variants import REFERENCE
from perfsuite.quality import reference as under_test
from perfsuite.quality import reference_files
from perfsuite.quality.generation import PromptError, Trace
from perfsuite.quality.metrics import ssim
from perfsuite.quality.modules import ModuleRecord
from perfsuite.quality.reference import (
    Reference,
    keep,
    load_reference,
    precisions_of,
    record_reference,
    twins,
)
from perfsuite.quality.reference_files import (
    FORMAT,
    WrongReferenceError,
    Yardstick,
)
from perfsuite.quality.relative_errors import Errors, Place, QualityError
from perfsuite.records import Device, Workload

Picture = NDArray[np.float32]
CPU = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**30, {"instruction_set": "AVX2"})
WORKLOAD = replace(workloads.SHAPES, prompts=("a red ring", "a blue cross"), steps=3)
UNET, LOOP = Place("unet", "", 0, 2), Place("loop", "latents of the real run", 1, 0)
HONEST = Yardstick({"components": {UNET: 0.1 + 0.2}, "free": {LOOP: 1e-9}}, (0.9991, 1 / 3))
FLOAT32_PICTURES = [np.full((64, 64, 3), 0.5, np.float32), np.full((64, 64, 3), 0.25, np.float32)]
"""What pipelines that stand for real ones draw."""
STRUCTURES = {"unet": {"in_channels": 4, "down_block_types": ["A", "B"]}, "vae": {"latent_channels": 4}}


def make_trace(picture: Picture, number: int = 0) -> Trace:
    generator = torch.Generator().manual_seed(number)
    sizes = {"samples": (3, 2, 4, 2, 2), "noise": (3, 2, 4, 2, 2), "latents": (3, 1, 4, 2, 2),
             "timesteps": (3,), "embeds": (2, 5, 6)}  # fmt: skip
    tensors = {name: torch.randn(size, generator=generator) for name, size in sizes.items()}
    tensors["text_encoder.tokens"] = torch.tensor([[number, 1, 2]])
    tensors["rows"] = torch.full((3,), 2)
    # As an expanded view: in a file it has to be of its own.
    tensors["time_ids"] = torch.tensor([[1.0, 2.0]]).expand(2, 2)
    return Trace(tensors, picture)


@pytest.fixture
def traces(picture: Picture) -> list[Trace]:
    """One a prompt; the pictures differ."""
    return [make_trace(picture), make_trace(picture[::-1].copy(), 1)]


@pytest.fixture
def stored(tmp_path: Path, traces: list[Trace]) -> Path:
    """The folder of a reference with two modules and the yardstick of bf16."""
    folder = tmp_path / "shapes-0123"
    (folder / "modules").mkdir(parents=True)
    records = [
        ModuleRecord(Place("unet", "conv_in", 0, 1), "00000.safetensors", "Conv2d"),
        ModuleRecord(Place("vae", "decoder.conv_out"), "00001.safetensors", "Conv2d"),
    ]
    for entry in records:
        (folder / "modules" / entry.file).write_bytes(b"read when it is needed")
    reference_files.save(folder, WORKLOAD, traces, records, STRUCTURES, [t.picture for t in traces])
    reference_files.write_yardstick(folder / "modules", "bf16", HONEST)
    return folder


# -- stored and read ----------------------------------------------------------------------------


def test_stored_reference_is_read_back(stored: Path, traces: list[Trace]) -> None:
    """To the last bit: pictures, tensors, places, architecture, and the honest errors."""
    found = load_reference(stored, WORKLOAD, CPU, "elsewhere")
    assert (found.workload, found.device, found.weights) == (WORKLOAD, CPU, "elsewhere")
    assert (found.folder, found.structure) == (stored / "modules", STRUCTURES)
    for trace, picture, wanted in zip(found.traces, found.pictures, traces, strict=True):
        assert trace.tensors.keys() == wanted.tensors.keys()
        for name, tensor in wanted.tensors.items():
            assert trace[name].dtype is tensor.dtype
            assert torch.equal(trace[name], tensor), name
        assert trace.steps == 3
        assert picture is trace.picture
        assert picture.dtype == np.float32
        assert np.array_equal(picture, wanted.picture)
    assert [(r.place, r.file, r.kind) for r in found.modules] == [
        (Place("unet", "conv_in", 0, 1), "00000.safetensors", "Conv2d"),
        (Place("vae", "decoder.conv_out"), "00001.safetensors", "Conv2d"),
    ]
    assert found.yardsticks == {"bf16": HONEST}


def test_infinite_honest_error_is_read_back(stored: Path) -> None:
    """Of a float16 VAE that overflows by itself."""
    overflowing = Yardstick({"components": {UNET: float("inf")}}, (-1.0, 0.5))
    reference_files.write_yardstick(stored / "modules", "fp16", overflowing)
    assert load_reference(stored, WORKLOAD, CPU).yardsticks == {"bf16": HONEST, "fp16": overflowing}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop(path: Path, *names: str) -> None:
    """Take entries out of a file that stays readable."""
    if path.suffix == ".json":
        document = {k: v for k, v in json.loads(path.read_text()).items() if k not in names}
        path.write_text(json.dumps(document))
        return
    from safetensors.torch import load_file, save_file

    save_file({k: v for k, v in load_file(path).items() if k not in names}, path)


def put(path: Path, name: str, value: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))


def shorten(path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    save_file({**tensors, "latents": tensors["latents"][:2].contiguous()}, path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("reference.json", lambda path: path.unlink()),
        ("reference.json", lambda path: path.write_bytes(b"")),
        ("reference.json", lambda path: path.write_bytes(b"\xff\xfe{}")),
        ("reference.json", lambda path: path.write_text("[]")),
        ("reference.json", cut),
        ("reference.json", lambda path: drop(path, "format")),
        ("reference.json", lambda path: drop(path, "workload")),
        ("reference.json", lambda path: drop(path, "modules")),
        ("reference.json", lambda path: drop(path, "structure")),
        ("reference.json", lambda path: put(path, "workload", {"name": "shapes"})),
        ("reference.json", lambda path: put(path, "modules", [["unet", "00000.safetensors"]])),
        ("reference.json", lambda path: put(path, "modules", [["unet||0|", "00002.safetensors"]])),
        ("trace-0.safetensors", lambda path: path.unlink()),
        ("trace-0.safetensors", lambda path: path.write_bytes(b"")),
        ("trace-1.safetensors", cut),
        ("trace-1.safetensors", lambda path: path.write_bytes(b"version https://git-lfs.github.com")),
        ("trace-1.safetensors", lambda path: drop(path, "picture")),
        ("trace-1.safetensors", lambda path: drop(path, "latents")),
        ("trace-1.safetensors", shorten),
        ("yardstick-bf16.json", lambda path: path.write_bytes(b"")),
        ("yardstick-bf16.json", cut),
        ("yardstick-bf16.json", lambda path: drop(path, "ssim")),
        ("yardstick-bf16.json", lambda path: put(path, "errors", {"components": [["unet", 0.1]]})),
        ("yardstick-bf16.json", lambda path: put(path, "errors", {"components": [["unet||0|", None]]})),
    ],
)
def test_damaged_file_is_named(stored: Path, name: str, damage: Callable[[Path], object]) -> None:
    """The file, and the folder to delete: never a bare traceback, never half a reference."""
    damage(stored / name)
    with pytest.raises(WrongReferenceError, match="the stored reference is damaged") as caught:
        load_reference(stored, WORKLOAD, CPU)
    assert str(caught.value).startswith(f"{stored / name}: ")
    assert str(caught.value).endswith(f"delete the folder {stored} and run again")


def test_missing_module_file_is_named(stored: Path) -> None:
    """At once, not after minutes of looking at the others."""
    (stored / "modules" / "00001.safetensors").unlink()
    with pytest.raises(WrongReferenceError, match=r"modules/00001\.safetensors is missing") as caught:
        load_reference(stored, WORKLOAD, CPU)
    assert str(caught.value).endswith(f"delete the folder {stored} and run again")


@pytest.mark.parametrize("number", [FORMAT + 1, str(FORMAT), None])
def test_other_format_is_refused(stored: Path, number: Any) -> None:
    """Of an older or newer perfsuite: what was found, what was wanted, what to do."""
    put(stored / "reference.json", "format", number)
    with pytest.raises(WrongReferenceError) as caught:
        load_reference(stored, WORKLOAD, CPU)
    wanted = f"{stored / 'reference.json'}: format {number!r}, wanted {FORMAT}; delete {stored}"
    assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 4), ("width", 256), ("guidance", 7.5), ("seed", 1), ("model", "sdxl-base"),
     ("name", "other"), ("prompts", ("a red ring", "a blue ring")), ("prompts", ("a red ring",))],
)  # fmt: skip
def test_reference_of_another_workload_is_refused(stored: Path, name: str, value: Any) -> None:
    """The file, the entry, and both values."""
    with pytest.raises(WrongReferenceError) as caught:
        load_reference(stored, replace(WORKLOAD, **{name: value}), CPU)
    said = str(caught.value)
    was = list(WORKLOAD.prompts) if name == "prompts" else getattr(WORKLOAD, name)
    now = list(value) if name == "prompts" else value
    assert said.startswith(f"{stored / 'reference.json'}: recorded with {name} {was!r}, wanted {now!r}")
    assert said.endswith(f"delete {stored}")


# -- the honest runs ----------------------------------------------------------------------------


def test_stored_yardstick_is_not_measured_again(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is, once, and is there when the reference is read next."""
    measured: list[str] = []

    def measure(reference: Reference, precision: str) -> Yardstick:
        measured.append(precision)
        return replace(HONEST, ssim=(0.5, 0.25))

    monkeypatch.setattr(under_test, "_measure_yardstick", measure)
    found = load_reference(stored, WORKLOAD, CPU)
    assert found.yardstick("bf16") == HONEST
    assert [found.yardstick("fp32").ssim for _ in range(2)] == [(0.5, 0.25)] * 2
    again = load_reference(stored, WORKLOAD, CPU)
    assert again.yardstick("fp32").ssim == (0.5, 0.25)
    assert measured == ["fp32"]
    assert sorted(path.name for path in stored.glob("yardstick*")) == [
        "yardstick-bf16.json", "yardstick-fp32.json",
    ]  # fmt: skip


def test_pictures_alone_have_no_yardstick(picture: Picture) -> None:
    """The message names the argument that was missing."""
    with pytest.raises(QualityError, match="record it with deep=True"):
        Reference(WORKLOAD, (picture,) * 2, device=CPU).yardstick("bf16")


def test_yardstick_is_the_larger_of_the_twins(
    traces: list[Trace], picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Place by place and prompt by prompt, since both are right; the pipelines are released."""
    errors: dict[str, Errors] = {
        "bf16": {UNET: 0.1, Place("vae"): 0.4}, "bf16-sdpa": {UNET: 0.3, Place("vae"): 0.2},
    }  # fmt: skip
    spoilt = np.full_like(picture, np.nan)
    drawn = {"bf16": [picture, spoilt], "bf16-sdpa": [picture[::-1], traces[1].picture]}
    built, released = standing(monkeypatch)
    monkeypatch.setattr(
        under_test, "look_deep", lambda pipe, context, reference: {"components": errors[pipe.name]}
    )
    monkeypatch.setattr(
        under_test, "run_freely", lambda pipe, context, traces: (drawn[pipe.name], [], {LOOP: 0.5})
    )
    witness = ({"components": {UNET: 0.2}}, 0.75)
    monkeypatch.setattr(under_test, "_measure_witness", lambda reference, precision: witness)
    monkeypatch.setattr(
        under_test,
        "_look_in_channels_last",
        lambda pipe, context, reference: {"components in channels_last": {UNET: 0.9}},
    )
    reference = Reference(WORKLOAD, (picture, traces[1].picture), tuple(traces), device=CPU)
    found = under_test._measure_yardstick(reference, "bf16")
    assert (found.witness, found.witness_ssim) == witness
    assert found.errors == {
        "components": {UNET: 0.3, Place("vae"): 0.4}, "free": {LOOP: 0.5},
        "components in channels_last": {UNET: 0.9},
    }  # fmt: skip
    assert found.ssim[0] == pytest.approx(ssim(picture[::-1], picture))
    assert found.ssim[1] == -1.0
    assert built == released == ["bf16", "bf16-sdpa"]
    drawn["fp32-sdpa"], errors["fp32-sdpa"] = [picture, picture], {UNET: 0.01}
    assert under_test._measure_yardstick(reference, "fp32").errors["components"] == {UNET: 0.01}
    assert built[2:] == ["fp32-sdpa"]


def test_twins_differ_in_attention_alone() -> None:
    """Both eager, one of them as diffusers has it."""
    for precision in ("fp32", "bf16", "fp16"):
        plain, sdpa = twins(precision)
        assert (plain.name, sdpa.name) == (precision, f"{precision}-sdpa")


def test_precisions_that_the_device_supports() -> None:
    """Each once, in a fixed order: float16 is emulated on a CPU."""
    chosen = [variants.get(name) for name in ("fp16", "bf16", "bf16-sdpa", "fp32", "fp16-sdpa")]
    assert precisions_of(chosen, CPU) == ["fp32", "bf16"]
    assert precisions_of(chosen, replace(CPU, details={"bfloat16": "emulated"})) == ["fp32"]
    cuda = replace(CPU, kind="cuda", details={"capability": "9.0"})
    assert precisions_of(chosen, cuda) == ["fp32", "bf16", "fp16"]
    assert precisions_of([], cuda) == []


# -- recording ----------------------------------------------------------------------------------


def standing(monkeypatch: pytest.MonkeyPatch, **entries: Any) -> tuple[list[str], list[str]]:
    """Stand-ins for building and releasing pipelines; returns what was built and released, by variant."""
    built: list[str] = []
    released: list[str] = []

    def prepare(workload: Workload, variant: Any, device: Device, weights: str, **options: Any) -> Any:
        built.append(variant.name)
        pipe = SimpleNamespace(name=variant.name, **entries)
        context = Context(workload, variant, device)
        return SimpleNamespace(pipe=pipe, context=context, pictures=lambda: entries["pictures"])

    monkeypatch.setattr(under_test, "prepare", prepare)
    monkeypatch.setattr(under_test, "release", lambda pipe, forget=True: released.append(pipe.name))
    return built, released


@pytest.fixture
def recording(traces: list[Trace], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """`record_reference` without a model; returns what was built and released."""
    monkeypatch.setattr(under_test, "record", lambda pipe, context, prompt: traces[prompt])

    def modules(pipe: Any, context: Context, traces: list[Trace], folder: Path) -> list[ModuleRecord]:
        folder.mkdir()
        (folder / "00000.safetensors").write_bytes(b"tensors")
        return [ModuleRecord(UNET, "00000.safetensors", "Linear")]

    monkeypatch.setattr(under_test, "record_modules", modules)
    monkeypatch.setattr(under_test, "structure_of", lambda pipe: STRUCTURES)
    monkeypatch.setattr(under_test, "content_key", lambda *key: "0123456789" * 7)
    monkeypatch.setattr(under_test, "_measure_yardstick", lambda reference, precision: HONEST)
    return standing(monkeypatch, pictures=FLOAT32_PICTURES, tokenizer=words(10))


def test_recorded_once_then_read(tmp_path: Path, recording: tuple[list[str], list[str]]) -> None:
    """A second run builds nothing, also none of the honest pipelines."""
    built, released = recording
    said: list[str] = []
    cache = tmp_path / "not" / "yet"
    for expected in (["fp32"], ["fp32"]):
        found = record_reference(WORKLOAD, CPU, precisions=["bf16"], cache=cache, progress=said.append)
        assert built == released == expected
        assert found.folder == cache / "shapes-01234567890123456789" / "modules"
        assert [r.place for r in found.modules] == [UNET]
        assert (found.structure, found.yardsticks) == (STRUCTURES, {"bf16": HONEST})
        assert len(found.pictures) == len(found.traces) == 2
    assert [path.name for path in cache.iterdir()] == ["shapes-01234567890123456789"]
    assert said == [
        "float32, prompt 1 of 2", "float32, prompt 2 of 2", "float32, modules", "honest bf16", "honest bf16",
    ]  # fmt: skip


def test_damaged_cache_is_an_error(tmp_path: Path, recording: tuple[list[str], list[str]]) -> None:
    """It is neither used nor silently replaced."""
    folder = record_reference(WORKLOAD, CPU, cache=tmp_path).folder
    assert folder is not None
    (folder.parent / "trace-1.safetensors").write_bytes(b"")
    with pytest.raises(WrongReferenceError, match="trace-1"):
        record_reference(WORKLOAD, CPU, cache=tmp_path)
    assert recording[0] == ["fp32"]


def test_another_process_was_faster(
    tmp_path: Path, recording: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it stored stays, and this one's is not left beside it."""
    first = record_reference(WORKLOAD, CPU, cache=tmp_path)
    assert first.folder is not None
    document = first.folder.parent / "reference.json"
    before = document.stat().st_mtime_ns
    found = under_test._record(WORKLOAD, CPU, "auto", first.folder.parent, lambda line: None, REFERENCE)
    assert found.folder == first.folder
    assert document.stat().st_mtime_ns == before
    assert list(tmp_path.iterdir()) == [first.folder.parent]


@pytest.mark.parametrize("step", ["record", "record_modules", "structure_of", "save"])
@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()], ids=repr)
def test_nothing_is_left_of_a_recording_that_failed(
    tmp_path: Path,
    recording: tuple[list[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
) -> None:
    """Neither a folder nor a pipeline in memory, also after Ctrl-C."""

    def fail(*arguments: Any) -> Any:
        raise error

    monkeypatch.setattr(under_test, step, fail)
    with pytest.raises(type(error)):
        record_reference(WORKLOAD, CPU, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert recording == (["fp32"], ["fp32"])


def test_float32_without_a_picture_is_no_reference(
    tmp_path: Path,
    recording: tuple[list[str], list[str]],
    traces: list[Trace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Named by its prompt; all that is compared with it would pass or fail for nothing."""
    black = replace(traces[1], picture=np.zeros_like(traces[1].picture))
    monkeypatch.setattr(under_test, "record", lambda pipe, context, prompt: (traces[0], black)[prompt])
    with pytest.raises(QualityError, match="float32 itself draws no picture of 'a blue cross'"):
        record_reference(WORKLOAD, CPU, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_temporary_folder_goes_with_the_reference(recording: tuple[list[str], list[str]]) -> None:
    """Without a cache nothing stays on the disk, and no yardstick is written there."""
    found = record_reference(WORKLOAD, CPU, precisions=["bf16"])
    folder = found.folder
    assert folder is not None
    assert sorted(path.name for path in folder.parent.iterdir()) == ["modules"]
    del found
    gc.collect()
    assert not folder.parent.exists()


def test_pictures_alone(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is stored, and prompts are checked all the same."""
    built, released = standing(monkeypatch, pictures=[picture, picture], tokenizer=words(10))
    found = record_reference(WORKLOAD, CPU, deep=False)
    assert (len(found.pictures), found.traces, found.folder) == (2, (), None)
    with pytest.raises(PromptError):
        record_reference(replace(WORKLOAD, prompts=("", "a")), CPU, deep=False)
    assert built == released == ["fp32", "fp32"]


APPROXIMATE = variants.get("fp32+deepcache:2")


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_an_approximate_run_is_held_against_float32(
    recording: tuple[list[str], list[str]], picture: Picture, deep: bool, given: bool
) -> None:
    """Its own pictures would say nothing of what it costs; they are drawn where nobody has them already."""
    others = (picture * 0.5, picture * 0.25)
    found = record_reference(
        WORKLOAD, CPU, deep=deep, base=APPROXIMATE, pictures=others if given else None
    )  # fmt: skip
    assert recording[0] == recording[1] == [*["fp32"] * (not given), *[APPROXIMATE.name] * deep]
    wanted = others if given else FLOAT32_PICTURES
    assert all(map(np.array_equal, found.pictures, wanted))
    assert found.base == APPROXIMATE


@pytest.mark.parametrize("cached", [False, True])
def test_another_process_holds_it_against_float32_too(
    recording: tuple[list[str], list[str]], tmp_path: Path, cached: bool
) -> None:
    """It reads the files alone, kept for it or stored by itself: they hold float32's pictures."""
    found = record_reference(WORKLOAD, CPU, base=APPROXIMATE, cache=tmp_path if cached else None)
    folder = keep(found)
    read = load_reference(folder, WORKLOAD, CPU, base=APPROXIMATE)
    for picture, trace, wanted in zip(read.pictures, read.traces, FLOAT32_PICTURES, strict=True):
        assert np.array_equal(picture, wanted)
        assert not np.array_equal(picture, trace.picture)
    drop(folder / "trace-1.safetensors", "compared")
    with pytest.raises(WrongReferenceError, match=r"trace-1.*KeyError: 'compared'"):
        load_reference(folder, WORKLOAD, CPU, base=APPROXIMATE)


def test_a_resampled_run_is_held_against_itself(recording: tuple[list[str], list[str]]) -> None:
    """It draws another picture of the same prompt, so float32's says nothing of it."""
    found = record_reference(WORKLOAD, CPU, base=variants.get("fp32+lcm:4"))
    assert recording[0] == ["fp32-lcm:4"]
    assert all(p is trace.picture for p, trace in zip(found.pictures, found.traces, strict=True))
