"""The word-level CLIP vocabulary of the small SDXL.

CLIP's tokenizer is a byte-level BPE. A vocabulary in which each word of a caption is one token is a
set of merges that assembles exactly these words; any other text falls back to single bytes, as with
the real vocabulary.
"""

from __future__ import annotations

import itertools

START, END = "<|startoftext|>", "<|endoftext|>"
MAX_LENGTH = 77


def _byte_characters() -> list[str]:
    """The 256 printable stand-ins of GPT-2's byte-level BPE, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def _apply(symbols: list[str], merges: dict[tuple[str, str], int]) -> list[str]:
    while True:
        ranked = [(merges.get(pair, -1), i) for i, pair in enumerate(itertools.pairwise(symbols))]
        known = [entry for entry in ranked if entry[0] >= 0]
        if not known:
            return symbols
        _, i = min(known)
        symbols = [*symbols[:i], symbols[i] + symbols[i + 1], *symbols[i + 2 :]]


def build(words: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary (token to id) and merges, in which each of `words` is one token.

    A later merge has a lower rank than all earlier ones, so adding a word cannot change how the
    words before it are assembled.
    """
    characters = _byte_characters()
    tokens = [*characters, *(c + "</w>" for c in characters)]
    merges: dict[tuple[str, str], int] = {}
    for word in words:
        symbols = _apply([*word[:-1], word[-1] + "</w>"], merges)
        while len(symbols) > 1:
            merges[(symbols[0], symbols[1])] = len(merges)
            tokens.append(symbols[0] + symbols[1])
            # The new merge may apply further on as well, as in "cocoa".
            symbols = _apply(symbols, merges)
    tokens = [*dict.fromkeys(tokens), START, END]
    return {token: i for i, token in enumerate(tokens)}, list(merges)
