"""Which weights are taken, that it is said, and what is refused before anything is loaded."""

import json
import shutil
import struct

import pytest

from perfsuite.pipelines import models, workloads
from perfsuite.pipelines.models import checks, identity, shapes, sources
from perfsuite.pipelines.models.checks import WeightsError

SDXL = workloads.SDXL_BASE


@pytest.fixture(autouse=True)
def no_hub(monkeypatch, tmp_path):
    """An empty cache, and a hub that cannot be reached."""
    import huggingface_hub
    from huggingface_hub import constants

    def unreachable(*args, **options):
        raise ConnectionError("no route")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    models.resolve.cache_clear()
    yield
    models.resolve.cache_clear()


def stub(path, shapes):
    """A safetensors file of tensors without content, float16."""
    header = {n: {"dtype": "F16", "shape": list(s), "data_offsets": [0, 0]} for n, s in shapes.items()}
    raw = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)


def single_file(path):
    """A file of the original layout that counts as SDXL base."""
    counts = models.SOURCES["sdxl-base"].parameters
    stub(path, {f"{prefix}w": (counts[n],) for n, prefix in checks.SINGLE_FILE.items()})
    return path


def folder(root, variant="", **changed):
    """A folder in diffusers' layout whose headers count as SDXL base."""
    (root / "model_index.json").parent.mkdir(parents=True, exist_ok=True)
    (root / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    for component, count in {**models.SOURCES["sdxl-base"].parameters, **changed}.items():
        stub(root / component / f"model{variant}.safetensors", {"w": (count,), "position_ids": (1, 77)})
    return root


def test_auto_ends_at_random_without_a_network():
    """And says that, and why; the reason is no part of what latencies are compared by."""
    taken = models.resolve("sdxl-base", "auto")
    assert (taken.kind, taken.spec) == ("random", "random")
    assert "random" in taken.said
    assert "the hub cannot be reached (ConnectionError)" in taken.said
    assert (
        models.protocol(SDXL, "auto") == models.protocol(SDXL, "random") == SDXL.protocol + " weights random"
    )


def test_offline_mode_is_respected(monkeypatch):
    """Not a single request."""
    import huggingface_hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *a, **k: pytest.fail("a request"))
    assert "HF_HUB_OFFLINE is set" in models.resolve("sdxl-base", "auto").said
    with pytest.raises(
        WeightsError, match=r"not in the hub's cache, and HF_HUB_OFFLINE is set; connect once"
    ):
        models.resolve("sdxl-base", "hub")


def test_auto_takes_the_hub_where_it_answers(monkeypatch):
    """One request, with a limit."""
    import huggingface_hub

    asked = []
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url, timeout: asked.append(timeout))
    taken = models.resolve("sdxl-base", "auto")
    assert (taken.kind, taken.spec, taken.cached, asked) == ("hub", "hub", False, [sources.PROBE_S])


@pytest.mark.parametrize(("suffix", "spec"), [("", "hub"), (".fp16", "hub:fp16")])
def test_auto_takes_the_cache_before_the_network(tmp_path, suffix, spec):
    """Whole components only; the fp16 files where there are no others."""
    repository = tmp_path / "cache" / "models--stabilityai--stable-diffusion-xl-base-1.0"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    place = folder(repository / "snapshots" / "abc", suffix)
    taken = models.resolve("sdxl-base", "auto")
    assert (taken.kind, taken.spec, taken.cached) == ("hub", spec, True)
    assert "from the cache" in taken.said
    assert "@abc" in models.digest(SDXL, "auto")
    models.resolve.cache_clear()
    (place / "unet" / f"model{suffix}.safetensors").unlink()
    assert models.resolve("sdxl-base", "auto").kind == "random"


def test_shipped_weights_keep_their_protocol():
    """Baselines of the small model that are stored stay comparable; random ones are not."""
    assert models.protocol(workloads.SHAPES, "auto") == workloads.SHAPES.protocol
    assert models.protocol(workloads.SHAPES, "random") != workloads.SHAPES.protocol
    assert models.digest(workloads.SHAPES, "random") != models.digest(workloads.SHAPES, "auto")
    assert models.blind(workloads.SHAPES, "auto") is None
    assert "random weights" in models.blind(workloads.SHAPES, "random")
    assert models.reference_folder(workloads.SHAPES, "random") == "shapes-random"


