"""A pipeline of another model, workload or kind is not judged by a reference."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from perfsuite.pipelines import variants, workloads
from perfsuite.quality.belonging import check_belongs
from perfsuite.quality.reference import (
    STRUCTURE,
    Reference,
    structure_of,
)
from perfsuite.quality.reference_files import (
    WrongReferenceError,
)
from perfsuite.records import Device

Picture = NDArray[np.float32]
CPU = Device("cpu", "Example CPU", "cpu-example-2t", 2, 2**30, {"instruction_set": "AVX2"})
WORKLOAD = replace(workloads.SHAPES, prompts=("a red ring", "a blue cross"), steps=3)
STRUCTURES = {"unet": {"in_channels": 4, "down_block_types": ["A", "B"]}, "vae": {"latent_channels": 4}}


def make_pipe(**changes: dict[str, Any]) -> Any:
    """Components with a config each, in which every entry of `STRUCTURE` has a value of its own."""
    parts = {}
    for component, entries in STRUCTURE.items():
        values = {name: (i, 2 * i) if "block" in name else i for i, name in enumerate(entries)}
        config = SimpleNamespace(**{**values, **changes.get(component, {})})
        parts[component] = SimpleNamespace(config=config, sample_size=128)
    return SimpleNamespace(**parts)


@pytest.fixture
def reference(picture: Picture) -> Reference:
    """Of the pipeline that `make_pipe` makes."""
    return Reference(WORKLOAD, (picture, picture), structure=structure_of(make_pipe()), device=CPU)


def test_structure_is_plain_and_of_the_architecture(reference: Reference) -> None:
    """Equal after being stored, and without entries that say where or how the model was saved."""
    found = structure_of(make_pipe(unet={"_name_or_path": "here", "sample_size": 64}))
    assert found == reference.structure == json.loads(json.dumps(found))
    assert found["unet"]["block_out_channels"] == [2, 4]
    assert found.keys() == STRUCTURE.keys()


def test_structure_of_what_is_there() -> None:
    """A component or an entry that this diffusers does not have is no error."""
    pipe = SimpleNamespace(unet=SimpleNamespace(config=SimpleNamespace(in_channels=4)), vae=None)
    found = structure_of(pipe)
    assert found.keys() == {"unet"}
    assert (found["unet"]["in_channels"], found["unet"]["layers_per_block"]) == (4, None)


def test_own_pipeline_belongs(reference: Reference) -> None:
    """With the workload known or not; the workload's name alone does not matter."""
    check_belongs(make_pipe(), reference, None)
    check_belongs(make_pipe(), reference, WORKLOAD)
    check_belongs(make_pipe(), reference, replace(WORKLOAD, name="by another name"))


@pytest.mark.parametrize(
    ("component", "name"), [(c, name) for c, entries in STRUCTURE.items() for name in entries]
)
def test_other_architecture_is_refused(component: str, name: str, reference: Reference) -> None:
    """The component, the entry of its config, both values and the remedy."""
    wanted = reference.structure[component][name]
    with pytest.raises(WrongReferenceError) as caught:
        check_belongs(make_pipe(**{component: {name: 77}}), reference, WORKLOAD)
    said = str(caught.value)
    assert f"{component}.config.{name} is 77, in the reference {wanted!r}" in said
    assert "record a reference of this model" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 4), ("width", 256), ("height", 64), ("guidance", 7.5), ("seed", 1), ("model", "sdxl-base"),
     ("prompts", ("a red ring", "another"))],
)  # fmt: skip
def test_other_workload_is_refused(name: str, value: Any, reference: Reference) -> None:
    """What the pipeline was built for, beside what was recorded."""
    with pytest.raises(WrongReferenceError) as caught:
        check_belongs(make_pipe(), reference, replace(WORKLOAD, **{name: value}))
    said = str(caught.value)
    assert f"built for {name} {value!r}, the reference recorded with {getattr(WORKLOAD, name)!r}" in said


OF_SDXL = ("text_encoder", "text_encoder_2", "unet", "vae")


@pytest.mark.parametrize("gone", [("vae",), ("text_encoder", "text_encoder_2"), OF_SDXL])
def test_missing_components_are_named(gone: tuple[str, ...], reference: Reference) -> None:
    """Set to None or not there at all; those that are there are not named, nor what is another family's."""
    pipe = make_pipe()
    for other in set(STRUCTURE) - set(OF_SDXL):
        delattr(pipe, other)
    for i, component in enumerate(gone):
        if i % 2:
            delattr(pipe, component)
        else:
            setattr(pipe, component, None)
    with pytest.raises(WrongReferenceError) as caught:
        check_belongs(pipe, reference, WORKLOAD)
    named = set(str(caught.value).partition("has no ")[2].partition(";")[0].split(", "))
    assert named == set(gone)


def test_a_reference_of_another_run_is_refused() -> None:
    """What DeepCache draws is compared with DeepCache in float32, and nothing else with that."""
    deep = variants.get("bf16+sdpa+deepcache:3")
    plain = Reference(WORKLOAD, ())
    own = Reference(WORKLOAD, (), base=variants.twin_of(deep))
    for variant, reference in ((deep, plain), (variants.get("bf16"), own)):
        with pytest.raises(WrongReferenceError, match=r"is compared with .*, the reference is a run of"):
            check_belongs(make_pipe(), reference, None, variant)
    check_belongs(make_pipe(), own, None, deep)
