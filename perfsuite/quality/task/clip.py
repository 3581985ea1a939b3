"""Pictures of any model: CLIP's score of picture and caption, decided by paired differences.

The score is that of Hessel et al. 2021 ("CLIPScore") as it is commonly given: a hundred times the cosine of
the two embeddings. It follows what a caption asks for, and neither sharpness nor taste.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from perfsuite.decision.noninferiority import paired_scores
from perfsuite.quality.task.reader import NAME, JudgeError, names, settled_by
from perfsuite.records import Look, PictureStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from perfsuite.pipelines.technique import Variant
    from perfsuite.records import Device


@dataclass(frozen=True)
class Scores:
    """Of one picture, in points of 100."""

    own: float
    """With its own caption."""
    other: float
    """With the next one's: what a picture has by showing anything at all."""


class ClipReader:
    """Scores by a CLIP model in float32."""

    def __init__(self, model: Any, processor: Any, some: Callable[[int], tuple[str, ...]]) -> None:
        self._model, self._processor, self._some = model, processor, some
        self._texts: Any = None
        self._captions: tuple[str, ...] = ()

    @classmethod
    def load(cls, where: str, device: Device, some: Callable[[int], tuple[str, ...]]) -> ClipReader:
        """From a folder in transformers' layout, or a repository of the hub; safetensors alone, no code.

        Args:
            some: gives so many captions that the pipeline can draw.

        Raises:
            JudgeError: it cannot be loaded.
        """
        import torch
        from transformers import CLIPModel, CLIPProcessor

        try:
            model = CLIPModel.from_pretrained(
                where, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )
            processor = CLIPProcessor.from_pretrained(where, trust_remote_code=False)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise JudgeError(
                f"--perf-judge={where}: no CLIP model can be loaded from there ({error}); give a folder with "
                "config.json, model.safetensors and the tokenizer's and image processor's files, or a "
                "repository of the hub such as openai/clip-vit-base-patch16"
            ) from error
        return cls(model.to(device.kind).eval(), processor, some)

    def captions(self, count: int) -> tuple[str, ...]:
        """Those that it was loaded for."""
        self._captions = self._some(count)
        self._texts = None
        return self._captions

    def read(self, picture: np.ndarray, number: int) -> Scores:
        """The picture's scores with its own caption and with the next one."""
        import torch
        from torch.nn import functional

        with torch.no_grad():
            if self._texts is None:
                self._texts = self._embed("text", text=list(self._captions), padding=True, truncation=True)
            image = self._embed("image", images=[picture], input_data_format="channels_last")[0]
            both = self._texts[[number, (number + 1) % len(self._captions)]]
            own, other = (100.0 * functional.cosine_similarity(both, image[None])).tolist()
        return Scores(own, other)

    def _embed(self, kind: str, **given: Any) -> Any:
        inputs = self._processor(return_tensors="pt", **given).to(self._model.device)
        found = getattr(self._model, f"get_{kind}_features")(**inputs)
        return found if hasattr(found, "shape") else found.pooler_output

    def judge(self, variant: Variant, without: Sequence[Scores], with_it: Sequence[Scores]) -> Look:
        """By the mean of what each caption loses."""
        seen = paired_scores([s.other for s in without], [s.own for s in without])
        if seen.interval[1] >= 0:
            said = (
                f"without {names(variant)} pictures score {mean(s.own for s in without):.2f} with their own "
                f"captions and {mean(s.other for s in without):.2f} with others': nothing can be lost"
            )
            return Look(NAME, PictureStatus.NOT_JUDGED, detail=said)
        found = paired_scores([s.own for s in without], [s.own for s in with_it])
        margin = margin_of(variant)
        low, high = found.interval
        status, more = PictureStatus.INCONCLUSIVE, f"; {settled_by(found.most_needed(margin), found.count)}"
        if high <= margin:
            status, more = PictureStatus.OK, ""
        elif low > margin:
            status, more = PictureStatus.DEGRADED, ""
        worse = sum(a.own - b.own > margin for a, b in zip(without, with_it, strict=True))
        detail = (
            f"CLIP score {mean(s.own for s in with_it):.2f}, {mean(s.own for s in without):.2f} without "
            f"{names(variant)}: a loss of {low:+.2f} to {high:+.2f} points in {found.count} captions, "
            f"allowed {margin:g}"
        )
        return Look(NAME, status, found.count, beyond=worse, detail=detail + more)


def margin_of(variant: Variant) -> float:
    """The points that a variant may lose: the most that any of its techniques declares."""
    return max(o.clip_margin for o in variant.lossy)
