"""Weights, memory for them and the reference cache; the hub is stood in for."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from examining import CPU, GPU, Examine, Only

from perfsuite.doctor import weights
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.models import WeightsError, shapes
from perfsuite.pipelines.models.sources import Weights
from perfsuite.records import Health

RANDOM = Weights("random", "random", "configs", reason="not in the hub's cache, and HF_HUB_OFFLINE is set")
CACHED = Weights("hub", "hub:fp16", "stabilityai/sdxl", "fp16", cached=True)


def test_the_shipped_model_is_as_shipped(examine: Examine, only: Only) -> None:
    """Whoever trains it anew also writes the sums: sha256sum below the folder of the weights."""
    found = only(weights.shipped(examine()))
    assert found.status is Health.OK, found.found
    listed = {line.split("  ")[1] for line in shapes.SUMS.read_text().splitlines()}
    there = {str(p.relative_to(shapes.WEIGHTS)) for p in shapes.WEIGHTS.rglob("*") if p.is_file()}
    assert listed == there


def test_damage_is_named(
    examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "weights"
    shutil.copytree(shapes.WEIGHTS, copy)
    (copy / "vae" / "config.json").unlink()
    tensors = copy / "unet" / "diffusion_pytorch_model.safetensors"
    raw = bytearray(tensors.read_bytes())
    raw[-1] ^= 1
    tensors.write_bytes(raw)
    monkeypatch.setattr(shapes, "WEIGHTS", copy)
    found = only(weights.shipped(examine()))
    assert (found.status, found.figures["wrong"]) == (Health.PROBLEM, 2)
    assert "unet/diffusion_pytorch_model.safetensors is damaged" in found.found
    assert "vae/config.json is missing" in found.found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Weights | WeightsError], None]:
    """What the hub's answer comes to."""

    def place(answer: Weights | WeightsError) -> None:
        def resolve(model: str, spec: str = "auto") -> Weights:
            if isinstance(answer, WeightsError):
                raise answer
            return answer

        monkeypatch.setattr("perfsuite.doctor.weights.models.resolve", resolve)

    return place


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (CACHED, "is in the hub's cache; auto takes weights: stabilityai/sdxl from the cache, fp16 files"),
        (RANDOM, "is not in the hub's cache; auto takes weights: random"),
    ],
)
def test_the_hub_beside_the_workload(
    answer: Weights, said: str, hub: Callable[..., None], examine: Examine, only: Only
) -> None:
    """Of a model that is not measured it is only said."""
    hub(answer)
    examination = examine()
    assert list(weights.ask(examination)) == []
    found = only(weights.hub(examination))
    assert (found.status, said in found.found) == (Health.OK, True), found.found


@pytest.mark.parametrize(("answer", "status"), [(CACHED, Health.OK), (RANDOM, Health.WARNING)])
def test_the_hub_for_the_workload(
    answer: Weights, status: Health, hub: Callable[..., None], examine: Examine, only: Only
) -> None:
    """Random weights where the true ones were wanted: pictures are not judged."""
    hub(answer)
    examination = examine(workload=workloads.get("sdxl-base"))
    list(weights.ask(examination))
    found = only(weights.chosen(examination))
    assert (found.status, "pictures are not judged" in found.found) == (status, status is Health.WARNING)
    assert list(weights.hub(examination)) == []


def test_the_hub_that_refuses(hub: Callable[..., None], examine: Examine, only: Only) -> None:
    hub(WeightsError("the hub has no such thing"))
    examination = examine(workload=workloads.get("sdxl-base"))
    list(weights.ask(examination))
    found = only(weights.chosen(examination))
    assert (found.status, found.found) == (Health.PROBLEM, "the hub has no such thing")


def test_the_hub_that_does_not_answer(examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before the time is over: the check goes on without it."""
    waited: list[float] = []
    examination = examine(workload=workloads.get("sdxl-base"))
    monkeypatch.setattr(examination.hub._thread, "join", waited.append)
    found = only(weights.chosen(examination))
    assert (found.status, "did not answer within 8 s" in found.found) == (Health.WARNING, True)
    assert waited == [weights.PATIENCE_S]


def test_offline_is_respected(examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty cache and no network, the true code takes random weights without asking anybody."""
    from perfsuite.pipelines.models import sources

    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: True)
    monkeypatch.setattr(sources, "_is_cached", lambda *_: False)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *a, **k: pytest.fail("asked"))
    sources.resolve.cache_clear()
    examination = examine()
    list(weights.ask(examination))
    found = only(weights.hub(examination))
    sources.resolve.cache_clear()
    assert "HF_HUB_OFFLINE is set" in found.found
    assert found.figures["kind"] == "random"


def test_shipped_weights_are_taken(examine: Examine, only: Only) -> None:
    found = only(weights.chosen(examine()))
    assert (found.status, found.found) == (Health.OK, "shapes: weights: shipped with the package")


def test_weights_that_are_not_there(examine: Examine, only: Only, tmp_path: Path) -> None:
    found = only(weights.chosen(examine(weights=str(tmp_path / "none"))))
    assert (found.status, "no model_index.json" in found.found) == (Health.PROBLEM, True)


@pytest.mark.parametrize(
    ("free", "status"),
    [(64 << 30, Health.OK), (20 << 30, Health.WARNING), (6 << 30, Health.PROBLEM)],
)
def test_memory_for_two_and_for_one(
    free: int, status: Health, examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full-size SDXL in float32 has 3.5 thousand million parameters of 4 bytes, and a fifth beside them."""
    monkeypatch.setattr(weights, "free_bytes", lambda kind: free)
    chosen = (variants.get("fp32"),)
    found = only(weights.memory(examine(workload=workloads.get("sdxl-base"), variants=chosen)))
    assert found.status is status, found.found
    count = found.figures["parameters"]
    assert isinstance(count, int)
    assert found.figures["needed_bytes"] == int(count * 4 * 1.2)


def test_memory_of_a_gpu_is_its_own(examine: Examine, only: Only, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "free_bytes", lambda kind: (1 << 28) if kind == "cuda" else (1 << 40))
    chosen = (variants.get("bf16-sdpa"),)
    examination = examine(GPU, workload=workloads.get("sdxl-base"), variants=chosen)
    found = only(weights.memory(examination))
    assert (found.status, "the CUDA device" in found.found) == (Health.PROBLEM, True)


def test_the_small_model_fits(examine: Examine, only: Only) -> None:
    """Its parameters are counted in its files."""
    found = only(weights.memory(examine(CPU)))
    assert (found.status, found.figures["parameters"]) == (Health.OK, weights.parameters("shapes"))
    assert 1e6 < weights.parameters("shapes") < 1e7


def test_reference_cache(examine: Examine, only: Only, tmp_path: Path) -> None:
    assert only(weights.reference_cache(examine())).found.startswith("off: ")
    folder = tmp_path / "references"
    assert "not there yet" in only(weights.reference_cache(examine(reference_cache=folder))).found
    folder.mkdir()
    (folder / "a").write_bytes(bytes(2 << 20))
    found = only(weights.reference_cache(examine(reference_cache=folder)))
    assert (found.figures["size_bytes"], found.figures["files"]) == (2 << 20, 1)
