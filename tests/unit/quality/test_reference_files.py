"""What a stored reference's key depends on, and how many are kept."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest

import perfsuite
from perfsuite.device import versions
from perfsuite.pipelines import models, variants, workloads
from perfsuite.pipelines.families import FAMILIES
from perfsuite.pipelines.optimizations import adapters, tiny
from perfsuite.quality import reference_files
from perfsuite.quality.reference_files import (
    KEPT,
    OWN_SOURCES,
    content_key,
)
from perfsuite.records import Device, Workload

CPU = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**30, {"instruction_set": "AVX2"})
WORKLOAD = replace(workloads.SHAPES, prompts=("a red ring", "a blue cross"), steps=3)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder that looks like saved weights."""
    folder = tmp_path / "weights"
    for component in ("unet", "vae", "text_encoder", "text_encoder_2"):
        (folder / component).mkdir(parents=True)
        (folder / component / "model.safetensors").write_bytes(b"\0" * 100)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    return folder


def test_key_is_the_same_for_the_same(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is in the environment, and wherever the clock is."""
    before = content_key(WORKLOAD, CPU, str(weights))
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    os.utime(weights / "unet" / "model.safetensors", (0, 0))
    assert content_key(replace(WORKLOAD), replace(CPU), str(weights)) == before


def test_key_changes_with_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their content at the same size, a file more, a file renamed, another folder with other files."""
    path = weights / "unet" / "model.safetensors"
    keys = [content_key(WORKLOAD, CPU, str(weights))]
    path.write_bytes(b"\0" * 99 + b"\1")
    keys.append(content_key(WORKLOAD, CPU, str(weights)))
    (weights / "unet" / "more.json").write_text("{}")
    keys.append(content_key(WORKLOAD, CPU, str(weights)))
    path.rename(path.with_name("renamed.safetensors"))
    keys.append(content_key(WORKLOAD, CPU, str(weights)))
    keys.append(content_key(WORKLOAD, CPU, "auto"))
    assert len(set(keys)) == len(keys)


def test_key_of_large_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not read whole: their size and time of change tell."""
    monkeypatch.setattr("perfsuite.pipelines.models.sources.SMALL_BYTES", 10)
    path = weights / "unet" / "model.safetensors"
    keys = [content_key(WORKLOAD, CPU, str(weights))]
    os.utime(path, (0, 0))
    keys.append(content_key(WORKLOAD, CPU, str(weights)))
    path.write_bytes(b"\0" * 101)
    os.utime(path, (0, 0))
    keys.append(content_key(WORKLOAD, CPU, str(weights)))
    assert len(set(keys)) == 3


def test_key_of_weights_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the revision that is in the local cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("perfsuite.pipelines.models.sources._unreachable", lambda hub: None)
    models.resolve.cache_clear()
    keys = [content_key(workloads.SDXL_BASE, CPU, "hub")]
    refs = tmp_path / "models--stabilityai--stable-diffusion-xl-base-1.0" / "refs"
    refs.mkdir(parents=True)
    for revision in ("1234", "5678\n"):
        (refs / "main").write_text(revision)
        keys.append(content_key(workloads.SDXL_BASE, CPU, "hub"))
    assert len(set(keys)) == 3
    (refs / "main").write_text("5678")
    assert content_key(workloads.SDXL_BASE, CPU, "hub") == keys[-1]
    models.resolve.cache_clear()


@pytest.mark.parametrize(
    ("workload", "device"),
    [
        (replace(WORKLOAD, steps=4), CPU),
        (replace(WORKLOAD, seed=1), CPU),
        (replace(WORKLOAD, guidance=5.5), CPU),
        (replace(WORKLOAD, prompts=WORKLOAD.prompts[::-1]), CPU),
        (WORKLOAD, replace(CPU, count=1)),
        (WORKLOAD, replace(CPU, name="Other CPU")),
        (WORKLOAD, replace(CPU, kind="cuda")),
        (WORKLOAD, replace(CPU, details={"instruction_set": "AVX512"})),
    ],
)
def test_key_changes_with_workload_and_device(workload: Workload, device: Device, weights: Path) -> None:
    """Float32 rounds differently with another number of threads."""
    assert content_key(workload, device, str(weights)) != content_key(WORKLOAD, CPU, str(weights))


@pytest.mark.parametrize("name", ["fp32+lcm:4", "fp32+lora", "fp32+tiny-vae"])
def test_key_changes_with_what_techniques_load(
    name: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another adapter under the same name, and other weights of a tiny decoder."""
    loaded = tmp_path / "loaded"
    loaded.mkdir()
    file = loaded / "model.safetensors"
    file.write_bytes(b"one")
    for adapter in ("lcm-lora", "lora-a"):
        monkeypatch.setitem(adapters.ADAPTERS, (adapter, "shapes"), file)
    monkeypatch.setitem(tiny.DECODERS, "shapes", loaded)
    base = variants.get(name)
    before = content_key(WORKLOAD, CPU, str(weights), base)
    assert content_key(WORKLOAD, CPU, str(weights), base) == before
    plain = content_key(WORKLOAD, CPU, str(weights))
    file.write_bytes(b"two")
    assert content_key(WORKLOAD, CPU, str(weights), base) != before
    assert content_key(WORKLOAD, CPU, str(weights)) == plain


def test_key_changes_with_the_code_of_a_registered_technique(weights: Path, tmp_path: Path) -> None:
    """Their files are no folder of ours; of the suite's own all are looked at."""
    source = tmp_path / "mine.py"
    source.write_text("def apply(pipe, context):\n    pass\n")
    found: dict[str, Any] = {}
    exec(compile(source.read_text(), str(source), "exec"), found)
    mine = replace(variants.get("fp32+lora").optimizations[-1], name="mine", apply=found["apply"])
    base = replace(variants.REFERENCE, optimizations=(*variants.REFERENCE.optimizations, mine))
    before = content_key(WORKLOAD, CPU, str(weights), base)
    source.write_text("def apply(pipe, context):\n    pipe.other()\n")
    assert content_key(WORKLOAD, CPU, str(weights), base) != before


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_code_of_each_familys_pipeline_is_looked_at(name: str) -> None:
    folder = reference_files._pipeline_folder(FAMILIES[name])
    assert (Path(diffusers.__file__).parent / folder).is_dir()
    assert folder.startswith("pipelines/")


def test_key_changes_with_versions(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any package."""
    before = content_key(WORKLOAD, CPU, str(weights))
    now = {**versions(), "torch": "99.0"}
    monkeypatch.setattr(reference_files, "versions", lambda: now)
    assert content_key(WORKLOAD, CPU, str(weights)) != before


@pytest.mark.parametrize(
    "name", ["MKL_CBWR", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "NVIDIA_TF32_OVERRIDE"]
)
def test_key_changes_with_the_environment(name: str, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a variable that makes libraries compute differently: by its being there, and by its value."""
    monkeypatch.delenv(name, raising=False)
    keys = [content_key(WORKLOAD, CPU, str(weights))]
    for value in ("A", "B"):
        monkeypatch.setenv(name, value)
        keys.append(content_key(WORKLOAD, CPU, str(weights)))
    assert len(set(keys)) == 3


def test_key_changes_with_the_suites_own_code(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit in a checkout does not change its version."""
    package = tmp_path / "perfsuite"
    (package / "quality").mkdir(parents=True)
    source = package / "quality" / "trace.py"
    source.write_text("one = 1\n")
    monkeypatch.setattr("perfsuite.__file__", str(package / "__init__.py"))
    keys = [content_key(WORKLOAD, CPU, str(weights))]
    (package / "report.py").write_text("not looked at\n")
    keys.append(content_key(WORKLOAD, CPU, str(weights)))
    source.write_text("one = 11\n")
    keys.append(content_key(WORKLOAD, CPU, str(weights)))
    assert keys[0] == keys[1] != keys[2]


def test_every_part_of_the_suite_that_the_key_reads_is_there() -> None:
    """One that was moved would be left out without a word."""
    package = Path(str(perfsuite.__file__)).parent
    assert [part for part in OWN_SOURCES if not (package / part).exists()] == []


def test_newest_are_kept(tmp_path: Path) -> None:
    """The one just stored whatever its time, and the newest others; no file, no other workload."""
    for i in range(KEPT + 3):
        for name in ("shapes", "shapes-large", "other"):
            folder = tmp_path / f"{name}-{i}"
            (folder / "modules").mkdir(parents=True)
            os.utime(folder, (1000 + i, 1000 + i))
    (tmp_path / "shapes-notes").write_text("a file")
    reference_files.prune(tmp_path / "shapes-0")
    left = {path.name for path in tmp_path.iterdir()}
    newest = [f"shapes-{i}" for i in range(KEPT + 3)][-(KEPT - 1) :]
    assert {n for n in left if n.startswith("shapes-") and n[7:].isdigit()} == {"shapes-0", *newest}
    assert len([n for n in left if n.startswith(("shapes-large-", "other-"))]) == 2 * (KEPT + 3)
    assert "shapes-notes" in left


def test_few_are_all_kept(tmp_path: Path) -> None:
    """Up to the number, nothing is deleted."""
    for i in range(KEPT):
        (tmp_path / f"shapes-{i}").mkdir()
    reference_files.prune(tmp_path / "shapes-0")
    assert len(list(tmp_path.iterdir())) == KEPT
