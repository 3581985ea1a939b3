"""On which side of the bus a tensor would be, told on a machine that has one side only.

Without a GPU everything is in host memory, and `.item()` costs nothing. `Places` plays the accelerator: the
pipeline is told to run on ``cpu:0``, which torch treats as ``cpu``, and every tensor has a place. What is put
on ``cpu:0``, and what was there before the call, is on the device; what is made without a device or moved to
``cpu`` is on the host; results follow their arguments, the device wins. So a value that a pipeline keeps on
the host may be read freely, and reading any other one is a synchronisation, as on a GPU.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Report = Callable[[str], None]
    """Takes what waits for the device, in words."""

READS = (
    "_local_scalar_dense", "nonzero", "masked_select", "equal", "bincount",
    "_unique", "_unique2", "unique_dim", "unique_consecutive",
)  # fmt: skip
"""Operators whose result the host must have: a number, or a shape that depends on values."""
_MOVES = ("to", "cpu", "cuda")
_HOST_READS = ("tolist", "numpy", "__array__")
_FROM_DATA = ("tensor", "as_tensor", "asarray")


def _tensors(values: Any) -> list[Any]:
    import torch
    from torch.utils._pytree import tree_leaves

    return [v for v in tree_leaves(values) if isinstance(v, torch.Tensor)]


class Places:
    """Where tensors are; `watching` reports what waits for the device."""

    def __init__(self, report: Report) -> None:
        import torch

        self._report = report
        self._host: dict[int, Any] = {}
        """Storages on the host by address; held, so that no address is given away again. They are small:
        whatever is large is on the device."""
        self.device = torch.device("cpu", 0)
        self._real = torch.device("cpu")

    # -- where a tensor is -------------------------------------------------------------------------

    def _storage(self, tensor: Any) -> Any:
        import torch

        plain = type(tensor) in (torch.Tensor, torch.nn.Parameter)
        with torch._C.DisableTorchFunction():
            return tensor.untyped_storage() if plain else None

    def on_host(self, tensor: Any) -> bool:
        """False for everything that was not seen to be put on the host."""
        storage = self._storage(tensor)
        return storage is not None and storage._cdata in self._host

    def put_on_host(self, tensor: Any) -> None:
        """From now on this memory is the host's."""
        storage = self._storage(tensor)
        if storage is not None:
            self._host[storage._cdata] = storage

    def _put_on_device(self, tensor: Any) -> None:
        storage = self._storage(tensor)
        if storage is not None:
            self._host.pop(storage._cdata, None)

    def _pretended(self, value: Any) -> bool | None:
        """True: names the pretended device; False: the host; None: no device at all."""
        import torch

        if isinstance(value, torch.Tensor):
            return not self.on_host(value)
        if isinstance(value, str):
            if value.partition(":")[0] != "cpu":
                return None
            value = torch.device(value)
        if isinstance(value, torch.device) and value.type == "cpu":
            return value.index == self.device.index
        return None

    # -- what torch is asked for -------------------------------------------------------------------

    def call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function of torch's Python interface: the device in it, and what no operator is called for."""
        import torch

        name = getattr(func, "__name__", "")
        if func == torch.Tensor.device.__get__:
            return self._real if self.on_host(args[0]) else self.device
        if name in _HOST_READS and not self.on_host(args[0]):
            self._report(f"Tensor.{name}()")
        if name in _MOVES and args and isinstance(args[0], torch.Tensor):
            return self._move(name, func, args, kwargs)
        asked = self._pretended(kwargs.get("device"))
        if asked:
            kwargs = {**kwargs, "device": self._real}
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor):
            if asked:
                self._put_on_device(result)
                if name in _FROM_DATA:
                    self._report(f"torch.{name}(..., device): a copy from the host")
            elif asked is False or not _tensors((args, kwargs)):
                self.put_on_host(result)
        return result

    def _move(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        import torch

        tensor = args[0]
        here = not self.on_host(tensor)
        targets = [*args[1:2], *(kwargs[k] for k in ("device", "other") if k in kwargs)]
        found = [p for p in map(self._pretended, targets) if p is not None]
        there = False if name == "cpu" else found[0] if found else here
        waits = not (kwargs.get("non_blocking") or (len(args) > 2 and isinstance(args[2], bool) and args[2]))
        args = tuple(
            self._real if isinstance(a, torch.device | str) and self._pretended(a) else a for a in args
        )
        if self._pretended(kwargs.get("device")):
            kwargs = {**kwargs, "device": self._real}
        result = func(*args, **kwargs)
        if here == there:
            return result
        if here:
            self._report(f"Tensor.{name}(): a copy to the host")
            # A copy, as on a GPU: the same memory cannot be in two places.
            result = result.clone() if result is tensor else result
            self.put_on_host(result)
        else:
            if waits:
                self._report(f"Tensor.{name}(): a copy from the host")
            result = result.clone() if self.on_host(result) else result
            self._put_on_device(result)
        return result

    def operator(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operator, below all of Python's interface."""
        tensors = _tensors((args, kwargs))
        host = all(map(self.on_host, tensors))
        name = func.__name__.partition(".")[0]
        if name in READS and not host:
            self._report(f"aten.{name}")
        elif name in ("index", "index_put_", "index_put") and self._needs_indices(args):
            self._report(f"aten.{name} by a mask, or of a host tensor by indices of the device")
        result = func(*args, **kwargs)
        if host:
            for made in _tensors(result):
                self.put_on_host(made)
        return result

    def _needs_indices(self, args: tuple[Any, ...]) -> bool:
        import torch

        indices = [i for i in args[1] if i is not None and not self.on_host(i)]
        return any(i.dtype in (torch.bool, torch.uint8) for i in indices) or (
            bool(indices) and self.on_host(args[0])
        )

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Follow every tensor while the block runs. Compiled code must not be called in it."""
        import torch
        from torch.overrides import TorchFunctionMode
        from torch.utils._python_dispatch import TorchDispatchMode

        places = self

        class Interface(TorchFunctionMode):  # type: ignore[misc]
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return places.call(func, args, kwargs or {})

        class Operators(TorchDispatchMode):  # type: ignore[misc]
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                if any(t not in (torch.Tensor, torch.nn.Parameter) for t in types):
                    return NotImplemented  # a quantized tensor takes itself apart first
                return places.operator(func, args, kwargs or {})

        # Not part of the interface that a mode sees.
        from_numpy = torch.from_numpy

        @functools.wraps(from_numpy)
        def on_host(array: Any) -> Any:
            made = from_numpy(array)
            places.put_on_host(made)
            return made

        torch.from_numpy = on_host
        try:
            with Interface(), Operators():
                yield
        finally:
            torch.from_numpy = from_numpy
