"""Models that a registered function makes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import SDXL
from perfsuite.pipelines.models.checks import WeightsError

if TYPE_CHECKING:
    from perfsuite.pipelines.families import Family
    from perfsuite.pipelines.registry import Load

_returned: weakref.WeakSet[Any] = weakref.WeakSet()
"""Components of pipelines that were handed out and may have been changed since."""


def call(load: Load, device: str, dtype: Any, who: str, family: Family = SDXL) -> Any:
    """The pipeline that the function makes; what it raises goes on, with who registered it.

    Raises:
        WeightsError: it made something else than a new pipeline of the family in that precision on that
            device.
    """
    import diffusers

    try:
        pipe = load(device, dtype)
    except Exception as error:
        error.add_note(f"while calling the function of {who}")
        raise
    if not isinstance(pipe, getattr(diffusers, family.pipeline)):
        raise WeightsError(f"{who}: its function returned a {type(pipe).__name__}, not a {family.pipeline}")
    components = (*family.models, *family.encoders)
    for name in components:
        component = getattr(pipe, name)
        if component in _returned:
            raise WeightsError(
                f"{who}: its function returned a {name} that it had returned before; techniques change a "
                "pipeline in place, so load a new one at each call"
            )
        if component.dtype != dtype:
            raise WeightsError(
                f"{who}: its function returned a {name} in {component.dtype}, asked for {dtype}"
            )
    _returned.update(getattr(pipe, name) for name in components)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)
