"""Rows of one large call are those of calls of one prompt, in the order that a pipeline has them."""

import torch

from perfsuite.quality.several import _interleaved


def test_rows_of_a_prompt_follow_each_other() -> None:
    """First all without the prompt, then all with it; each prompt's pictures side by side."""
    one, other = torch.tensor([[1.0], [10.0]]), torch.tensor([[2.0], [20.0]])
    found = _interleaved([one, other], halves=2, each=2)
    assert found.flatten().tolist() == [1, 1, 2, 2, 10, 10, 20, 20]


def test_of_a_batch_the_first_row_stands() -> None:
    """The others have latents of their own; without guidance there is one half."""
    batch = torch.tensor([[1.0], [3.0]])
    assert _interleaved([batch, batch + 1], halves=1, each=2).flatten().tolist() == [1, 1, 2, 2]
    assert _interleaved([batch, batch + 1], halves=2).flatten().tolist() == [1, 2, 3, 4]
