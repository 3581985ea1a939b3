"""The task gate by CLIP score: pairs are held to the margin, and what reads nothing judges nothing."""

from pathlib import Path

import numpy as np
import pytest

from perfsuite.pipelines import variants, workloads
from perfsuite.quality import task
from perfsuite.quality.task import captions
from perfsuite.quality.task.clip import ClipReader, Scores, margin_of
from perfsuite.quality.task.reader import JudgeError
from perfsuite.records import Device, PictureStatus

DEEP = variants.get("bf16+sdpa+deepcache:3")
CPU = Device("cpu", "a CPU", "cpu-a", 1, 1 << 30)


def scores(loss: float, of: int = 100, *, other: float = 20.0, sd: float = 1.0) -> list[Scores]:
    """Some 30 points, less a loss that scatters."""
    rng = np.random.default_rng(0)
    own, scatter = 30.0 + 2.0 * rng.standard_normal(of), rng.standard_normal(of)
    lost = loss + sd * (scatter - scatter.mean()) if loss or sd != 1.0 else np.zeros(of)
    return [Scores(float(o - x), other) for o, x in zip(own, lost, strict=True)]


def judge(without: list[Scores], with_it: list[Scores]):
    return ClipReader(None, None, captions.everyday).judge(DEEP, without, with_it)


@pytest.mark.parametrize(
    ("with_it", "status"),
    [
        (scores(0.0), PictureStatus.OK),
        (scores(0.2), PictureStatus.OK),
        (scores(-3.0), PictureStatus.OK),
        (scores(0.45), PictureStatus.INCONCLUSIVE),
        (scores(0.6), PictureStatus.INCONCLUSIVE),
        (scores(1.0), PictureStatus.DEGRADED),
        (scores(10.0), PictureStatus.DEGRADED),
    ],
)
def test_a_mean_loss_is_held_to_the_margin(with_it, status):
    """Half a point, with a scatter of one point between 100 captions."""
    found = judge(scores(0.0), with_it)
    assert found.status is status, found.detail


def test_few_captions_say_how_many_would_do():
    """As many times more as the interval is too wide, squared."""
    found = judge(scores(0.0, 10), scores(0.2, 10))
    assert found.status is PictureStatus.INCONCLUSIVE
    assert "in 10 captions, allowed 0.5" in found.detail
    assert "captions would settle it: --perf-captions" in found.detail


def test_what_shows_nothing_loses_nothing():
    """Pictures that are no nearer to their own captions than to others': random weights, or a blind judge."""
    found = judge(scores(0.0, other=30.0), scores(5.0, other=30.0))
    assert found.status is PictureStatus.NOT_JUDGED
    assert "with their own captions and 30.00 with others'" in found.detail


def test_few_steps_may_lose_more():
    """The most that one of a variant's techniques declares."""
    assert margin_of(DEEP) == 0.5
    assert margin_of(variants.get("fp32+sdpa+lcm:4")) == 2.0


def test_captions_are_the_same_for_everybody_and_all_different():
    """A larger count begins with a smaller one's."""
    found = captions.everyday(200)
    assert found[:100] == captions.everyday(100)
    assert len(set(found)) == 200
    assert all("{" not in caption for caption in found)
    with pytest.raises(ValueError, match="there are 4608 captions"):
        captions.everyday(5000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A true CLIP model of random weights, with the small model's tokenizer."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    from perfsuite.pipelines.models import shapes

    tokenizer = CLIPTokenizer.from_pretrained(shapes.WEIGHTS / "tokenizer")
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPConfig(
        text_config={**small, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": 77},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    where = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(where)
    sizes = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPProcessor(CLIPImageProcessor(**sizes), tokenizer).save_pretrained(where)
    return where


def test_a_true_model_scores_each_picture_with_both_captions(folder: Path):
    """In points of 100; the last picture's other caption is the first."""
    reader = task.reader_for(str(folder), CPU, workloads.SDXL_BASE)
    assert len(reader.captions(3)) == 3
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    found = [reader.read(picture, number) for number in range(3)]
    assert all(-100 <= value <= 100 for mark in found for value in (mark.own, mark.other))
    assert [found[i].other for i in range(3)] == pytest.approx([found[(i + 1) % 3].own for i in range(3)])
    assert len({round(mark.own, 4) for mark in found}) > 1


@pytest.mark.parametrize("broken", ["nothing", "pickle", "other model"])
def test_what_is_no_clip_model_is_refused(broken: str, folder: Path, tmp_path: Path):
    """With the option, the reason and what can be given; pickled weights are never read."""
    where = tmp_path / "judge"
    where.mkdir()
    if broken == "pickle":
        for file in folder.iterdir():
            if file.suffix != ".safetensors":
                (where / file.name).write_bytes(file.read_bytes())
        (where / "pytorch_model.bin").write_bytes(b"never read")
    elif broken == "other model":
        (where / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(JudgeError, match=r"--perf-judge=.*no CLIP model can be loaded.*give a folder with"):
        task.reader_for(str(where), CPU, workloads.SDXL_BASE)


def test_the_small_model_is_asked_for_what_it_can_draw(folder: Path):
    """Shapes, also where CLIP reads them."""
    found = task.reader_for(str(folder), CPU, workloads.SHAPES).captions(10)
    assert all(" background" in caption for caption in found)
    assert found == task.reader_for(None, CPU, workloads.SHAPES).captions(10)


def test_a_judge_reads_any_model():
    """Also the small one, whose own reader steps back; batches stay unread."""
    assert task.unreadable(workloads.SHAPES, "auto", "a/judge") is None
    assert "--perf-judge" in str(task.unreadable(workloads.SDXL_BASE, "auto"))
    assert "random" in str(task.unreadable(workloads.SDXL_BASE, "random", "a/judge"))