def test_a_folder_is_known_by_its_content(tmp_path):
    """Wherever it lies."""
    one, copy = folder(tmp_path / "a"), folder(tmp_path / "b")
    assert models.protocol(SDXL, str(one)) == models.protocol(SDXL, str(copy))
    assert " weights folder " in models.protocol(SDXL, str(one))
    with (copy / "vae" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    identity.of_files.cache_clear()
    assert models.protocol(SDXL, str(one)) != models.protocol(SDXL, str(copy))


@pytest.mark.parametrize(
    ("file", "entry", "value"),
    [
        ("model_index.json", "scheduler", ["diffusers", "DDIMScheduler"]),
        ("scheduler/scheduler_config.json", "timestep_spacing", "trailing"),
        ("unet/config.json", "attention_head_dim", [8, 8, 8]),
        ("vae/config.json", "scaling_factor", 0.18215),
        ("tokenizer_2/tokenizer_config.json", "pad_token", "another"),
        ("text_encoder/config.json", "hidden_act", "another"),
    ],
)
def test_a_folder_is_known_by_its_configuration_too(tmp_path, file, entry, value):
    """Another scheduler or head count is another model, whose latencies are not comparable."""
    one, other = (shutil.copytree(shapes.WEIGHTS, tmp_path / name) for name in ("one", "other"))
    path = other / file
    settings = json.loads(path.read_text())
    assert settings[entry] != value
    path.write_text(json.dumps({**settings, entry: value}))
    assert models.protocol(workloads.SHAPES, str(one)) != models.protocol(workloads.SHAPES, str(other))


def test_who_saved_a_folder_and_how_it_is_laid_out_is_no_part_of_it(tmp_path):
    """Nor is what no loader reads."""
    one, other = (shutil.copytree(shapes.WEIGHTS, tmp_path / name) for name in ("one", "other"))
    path = other / "unet" / "config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "_diffusers_version": "0.1", "_name_or_path": "elsewhere"}))
    (other / "README.md").write_text("A model.")
    (other / ".cache").mkdir()
    (other / ".cache" / "CACHEDIR.TAG").write_text("x")
    assert models.protocol(workloads.SHAPES, str(one)) == models.protocol(workloads.SHAPES, str(other))


def test_a_single_file_is_known_by_the_tokenizers_beside_it(tmp_path):
    """They are read with it."""
    bare, beside = (single_file(tmp_path / name / "model.safetensors") for name in ("bare", "beside"))
    for name in ("tokenizer", "tokenizer_2"):
        (beside.parent / name).mkdir()
        (beside.parent / name / "vocab.json").write_text("{}")
    assert models.protocol(SDXL, str(bare)) != models.protocol(SDXL, str(beside))


def test_a_folder_of_another_size_is_refused(tmp_path):
    """With the component and both counts."""
    place = folder(tmp_path, unet=1_300_000_000)
    with pytest.raises(
        WeightsError, match=r"its unet has 1,300,000,000 parameters, SDXL base 1.0 has 2,567,463,684"
    ):
        models.resolve("sdxl-base", str(place))


def test_a_folder_of_another_pipeline_is_refused(tmp_path):
    """By its index."""
    (folder(tmp_path) / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(WeightsError, match="holds a FluxPipeline, not a StableDiffusionXLPipeline"):
        models.resolve("sdxl-base", str(tmp_path))


def test_pickles_are_refused_with_the_remedy(tmp_path):
    """In a folder and as a file."""
    place = folder(tmp_path)
    (place / "unet" / "model.safetensors").rename(place / "unet" / "model.bin")
    with pytest.raises(WeightsError, match=r"only model.bin: pickled .* convert them to \.safetensors"):
        models.resolve("sdxl-base", str(place))
    for suffix in (".ckpt", ".pt", ".bin"):
        file = tmp_path / f"sdxl{suffix}"
        file.write_bytes(b"\x80\x04")
        with pytest.raises(WeightsError, match=r"convert them to \.safetensors"):
            models.resolve("sdxl-base", str(file))


def test_a_single_file_is_counted_by_component(tmp_path):
    """The original layout's names; one that lacks a component is refused."""
    file = tmp_path / "sdxl.safetensors"
    counts = models.SOURCES["sdxl-base"].parameters
    tensors = {f"{prefix}w": (counts[name],) for name, prefix in checks.SINGLE_FILE.items()}
    stub(file, {**tensors, "conditioner.embedders.1.model.logit_scale": ()})
    taken = models.resolve("sdxl-base", str(file))
    assert taken.kind == "file"
    assert taken.said.startswith(f"weights: file {file} without tokenizers beside it: ids are not CLIP's")
    for name in sources.TOKENIZERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "vocab.json").write_text("{}")
    assert taken.said == f"weights: file {file}"
    models.resolve.cache_clear()
    stub(file, {n: s for n, s in tensors.items() if "first_stage" not in n})
    with pytest.raises(WeightsError, match=r"no vae \(first_stage_model"):
        models.resolve("sdxl-base", str(file))
    file.write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="no readable safetensors file"):
        models.resolve("sdxl-base", str(file))


def test_too_little_memory_is_said_before_loading(monkeypatch):
    """How much is needed and how much is free."""
    import torch

    from perfsuite.device import fingerprint

    monkeypatch.setattr(sources, "free_bytes", lambda kind: 2 << 30)
    monkeypatch.setattr(sources, "_loaded", lambda *a: pytest.fail("loading"))
    with pytest.raises(
        WeightsError, match=r"7\.8 GiB needed \(3,468,837,867 parameters of 2 bytes.* 2\.0 GiB free"
    ):
        models.load(SDXL, fingerprint("cpu"), torch.bfloat16, "random")
