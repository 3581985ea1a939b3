"""Models that a registered function makes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.models.checks import WeightsError

if TYPE_CHECKING:
    from perfsuite.pipelines.registry import Load

_COMPONENTS = ("unet", "vae", "text_encoder", "text_encoder_2")
_returned: weakref.WeakSet[Any] = weakref.WeakSet()
"""Components of pipelines that were handed out and may have been changed since."""


def call(load: Load, device: str, dtype: Any, who: str) -> Any:
    """The pipeline that the function makes; what it raises goes on, with who registered it.

    Raises:
        WeightsError: it made something else than a new SDXL pipeline in that precision on that device.
    """
    from diffusers import StableDiffusionXLPipeline

    try:
        pipe = load(device, dtype)
    except Exception as error:
        error.add_note(f"while calling the function of {who}")
        raise
    if not isinstance(pipe, StableDiffusionXLPipeline):
        raise WeightsError(
            f"{who}: its function returned a {type(pipe).__name__}, not a StableDiffusionXLPipeline"
        )
    for name in _COMPONENTS:
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
    _returned.update(getattr(pipe, name) for name in _COMPONENTS)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)
