"""torch's build, the device that is measured on, and the precisions that it has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from perfsuite.device import NoDeviceError, nvml
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.records import Finding, Health

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfsuite.doctor.examination import Examination

CUDA_BUILD = "install torch's CUDA build for this driver (pytorch.org, Get Started)"


def _installed() -> nvml.Installed | None:
    """The machine's GPUs; None where NVML finds no driver."""
    try:
        return nvml.installed()
    except nvml.NoNvmlError:
        return None


def torch_build(examination: Examination) -> Iterator[Finding]:
    """Whether torch imports, and whether its build fits the GPUs that are there."""
    name = "torch"
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding(name, Health.PROBLEM, f"torch cannot be imported: {error}", "pip install torch")
        return
    gpus = _installed()
    cuda = torch.version.cuda
    said = f"torch {torch.__version__}, {f'built for CUDA {cuda}' if cuda else 'a CPU build'}"
    figures: dict[str, float | str | None] = {"torch": str(torch.__version__), "cuda": cuda}
    if gpus is None or not gpus.names:
        yield Finding(name, Health.OK, f"{said}; no NVIDIA GPU on this machine", figures=figures)
        return
    figures |= {"gpus": len(gpus.names), "driver": gpus.driver, "driver_cuda": _version(gpus.cuda)}
    there = f"{', '.join(gpus.names)} (driver {gpus.driver}, CUDA up to {_version(gpus.cuda)})"
    if examination.choice == "cpu" or torch.cuda.is_available():
        yield Finding(name, Health.OK, f"{said}; {there}", figures=figures)
    elif cuda is None:
        found = f"{said} on a machine with {there}: the GPU is not used"
        yield Finding(name, Health.PROBLEM, found, CUDA_BUILD, figures)
    elif gpus.cuda[0] < int(cuda.split(".")[0]):
        found = f"the driver is too old: {said}, {there}"
        remedy = f"update the NVIDIA driver, or take a torch built for CUDA {gpus.cuda[0]}"
        yield Finding(name, Health.PROBLEM, found, remedy, figures)
    elif os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        found = f"{said}; CUDA_VISIBLE_DEVICES hides {there}"
        yield Finding(
            name, Health.PROBLEM, found, "unset CUDA_VISIBLE_DEVICES, or give --device cpu", figures
        )
    else:
        found = f"{said} does not reach {there}: {_why_no_cuda()}"
        yield Finding(
            name, Health.PROBLEM, found, "check nvidia-smi, and the container's GPU access", figures
        )


def _version(parts: Sequence[int]) -> str:
    return ".".join(map(str, parts))


def _why_no_cuda() -> str:
    import torch

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return "torch gives no reason"


def device(examination: Examination) -> Iterator[Finding]:
    """What is measured on, whether this torch has code for it, and whether it is a slice."""
    import torch

    try:
        found = examination.device
    except NoDeviceError as error:
        yield Finding("device", Health.PROBLEM, str(error), "give --device auto or --device cpu")
        return
    how = f"{examination.choice} takes" if examination.choice == "auto" else "measured on:"
    said = f"{how} {found.place}: {found.name}, baselines {found.slug}"
    figures: dict[str, float | str | None] = {"slug": found.slug, "memory_bytes": found.memory_bytes}
    if found.kind != "cuda":
        yield Finding("device", Health.OK, f"{said}, {found.count} threads", figures=figures)
        return
    if torch.cuda.device_count() > 1:
        said += f" (of {torch.cuda.device_count()} GPUs; --device cuda:N takes another)"
    capability, compiled = found.details["capability"], torch.cuda.get_arch_list()
    if not _has_code(capability, compiled):
        said += f"; no code for compute capability {capability} in this torch ({' '.join(compiled)})"
        yield Finding("device", Health.PROBLEM, said, CUDA_BUILD, figures)
    elif "MIG" in found.name:
        said += "; a slice (MIG): its neighbours share heat, power and clocks"
        yield Finding("device", Health.WARNING, said, "measure on a whole GPU where you can", figures)
    else:
        yield Finding("device", Health.OK, f"{said}; compute capability {capability}", figures=figures)


def _has_code(capability: str, compiled: Sequence[str]) -> bool:
    """Binary code runs on the same major capability from its minor on, PTX (``compute_``) on all later."""
    major, minor = (int(part) for part in capability.split("."))
    for architecture in compiled:
        kind, _, digits = architecture.partition("_")
        digits = digits.rstrip("af")
        its = int(digits[:-1]), int(digits[-1])
        if (kind == "compute" and its <= (major, minor)) or (its[0] == major and its[1] <= minor):
            return True
    return False


def precision(examination: Examination) -> Iterator[Finding]:
    """Which of the ladder's precisions this device computes in, and which it emulates."""
    found = examination.device
    reasons = {name: OPTIMIZATIONS[name].supports(found) for name in ("tf32", "bf16", "fp16")}
    native = [name for name, reason in reasons.items() if reason is None]
    said = f"native: {', '.join(['fp32', *native])}"
    lacking = [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None]
    figures: dict[str, float | str | None] = {name: reason or "native" for name, reason in reasons.items()}
    if reasons["bf16"] is None:
        yield Finding("precision", Health.OK, "; ".join([said, *lacking]), figures=figures)
        return
    named = [v.name for v in examination.variants if reasons.get(v.precision)]
    if named:
        remedy = f"leave out {', '.join(named)}; the float32 rungs run here"
        yield Finding("precision", Health.PROBLEM, "; ".join([said, *lacking]), remedy, figures)
        return
    remedy = "nothing, if the float32 rungs, which run in place of bf16's, are what you want"
    yield Finding("precision", Health.WARNING, "; ".join([said, *lacking]), remedy, figures)
