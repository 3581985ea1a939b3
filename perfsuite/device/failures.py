"""Errors after which a process cannot simply go on: memory has run out, or CUDA is lost to it.

Some CUDA errors are sticky: by the runtime's documentation (`cudaError_t`) the process is left "in an
inconsistent state", every further call returns the same error, and only a new process can use the GPU again.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STICKY = re.compile(
    "|".join(
        (
            # As `cudaGetErrorString` words the errors that are documented so; Triton has the same words.
            "an illegal memory access was encountered",
            "device-side assert triggered",
            "unspecified launch failure",
            "the launch timed out and was terminated",
            "an illegal instruction was encountered",
            "misaligned address",
            "invalid program counter",
            "hardware stack error",
            "operation not supported on global/shared address space",
            "uncorrectable ECC error",
            "uncorrectable NVLink error",
            # What a library makes of a kernel of its own that failed.
            "CUBLAS_STATUS_(EXECUTION_FAILED|MAPPING_ERROR)",
            "CUDNN_STATUS_(EXECUTION_FAILED|MAPPING_ERROR)",
        )
    )
)
_OF_CUDA = re.compile("cuda|cublas|cudnn", re.IGNORECASE)
_NO_ROOM = re.compile(
    # `torch.OutOfMemoryError` says so first; torch's allocator on a CPU raises no type of its own; the
    # libraries and the runtime have their words.
    "DefaultCPUAllocator: (can't|not enough)|CUDA error: out of memory|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED"
    "|CUDA out of memory"
)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those that it was raised from or during."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def out_of_memory(error: BaseException) -> BaseException | None:
    """What says in the chain of an error that memory has run out, on the host or the device; else None."""
    for link in chain(error):
        if isinstance(link, MemoryError) or (isinstance(link, RuntimeError) and _NO_ROOM.search(str(link))):
            return link
    return None


def sticky(error: BaseException) -> BaseException | None:
    """What says in the chain of an error that CUDA is lost to this process; None where nothing does."""
    for link in chain(error):
        said = str(link)
        if isinstance(link, RuntimeError) and _STICKY.search(said) and _OF_CUDA.search(said):
            return link
    return None


def probe(kind: str) -> RuntimeError | None:
    """The error that the device has for every further call, None if it still works.

    Kernels run behind the host: what one of them did wrong may show only here.

    Args:
        kind: ``cpu`` or ``cuda``.
    """
    torch = sys.modules.get("torch")
    if kind != "cuda" or torch is None or not torch.cuda.is_initialized():
        return None
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:
        return error
    return None
