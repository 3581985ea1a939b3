"""Watching and replacing a pipeline's components during a generation, whatever wraps them.

The components are replaced in the pipeline's own dictionary: its ``__setattr__`` would write their
classes into the config, and a hook does not see inside compiled code.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import family_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ABSENT = object()


class _Stand:
    """Answers for a component: calls go to `call`, everything else to the component."""

    def __init__(self, component: Any, call: Callable[..., Any]) -> None:
        self.__dict__.update(_component=component, _call=call)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_component"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_component"], name, value)


@contextlib.contextmanager
def replaced(pipe: Any, **calls: Callable[..., Any]) -> Iterator[None]:
    """For a moment the named components (``unet``, ``text_encoder``, ...) are these functions.

    ``decode`` stands for ``vae.decode``, or that of what decodes in its place.
    """
    decode = calls.pop("decode", None)
    before = {name: pipe.__dict__[name] for name in calls}
    decoder = getattr(pipe, family_of(pipe).decoder)
    decode_before = decoder.__dict__.get("decode", _ABSENT)
    try:
        for name, call in calls.items():
            pipe.__dict__[name] = _Stand(before[name], call)
        if decode is not None:
            decoder.__dict__["decode"] = decode
        yield
    finally:
        pipe.__dict__.update(before)
        if decode is not None:
            if decode_before is _ABSENT:
                del decoder.__dict__["decode"]
            else:
                decoder.__dict__["decode"] = decode_before


def listening(call: Callable[..., Any], heard: Callable[[tuple[Any, ...], dict[str, Any], Any], None]) -> Any:
    """A function that calls `call` and tells arguments and result."""

    def listen(*args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        heard(args, kwargs, result)
        return result

    return listen
