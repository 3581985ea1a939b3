"""What a technique's own proof says of a pipeline: it holds, or it was lost."""

from typing import Any

import pytest

from perfsuite.pipelines.optimizations import NotEngagedError

Built = tuple[Any, Any, Any]
"""A pipeline, its context, and the technique."""


def refuses(built: Built, match: str) -> None:
    pipe, context, technique = built
    with pytest.raises(NotEngagedError, match=match):
        technique.verify(pipe, context)


def holds(built: Built, said: str) -> None:
    pipe, context, technique = built
    assert said in technique.verify(pipe, context)
