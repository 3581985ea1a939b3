"""What pipeline classes differ in, so that techniques, gates and measurements need not name a class.

A family is data: names of a pipeline's parts, and how it is called. What it says of tensors is in functions
that import torch themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perfsuite.pipelines.families import spelling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from perfsuite.pipelines.families.spelling import Spelling
    from perfsuite.records import Workload

_WORDS = {"unet": "UNet", "transformer": "transformer", "vae": "VAE", "movq": "MoVQ"}


@dataclass(frozen=True)
class Family:
    """One pipeline class of diffusers and what derives from it."""

    name: str
    """As in messages and in a model's source: ``sdxl``, ``sd15``, ``flux``."""
    title: str
    """For a sentence."""
    pipeline: str
    """Name of the class in diffusers."""
    denoiser: str = "unet"
    """Attribute of the model that every step calls: ``unet`` or ``transformer``."""
    decoder: str = "vae"
    """Attribute of the model whose ``decode`` makes the picture."""
    encoders: tuple[str, ...] = ("text_encoder", "text_encoder_2")
    """Attributes of the text encoders, in the order in which they run."""
    tokenizers: tuple[str, ...] = ("tokenizer", "tokenizer_2")
    others: tuple[str, ...] = ()
    """Attributes of a saved pipeline that it runs without: a safety checker, an image encoder."""
    attention: tuple[str, ...] = ("Attention",)
    """Classes of attention modules, in the denoiser and in the decoder."""
    multiple: int = 8
    """Of width and height: what one place of the denoiser's finest level, or one patch, covers."""
    least_steps: int = 1
    """Fewest steps that the pipeline takes, whatever its scheduler does."""
    classifier_free: bool = True
    """Whether guidance above 1 denoises two samples a picture in one batch; else it is an input of the
    denoiser, and the batch is one sample a picture."""
    upcasts: bool = False
    """Whether the pipeline decodes in float32 where a float16 decoder's config asks for it."""
    packed: bool = False
    """Whether latents are passed as rows of 2x2 patches."""
    calls_back: str = "callback_on_step_end"
    """The argument that takes a function called after every step."""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Arguments of every call."""
    spelling: Spelling = spelling.SDXL
    """How a call of the denoiser is spelled."""
    decoding: Mapping[str, Any] = field(default_factory=lambda: {"return_dict": False}, hash=False)
    """Arguments of the decoder's ``decode`` beside the latents."""
    construction: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Arguments of the pipeline's constructor beside its parts."""
    waits: tuple[str, ...] = ()
    """What the places have in their text where diffusers' own scheduler waits for the device in a step."""
    inputs: Callable[[Any, Workload, int], dict[str, Any]] | None = None
    """Of a pipeline that takes no prompt: what it takes instead."""
    refusals: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Techniques by name that have no meaning here or fail, and why in plain words."""

    @property
    def models(self) -> tuple[str, str]:
        """Attributes of the two models that techniques change: denoiser and decoder."""
        return self.denoiser, self.decoder

    @property
    def said(self) -> str:
        """The two models in words: ``UNet and VAE``."""
        return " and ".join(_WORDS[name] for name in self.models)

    @property
    def said_denoiser(self) -> str:
        """The denoiser in words: ``UNet``."""
        return _WORDS[self.denoiser]

    @property
    def components(self) -> tuple[str, ...]:
        """Attributes of all models, in the order in which a generation passes them."""
        return (*self.encoders, self.denoiser, self.decoder)

    def refusal(self, technique: str) -> str | None:
        """Why a technique has no meaning on these pipelines, as a sentence's end; None if it may have."""
        reason = self.refusals.get(technique)
        return None if reason is None else f"not for {self.title}: {reason}"

    def is_attention(self, module: Any) -> bool:
        """Whether a module is one of `attention` or derives from one."""
        return any(kind.__name__ in self.attention for kind in type(module).__mro__)

    def samples(self, workload: Workload) -> int:
        """Samples that the denoiser is given in one step: the batch convention."""
        doubled = self.classifier_free and workload.guidance > 1
        return (2 if doubled else 1) * workload.batch

    def channels(self, pipe: Any) -> int:
        """Channels of the latents, before they are packed."""
        channels = int(getattr(pipe, self.denoiser).config.in_channels)
        return channels // 4 if self.packed else channels

    def scale(self, pipe: Any) -> int:
        """Pixels of a picture along one side of a place of the latents."""
        return int(getattr(pipe, f"{self.decoder}_scale_factor"))

    def latents(self, pipe: Any, noise: Any) -> Any:
        """Noise of shape (batch, channels, height, width) as the pipeline's ``latents`` takes it."""
        if not self.packed:
            return noise
        return pipe._pack_latents(noise, *noise.shape)

    def spread(self, pipe: Any, latents: Any, workload: Workload) -> Any:
        """The reverse of `latents`: (batch, channels, height, width), whatever passes between the steps."""
        if not self.packed:
            return latents
        factor = self.scale(pipe)
        return pipe._unpack_latents(latents, workload.height, workload.width, factor)

    def arguments(self, pipe: Any, workload: Workload, prompt: int) -> dict[str, Any]:
        """What a call of the pipeline takes, but for latents and the number of steps."""
        given = self.inputs(pipe, workload, prompt) if self.inputs else {"prompt": workload.prompts[prompt]}
        return {
            **given,
            "guidance_scale": workload.guidance,
            "height": workload.height,
            "width": workload.width,
            "num_images_per_prompt": workload.batch,
            "output_type": "np",
            "return_dict": False,
            **self.options,
        }

    def on_step(self, done: Callable[[], None]) -> dict[str, Any]:
        """Arguments of a call that has `done` called after every step."""
        given = self.on_latents(lambda step, latents: done())
        if self.calls_back != "callback":
            given["callback_on_step_end_tensor_inputs"] = []
        return given

    def on_latents(self, changed: Callable[[int, Any], Any]) -> dict[str, Any]:
        """Arguments of a call that has `changed` called after every step with its number and the latents.

        What it returns takes the latents' place, where the pipeline lets it; None leaves them.
        """
        if self.calls_back == "callback":

            def stepped(step: int, timestep: Any, latents: Any) -> None:
                changed(step, latents)

            return {"callback": stepped, "callback_steps": 1}

        def step_ended(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            other = changed(step, tensors.get("latents"))
            return {} if other is None else {"latents": other}

        return {"callback_on_step_end": step_ended}
