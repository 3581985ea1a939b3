"""What honest eager code of a precision deviates is stored, and what moves beyond it is named."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perfsuite.pipelines import workloads
from perfsuite.quality.budgets import KIND_LEAST
from perfsuite.quality.golden import GoldenError
from perfsuite.quality.levels import LEVEL_FACTOR, compare_levels, levels_of, levels_path, write_levels
from perfsuite.quality.modules import ModuleRecord
from perfsuite.quality.reference import Reference
from perfsuite.quality.reference_files import Yardstick
from perfsuite.quality.relative_errors import Place
from perfsuite.records import Device, PictureStatus

NORMS = [Place("unet", f"norm{i}", 0, 5) for i in range(KIND_LEAST)]
LINEAR = Place("unet", "linear", 0, 5)


def reference(unet: float = 0.004, norms: float = 0.002, precision: str = "bf16") -> Reference:
    """A reference whose honest pipeline has these errors."""
    errors = {
        "components": {Place("unet", "", 0, 0): unet, Place("unet", "", 1, 4): unet, Place("vae"): 0.003},
        "modules": {**dict.fromkeys(NORMS, norms), LINEAR: 0.5},
    }
    records = (
        *(ModuleRecord(place, f"{i}.safetensors", "LayerNorm") for i, place in enumerate(NORMS)),
        ModuleRecord(LINEAR, "x.safetensors", "Linear"),
    )
    found = Reference(workloads.SHAPES, (np.zeros((16, 16, 3)),), modules=records)
    return replace(found, yardsticks={precision: Yardstick(errors, (0.999,))})


def test_levels_are_root_mean_squares_of_groups() -> None:
    """By component, and by class of modules with enough calls; a single linear layer makes no group."""
    found = levels_of(reference())["bf16"]
    assert found == pytest.approx({"unet": 0.004, "vae": 0.003, "LayerNorm in unet": 0.002})


def test_stored_levels_equal_themselves(tmp_path: Path) -> None:
    """Nothing has moved, and up to the factor nothing is said."""
    assert write_levels(tmp_path, reference()) == levels_path(tmp_path)
    found = compare_levels(tmp_path, reference())
    assert (found.status, found.count, found.beyond) == (PictureStatus.OK, 3, 0)
    near = compare_levels(tmp_path, reference(unet=0.004 * LEVEL_FACTOR * 0.99))
    assert near.status is PictureStatus.OK


def test_levels_of_a_cpu_do_not_bind_a_gpu(tmp_path: Path) -> None:
    """Each kind of device has a file of its own, and what is stored for one stays."""
    gpu = replace(reference(unet=0.04), device=Device("cuda", "Example GPU", "example-gpu", 1, 2**36))
    write_levels(tmp_path, reference())
    found = compare_levels(tmp_path, gpu)
    assert found.status is PictureStatus.NEW
    assert "levels-cuda.json" in found.detail
    assert write_levels(tmp_path, gpu) == levels_path(tmp_path, "cuda")
    assert compare_levels(tmp_path, gpu).status is PictureStatus.OK
    assert compare_levels(tmp_path, reference()).status is PictureStatus.OK


@pytest.mark.parametrize(
    ("moved", "group"),
    [({"unet": 0.0081}, "bf16 unet"), ({"norms": 0.0041}, "bf16 LayerNorm in unet")],
    ids=["component", "kind"],
)
def test_a_level_that_moved_is_named(tmp_path: Path, moved: dict[str, float], group: str) -> None:
    """Precision, group, both values and the command that accepts it."""
    write_levels(tmp_path, reference())
    found = compare_levels(tmp_path, reference(**moved))
    assert (found.status, found.beyond) == (PictureStatus.DEGRADED, 1)
    assert f"eager code itself has moved: {group}: error" in found.detail
    assert "perfsuite calibrate --golden" in found.detail


def test_a_class_that_moved_a_little_is_named(tmp_path: Path) -> None:
    """Of many calls together a growth by .4 is no luck; of a component it may be."""
    write_levels(tmp_path, reference())
    found = compare_levels(tmp_path, reference(unet=0.0056, norms=0.0028))
    assert found.status is PictureStatus.DEGRADED
    assert (found.beyond, found.worst.place if found.worst else "") == (1, "bf16 LayerNorm in unet")


def test_nan_in_an_honest_pipeline_is_beyond_every_level(tmp_path: Path) -> None:
    """It is compared like any other error, and never stored."""
    write_levels(tmp_path, reference())
    found = compare_levels(tmp_path, reference(unet=float("inf")))
    assert found.status is PictureStatus.DEGRADED
    assert "error NaN" in found.detail
    with pytest.raises(GoldenError, match="honest bf16 gives NaN in unet"):
        write_levels(tmp_path / "other", reference(unet=float("inf")))


def test_nothing_stored_is_new(tmp_path: Path) -> None:
    """No file, or none of this run's precisions in it."""
    assert compare_levels(tmp_path, reference()).status is PictureStatus.NEW
    write_levels(tmp_path, reference(precision="fp16"))
    found = compare_levels(tmp_path, reference())
    assert found.status is PictureStatus.NEW
    assert "none of bf16" in found.detail


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"schema_version": 2, "precisions": {}}', '{"schema_version": 1}',
     json.dumps({"schema_version": 1, "precisions": {"bf16": {"unet": "small"}}}),
     '{"schema_version": 1, "precisions": {"bf16": {"unet": NaN}}}'],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """With the way to get it back."""
    levels_path(tmp_path).write_text(text)
    with pytest.raises(GoldenError, match=r"levels\.json: not readable .*git checkout"):
        compare_levels(tmp_path, reference())
