"""A pipeline of any family with random weights, from its configurations: no memory but for the weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.models import initial, initial_transformers, sdxl

if TYPE_CHECKING:
    from pathlib import Path

    from perfsuite.pipelines.families import Family

T5_TOKENS, T5_LENGTH = 32000, 512
"""Of T5's vocabulary without its sentinels; most tokens of a prompt."""


def make(folder: Path, family: Family, words: tuple[str, ...], dtype: Any, device: str) -> Any:
    """A pipeline of the configs in `folder`, made on the device, no weight loaded.

    Memory is taken once, in `dtype`: models are built without memory and then filled. `words` are those that
    the tokenizers know.
    """
    import diffusers

    models = {name: model.to(dtype) for name, model in skeletons(folder, family).items()}
    for name, model in models.items():
        model.to_empty(device=device)
        if hasattr(model, "tie_weights"):
            model.tie_weights()  # what was one tensor without memory has become two
        filling = initial_transformers if initial_transformers.knows(model) else initial
        filling.fill(model, name)
        model.eval().requires_grad_(False)
    kind = _index(folder)["scheduler"][1]
    return getattr(diffusers, family.pipeline)(
        **models,
        **tokenizers(folder, family, words),
        **dict.fromkeys(family.others),
        **family.construction,
        scheduler=getattr(diffusers, kind).from_pretrained(folder, subfolder="scheduler"),
    )


def skeletons(folder: Path, family: Family) -> dict[str, Any]:
    """All models of the configs in `folder`, on torch's meta device, by their names in the pipeline."""
    import diffusers
    import torch
    import transformers

    index, found = _index(folder), {}
    with torch.device("meta"):
        for name in family.components:
            library, kind_name = index[name]
            kind = getattr(diffusers if library == "diffusers" else transformers, kind_name)
            if library == "diffusers":
                found[name] = kind.from_config(kind.load_config(folder / name))
            else:
                found[name] = kind(kind.config_class.from_pretrained(folder / name))
    return found


def tokenizers(folder: Path, family: Family, words: tuple[str, ...]) -> dict[str, Any]:
    """A tokenizer for each text encoder: CLIP's as `sdxl.tokenizers`, T5's likewise. No download."""
    index, clip = _index(folder), sdxl.tokenizers(sdxl.words_of(words))
    return {
        name: _t5_tokenizer(words) if index[name][1].startswith("T5") else clip[name]
        for name in family.tokenizers
    }


def _t5_tokenizer(prompts: tuple[str, ...]) -> Any:
    """Like T5's in size and in what ends a text; each word of the prompts is one token, any other text a
    token a character."""
    from transformers import T5Tokenizer

    words = dict.fromkeys(f"▁{word}" for prompt in prompts for word in prompt.split())
    characters = ["▁", *map(chr, range(33, 127))]
    scores = dict.fromkeys(("<pad>", "</s>", "<unk>"), 0.0) | dict.fromkeys(characters, -10.0)
    scores |= dict.fromkeys(words, -1.0)
    unused = (f"<|unused-{i}|>" for i in range(len(scores), T5_TOKENS))
    scores |= dict.fromkeys(unused, -100.0)
    return T5Tokenizer(vocab=list(scores.items()), model_max_length=T5_LENGTH)


def _index(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "model_index.json").read_text())
    return found
