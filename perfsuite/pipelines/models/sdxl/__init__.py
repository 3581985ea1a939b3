"""SDXL base 1.0 without its weights: the configuration of every component, and tokenizers.

The JSON files below ``configs`` hold what stabilityai/stable-diffusion-xl-base-1.0 publishes of its
architecture; `PARAMETERS` proves that they build the published model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perfsuite.pipelines.models.shapes import vocabulary

CONFIGS = Path(__file__).parent / "configs"
"""Folder in diffusers' layout, without weights and tokenizers."""
PARAMETERS = {
    "unet": 2_567_463_684,
    "vae": 83_653_863,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
}
"""Number of parameters of each component of SDXL base 1.0."""
VOCABULARY = 49408
"""Tokens of CLIP's vocabulary; its last two are start and end of a text."""


def tokenizers(words: tuple[str, ...] = ()) -> dict[str, Any]:
    """``tokenizer`` and ``tokenizer_2``, for weights that come without their own. No download.

    Like SDXL's in size (`VOCABULARY`), length (77), ids of the bytes, of start, end and padding (the
    first pads with ``<|endoftext|>``, the second with ``!``, id 0) and in how text is cut into words.
    Not like CLIP's in its merges: each of `words` is one token, any other text a token a byte, so ids
    differ from CLIP's and say nothing to trained weights.
    """
    from transformers import CLIPTokenizer

    known, merges = vocabulary.build(list(words))
    special = (vocabulary.START, vocabulary.END)
    tokens = [token for token in known if token not in special]
    tokens += [f"<|unused-{i}|>" for i in range(len(tokens), VOCABULARY - len(special))]
    vocab = {token: i for i, token in enumerate([*tokens, *special])}
    return {
        name: CLIPTokenizer(
            vocab=vocab, merges=merges, model_max_length=vocabulary.MAX_LENGTH, pad_token=padding
        )
        for name, padding in (("tokenizer", vocabulary.END), ("tokenizer_2", "!"))
    }


def words_of(prompts: tuple[str, ...]) -> tuple[str, ...]:
    """What CLIP's tokenizer would look up in these prompts: words, single digits, runs of signs."""
    import re

    pieces = (re.findall(r"[^\W\d_]+|\d|[^\s\w]+", prompt.lower()) for prompt in prompts)
    return tuple(dict.fromkeys(piece for of_prompt in pieces for piece in of_prompt if piece.isascii()))
