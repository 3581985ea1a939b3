"""Which kernel `scaled_dot_product_attention` runs in the UNet: torch's own switch, around each attention.

diffusers' `set_attention_backend` does not reach a UNet: its processors call torch directly. The VAE keeps
torch's choice, as its one head is too wide for most kernels.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from perfsuite.device import put_flash_attention
from perfsuite.pipelines.families import family_of
from perfsuite.pipelines.optimizations.evidence import (
    NotEngagedError,
    attention_modules,
    decoder_part,
    eager,
    is_compiled,
    some,
)
from perfsuite.pipelines.optimizations.proofs.kernels import (
    ATTENTION,
    check_attention,
    kernels_of_call,
    kernels_of_unet,
)
from perfsuite.pipelines.promises import Card
from perfsuite.pipelines.technique import Optimization

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context
    from perfsuite.records import Device

NAMES = ("sdpa-flash", "sdpa-math", "sdpa-cudnn", "sdpa-fa3")
BACKENDS = {"flash": "FLASH_ATTENTION", "math": "MATH", "cudnn": "CUDNN_ATTENTION", "fa3": "FLASH_ATTENTION"}
"""Name to the member of `torch.nn.attention.SDPBackend`."""
IMPLEMENTATIONS = {"fa3": "FA3"}
"""Name to what torch's flash attention is re-routed to. It is so in the whole process: `Context.generate`,
turns and `prepare` put it for each side."""
OPERATORS = {
    "flash": {"cpu": "flash_attention_for_cpu", "cuda": "flash_attention"},
    "math": {"cpu": "attention_math", "cuda": "attention_math"},
    "cudnn": {"cuda": "cudnn_attention"},
    "fa3": {"cuda": "flash_attention"},
}
"""Name and device to the operator, less what all begin with."""


class ChosenKernel:
    """An attention processor that runs another one, in which torch has one kernel to choose from."""

    def __init__(self, processor: Any, kernel: str) -> None:
        self.processor, self.kernel = processor, kernel

    def __call__(
        self, attn: Any, hidden_states: Any, encoder_hidden_states: Any = None, attention_mask: Any = None,
        temb: Any = None,
    ) -> Any:  # fmt: skip
        """Attention of these states."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(getattr(SDPBackend, BACKENDS[self.kernel])):
            return self.processor(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


def _of_unet(pipe: Any) -> dict[str, Any]:
    return {name: m for name, m in attention_modules(pipe).items() if name.startswith("unet.")}


def _apply(pipe: Any, context: Context, kernel: str) -> None:
    put_flash_attention(IMPLEMENTATIONS.get(kernel))
    with eager(pipe):
        for module in _of_unet(pipe).values():
            module.set_processor(ChosenKernel(module.processor, kernel))


def _verify(pipe: Any, context: Context, kernel: str) -> str:
    modules = _of_unet(pipe)
    others = [n for n, m in modules.items() if getattr(m.processor, "kernel", None) != kernel]
    if others or not modules:
        raise NotEngagedError(f"{len(others)} of {len(modules)} attentions choose no kernel: {some(others)}")
    try:
        ran = kernels_of_unet(pipe, context)
    except RuntimeError as error:
        if "No available kernel" not in str(error) and "No viable backend" not in str(error):
            raise
        raise NotEngagedError(f"torch has no {kernel} kernel for these attentions: {error}") from error
    wanted = ATTENTION + OPERATORS[kernel][context.device.kind]
    check_attention(ran, {wanted: len(modules)})
    if context.device.kind == "cuda" and kernel in ("flash", "fa3"):
        _check_implementation(ran, len(modules), IMPLEMENTATIONS.get(kernel))
    compiled = _check_compiled(pipe, context, kernel)
    return f"all {len(modules)} attentions of a UNet call ran {wanted}" + (
        f"; {compiled}" if compiled else ""
    )


def _check_implementation(ran: Counter[str], count: int, wanted: str | None) -> None:
    """One operator runs both, by what is re-routed in the process: the GPU's kernels tell."""
    of_fa2 = {name: n for name, n in ran.items() if "pytorch_flash" in name}
    of_fa3 = {name: n for name, n in ran.items() if "FlashAttnFwdSm90" in name}
    own, others = (of_fa3, of_fa2) if wanted == "FA3" else (of_fa2, of_fa3)
    if others or sum(own.values()) < count:
        raise NotEngagedError(
            f"{wanted or 'FA2'} was to run {count} attentions, and its kernels ran {sum(own.values())}; "
            f"of the other implementation ran {some(sorted(others)) or 'none'}"
        )


def _check_compiled(pipe: Any, context: Context, kernel: str) -> str | None:
    """What is compiled runs no other kernel either; None where nothing of the UNet is.

    Raises `NotEngagedError`.
    """
    if not is_compiled(pipe.unet):
        return None
    count, wanted = len(_of_unet(pipe)), OPERATORS[kernel][context.device.kind]
    if context.device.kind == "cuda":
        # A CUDA graph that is replayed calls no operator: what was generated must tell.
        return _check_generated(pipe, context, wanted)
    ran = {n: k for n, k in kernels_of_call(pipe, context).items() if n.startswith(ATTENTION)}
    if kernel == "math":
        # Of plain products Inductor leaves no name, and other backends torch's own.
        ran.pop(ATTENTION + wanted, None)
        check_attention(Counter(ran), {})
        return "no fused kernel in compiled code"
    check_attention(Counter(ran), {ATTENTION + wanted: count})
    return f"all {count} in compiled code"


_CALL = re.compile(r"_scaled_dot_product_(\w+)(?:\.default)?\(")


def _check_generated(pipe: Any, context: Context, wanted: str) -> str | None:
    """By the source of all that was compiled, in which the decoder's attentions may have other kernels."""
    sources = context.compiled.sources if context.compiled is not None else None
    if not sources:
        return None
    called = Counter(name for source in sources for name in _CALL.findall(source))
    others = {name: count for name, count in called.items() if name != wanted}
    elsewhere = sum(map(family_of(pipe).is_attention, decoder_part(pipe).modules()))
    if sum(others.values()) > elsewhere:
        raise NotEngagedError(f"compiled code calls {others}, of which {elsewhere} may be the decoder's")
    if wanted != OPERATORS["math"]["cuda"] and not called[wanted]:
        raise NotEngagedError(f"no compiled code calls {wanted}")
    return f"compiled code calls {called[wanted]} {wanted}, {sum(others.values())} others"


def _supports(device: Device, kernel: str) -> str | None:
    if device.kind not in OPERATORS[kernel]:
        return (
            f"torch has no {kernel} attention kernel for a {device.kind}; take a GPU (--perf-device=cuda), "
            "or sdpa-flash or sdpa-math"
        )
    if kernel == "fa3":
        if float(device.details.get("capability", "9.0")) != 9.0:
            return (
                f"FlashAttention 3 needs compute capability 9.0 (Hopper), {device.name} has another; take "
                "sdpa-flash or sdpa-cudnn"
            )
        if importlib.util.find_spec("flash_attn_interface") is None:
            return (
                "FlashAttention 3 needs the module flash_attn_interface, which is not installed; build it "
                "from the folder hopper of flash-attention's source, or take sdpa-flash"
            )
    return None


def _choice(kernel: str, summary: str, published: str = "", measured: str = "") -> Optimization:
    name = f"sdpa-{kernel}"
    return Optimization(
        name=name,
        summary=summary,
        apply=functools.partial(_apply, kernel=kernel),
        verify=functools.partial(_verify, kernel=kernel),
        verify_last=functools.partial(_check_compiled, kernel=kernel),
        supports=functools.partial(_supports, kernel=kernel),
        # Beyond the projections, whose fusing sets processors of its own: these are wrapped.
        phase=3,
        requires=("sdpa",),
        # An export keeps attention whole and loses the choice: a package for plain products runs flash.
        conflicts=(*(other for other in NAMES if other != name), "aoti"),
        settings=("torch.flash_attention_impl",) if kernel in IMPLEMENTATIONS else (),
        flash_attention=IMPLEMENTATIONS.get(kernel),
        card=Card(
            where="UNets of SDXL and SD 1.5",
            proof="names of the kernels that a UNet call ran, one for each attention",
            measured=measured,
            published=published,
        ),
    )


SDPA_FLASH = _choice("flash", "SDPA of the UNet by torch's flash kernel and no other", measured="0.98x (n=9)")
SDPA_MATH = _choice("math", "SDPA of the UNet by plain products and no fused kernel", measured="0.93x (n=9)")
SDPA_CUDNN = _choice("cudnn", "SDPA of the UNet by cuDNN's kernel and no other")
SDPA_FA3 = _choice(
    "fa3", "SDPA of the UNet by FlashAttention 3 (Hopper)",
    "Flux on an H200, 28 steps, compiled: 4.32 to 3.73 s (sglang#19673)",
)  # fmt: skip
