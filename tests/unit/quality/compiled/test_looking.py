"""Names of what is seen, and what happens where memory runs out."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from perfsuite.quality.compiled import looking
from perfsuite.quality.compiled.backend import Seen
from perfsuite.quality.compiled.graph import Tap
from perfsuite.quality.compiled.looking import CompiledErrors, look_into
from perfsuite.quality.relative_errors import Place

CPU: Any = SimpleNamespace(device=SimpleNamespace(kind="cpu"))


def test_values_of_one_kind_in_one_module_are_numbered() -> None:
    """Inside of the block that is compiled alone, too; none takes another's place."""
    found, at = CompiledErrors(), looking._At("unet", 1, 7, "mid.block")
    hear = partial(looking._hear, found, at)
    tap = Tap("add", "", "add", "add in Block", "bfloat16", 8)
    for _ in range(2):
        hear(Seen(tap, 0.1, 0.1, "", ""))
    at.module = ""
    hear(Seen(tap, 0.1, 0.1, "", ""))
    names = ("mid.block: add", "mid.block: add 2", "add")
    assert list(found.seen) == [Place("unet", name, 1, 7) for name in names]


def test_fewer_taps_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter each time, and not for ever."""
    limits: list[int] = []

    def running_out(pipe: Any, context: Any, traces: Any, limit: int) -> CompiledErrors:
        limits.append(limit)
        if limit > 50:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return CompiledErrors()

    monkeypatch.setattr(looking, "_look_into", running_out)
    assert look_into(None, CPU, (), limit=640).seen == {}
    assert limits == [640, 160, 40]
    limits.clear()
    with pytest.raises(torch.OutOfMemoryError):
        look_into(None, CPU, (), limit=1 << 40)
    assert len(limits) == looking.TRIES


def test_other_errors_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no matter of memory."""
    calls: list[int] = []

    def failing(pipe: Any, context: Any, traces: Any, limit: int) -> CompiledErrors:
        calls.append(limit)
        raise ValueError("no such layer")

    monkeypatch.setattr(looking, "_look_into", failing)
    with pytest.raises(ValueError, match="no such layer"):
        look_into(None, CPU, ())
    assert len(calls) == 1
    assert calls[0] > 0


@pytest.mark.parametrize(("steps", "prompts", "wanted"), [(30, 4, [(0, 5), (3, 24)]), (1, 1, [(0, 0)])])
def test_the_unet_is_called_early_and_late(steps: int, prompts: int, wanted: list[tuple[int, int]]) -> None:
    """Of different prompts; once where there is but one step."""
    traces: Any = [SimpleNamespace(steps=steps)] * prompts
    assert [call[:2] for call in looking._calls(None, CPU, traces, "unet")] == wanted
    assert [call[:2] for call in looking._calls(None, CPU, traces, "vae")] == [(0, None)]
    assert [call[:2] for call in looking._calls(None, CPU, traces, "text_encoder")] == [(0, None)]


def test_errors_of_what_the_components_give(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each against float32's own output in that call, which is of that prompt and step."""
    one, two = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 9.0])
    traces: Any = [_Trace(steps=2, noise=[one, two], decoded=one), _Trace(steps=2, noise=[two, two])]
    monkeypatch.setattr(looking, "call_denoiser", lambda pipe, context, trace, step: trace["noise"][step])
    monkeypatch.setattr(looking, "call_vae", lambda pipe, context, trace: two)
    unet = looking.output_errors(None, CPU, traces, "unet")
    assert unet == {Place("unet", "", 0, 0): 0.0, Place("unet", "", 1, 1): 0.0}
    assert looking.output_errors(None, CPU, traces, "vae") == {Place("vae", "", 0): 1.0}


class _Trace(SimpleNamespace):
    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    @property
    def tensors(self) -> Any:
        return vars(self)

    def of_step(self, name: str, step: int) -> Any:
        return self[name][step]

    def whole(self, step: int) -> Any:
        return self["noise"][step]
