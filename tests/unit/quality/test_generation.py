"""Prompts that the text encoders cannot take are refused before anything is drawn."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tokens import words

from perfsuite.pipelines import workloads
from perfsuite.quality.generation import PromptError, check_prompts

WORKLOAD = replace(workloads.SHAPES, prompts=("a red ring", "a blue cross"), steps=3)


@pytest.mark.parametrize("prompt", ["", " ", "\n\t"])
def test_empty_prompt_is_refused(prompt: str) -> None:
    """Also the last of several, and without a tokenizer."""
    workload = replace(WORKLOAD, prompts=("a red ring", prompt))
    with pytest.raises(PromptError, match=r"^workload 'shapes': a prompt is empty; write what to draw$"):
        check_prompts(SimpleNamespace(), workload)


@pytest.mark.parametrize("name", ["tokenizer", "tokenizer_2"])
def test_prompt_that_would_be_cut_is_refused(name: str) -> None:
    """By the tokenizer that takes fewer: the numbers, the beginning of the prompt, what to do."""
    pipe = SimpleNamespace(tokenizer=words(77), tokenizer_2=words(77))
    setattr(pipe, name, words(10))
    workload = replace(WORKLOAD, prompts=("a b c d e f g h", "1 2 3 4 5 6 7 8 9"))
    with pytest.raises(PromptError) as caught:
        check_prompts(pipe, workload)
    said = str(caught.value)
    assert f"'1 2 3 4 5 6 7 8 9'… has 11 tokens, {name} takes 10" in said
    assert said.endswith("shorten it")
    check_prompts(pipe, replace(WORKLOAD, prompts=workload.prompts[:1]))


def test_long_prompt_is_not_repeated_whole() -> None:
    """A page of text is no message."""
    pipe = SimpleNamespace(tokenizer=words(77))
    with pytest.raises(PromptError) as caught:
        check_prompts(pipe, replace(WORKLOAD, prompts=("word " * 1000,)))
    assert "has 1002 tokens" in str(caught.value)
    assert len(str(caught.value)) < 200
