"""Each word of a caption is one token, by the merges of an independent BPE."""

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE

from perfsuite.pipelines.models.shapes import drawing, vocabulary


def tokens_of(words: list[str], text: str) -> list[str]:
    """How a byte-level BPE with the vocabulary of `words` splits one word."""
    vocab, merges = vocabulary.build(words)
    model = BPE(vocab=vocab, merges=merges, end_of_word_suffix="</w>")
    found: list[str] = Tokenizer(model).encode(text).tokens
    return found


@pytest.mark.parametrize("word", drawing.words())
def test_word_of_a_caption_is_one_token(word: str) -> None:
    """With all the words in one vocabulary, also where one begins another."""
    assert tokens_of(drawing.words(), word) == [f"{word}</w>"]


@pytest.mark.parametrize(
    "words",
    [
        ["cocoa"],
        ["aaaa", "aaa", "aa", "a"],
        ["a", "aa", "aaa", "aaaa"],
        ["abab", "ababab", "babab"],
        ["mississippi", "miss", "sip", "ippi"],
        ["star", "start", "tart", "art", "stars"],
    ],
    ids=" ".join,
)
def test_any_words_become_tokens(words: list[str]) -> None:
    """Repeated letters, and words within words, in any order."""
    for word in words:
        assert tokens_of(words, word) == [f"{word}</w>"]


def test_adding_a_word_leaves_earlier_ones_alone() -> None:
    """Ids of single bytes and merges of earlier words stay; so a vocabulary can grow."""
    some, more = vocabulary.build(["star", "ring"]), vocabulary.build(["star", "ring", "string"])
    assert more[1][: len(some[1])] == some[1]
    assert all(more[0][token] == some[0][token] for token in some[0] if not token.startswith("<|"))


def test_unknown_text_falls_back_to_bytes() -> None:
    """No text is lost: what is no known word is spelled in known tokens."""
    pieces = tokens_of(drawing.words(), "zebra")
    assert len(pieces) > 1
    assert "".join(pieces) == "zebra</w>"


def test_ids_are_dense_and_end_with_the_marks() -> None:
    """Ids are 0 to n-1, and start and end of text come last, as CLIP wants the highest id to end."""
    vocab, merges = vocabulary.build(drawing.words())
    assert sorted(vocab.values()) == list(range(len(vocab)))
    assert vocab[vocabulary.START] == len(vocab) - 2
    assert vocab[vocabulary.END] == len(vocab) - 1
    assert len(set(merges)) == len(merges)
    assert sum(len(token.removesuffix("</w>")) == 1 for token in vocab) == 512
