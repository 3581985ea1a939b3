"""What variants load beside the model, and what is said where that differs."""

from pathlib import Path

import pytest

from perfsuite.pipelines import loaded, models, variants, workloads
from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.optimizations import OPTIMIZATIONS, adapters
from perfsuite.pipelines.optimizations.few_step import Recipe, few_step
from perfsuite.pipelines.promises import Parameter

SHAPES = workloads.SHAPES
LOADING = {
    "fp32+lcm:4": ["lcm-lora.safetensors"],
    "fp32+lora": ["lora-a.safetensors"],
    "bf16+sdpa+lora-hotswap": ["lora-a.safetensors", "lora-b.safetensors"],
    "fp32+tiny-vae": ["tiny-vae"],
    "fp32+lora+tiny-vae": ["lora-a.safetensors", "tiny-vae"],
}


@pytest.mark.parametrize(("name", "files"), LOADING.items())
def test_each_file_is_named_with_its_hash(name: str, files: list[str]) -> None:
    found = loaded.loaded_by(variants.get(name), "shapes")
    assert [part.split()[0] for part in found.split(", ")] == files
    line = loaded.protocol(SHAPES, "auto", variants.get(name))
    assert line == f"{models.protocol(SHAPES)} loads {found}"
    assert models.loaded_in(line) == found
    assert models.without_loaded(line) == models.protocol(SHAPES)


def test_every_technique_that_names_an_adapter_or_decoder_says_so() -> None:
    """By their summaries: who adds one such technique is reminded here."""
    telling = [n for n, o in OPTIMIZATIONS.items() if "LoRA" in o.summary or "distilled" in o.summary]
    assert telling == [n for n, o in OPTIMIZATIONS.items() if o.loads("shapes")]
    assert telling


@pytest.mark.parametrize("variant", variants.VARIANTS.values(), ids=lambda variant: variant.name)
def test_the_ladder_loads_nothing(variant: variants.Variant) -> None:
    """So no stored file of it changes."""
    assert loaded.protocol(SHAPES, "auto", variant) == models.protocol(SHAPES)


def test_another_file_of_the_same_name_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the process lives; a copy elsewhere is the same."""
    path = tmp_path / "lora-a.safetensors"
    content = (shapes.ADAPTERS / path.name).read_bytes()
    lora = variants.get("fp32+lora")
    before = loaded.protocol(SHAPES, "auto", lora)
    monkeypatch.setitem(adapters.ADAPTERS, ("lora-a", "shapes"), path)
    path.write_bytes(content)
    assert loaded.protocol(SHAPES, "auto", lora) == before
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    after = loaded.protocol(SHAPES, "auto", lora)
    assert after != before
    (one, other) = (models.loaded_in(line).split()[1] for line in (before, after))
    said = loaded.moved_files(before, after)
    assert said == f"other files are loaded than were: lora-a.safetensors ({one} -> {other})"


def test_a_few_step_technique_of_a_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "lightning.safetensors"
    path.write_bytes(b"1")
    steps = Parameter("number of steps", default=4, least=1, most=8)
    recipe = Recipe("lightning", path, "EulerDiscreteScheduler", 0.0, {})
    assert few_step(recipe, "few", steps, 0.1).loads("any-model") == (path,)


@pytest.mark.parametrize(
    ("stored", "now", "said"),
    [
        ("", "", ""),
        ("a 0123456789ab", "a 0123456789ab", ""),
        ("", "a 0123456789ab", "does not say which files were loaded; this run loads a 0123456789ab"),
        ("a 0123456789ab", "a 0123456789ac", "a (0123456789ab -> 0123456789ac)"),
        (
            "a 0123456789ab",
            "b 0123456789ab",
            "a (0123456789ab -> not loaded), b (not loaded -> 0123456789ab)",
        ),
        ("a 0123456789ab, b, c 0123456789ab", "a 0123456789ab", "b, c (0123456789ab -> not loaded)"),
        ("a 0123456789ab", "", "a (0123456789ab -> not loaded)"),
    ],
)
def test_what_is_said(stored: str, now: str, said: str) -> None:
    found = loaded.other_files(stored, now)
    assert found.endswith(said)
    assert bool(found) == bool(said)


@pytest.mark.parametrize("weights", ["", " weights random", " weights folder 0123", " weights function v1"])
def test_weights_and_files_stand_in_one_line(weights: str) -> None:
    line = f"{SHAPES.protocol}{weights}"
    with_files = f"{line} loads a b.safetensors 0123456789ab"
    assert models.weights_in(with_files) == models.weights_in(line) == (weights[9:] or "shipped")
    assert models.loaded_in(with_files) == "a b.safetensors 0123456789ab"
    assert models.loaded_in(line) == ""
    assert not models.others(with_files, line)
    assert loaded.moved_files("another protocol", with_files) == ""
