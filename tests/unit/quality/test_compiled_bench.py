"""What becomes of a group of mistakes when its code is looked into; nothing is compiled."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from perfsuite.pipelines import variants
from perfsuite.quality import compiled_bench
from perfsuite.quality.compiled_bench import CompiledBench
from perfsuite.quality.compiled_crediting import Located
from perfsuite.quality.faults.compiler import OWN, Mistake, NotPlantedError
from perfsuite.quality.faults.compiler.sites import Site
from perfsuite.records import Deviation, Look, PictureStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIANT = variants.get("bf16-sdpa-compile")
OUTPUTS = Look("components", PictureStatus.DEGRADED, 3, detail="far off")


def site(name: str, module: str) -> Site:
    return Site(Mistake(name, name, OWN, "unet", lambda graph: (module,)), (module,), change=0.1)


def seen(module: str, ratio: float | None) -> Deviation:
    return Deviation(f"unet.{module}: linear, step 5, prompt 0", ratio, 0.5, 1.0)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[..., CompiledBench]:
    """One whose looks see what they are given, first without a mistake, and whose compiler plants there."""

    def made(*seen: list[Deviation], **planted: list[str]) -> CompiledBench:
        @contextlib.contextmanager
        def miscompiled(*mistakes: Mistake) -> Iterator[Any]:
            yield SimpleNamespace(by_mistake=planted)

        left = list(seen)
        prepared = SimpleNamespace(pipe=None)
        monkeypatch.setattr(compiled_bench, "miscompiled", miscompiled)
        monkeypatch.setattr(compiled_bench, "prepare", lambda *args: prepared)
        monkeypatch.setattr(compiled_bench, "release", lambda pipe: None)
        monkeypatch.setattr(CompiledBench, "_eager_outputs", lambda self, variant: {})
        monkeypatch.setattr(
            CompiledBench, "_look", lambda self, *args: compiled_bench._Looked(left.pop(0), OUTPUTS)
        )
        return CompiledBench("shapes", "cpu")

    return made


SITES = (site("scale", "a"), site("bias", "b"), site("tail", "c"))
PLANTED = {"scale": ["a"], "bias": ["b"], "tail": ["c"]}


def test_each_is_credited_with_its_own_place(bench: Callable[..., CompiledBench]) -> None:
    """One at its module; one where honest code is beyond its budget, too; one nowhere."""
    found = [seen("a", 7.0), seen("b", 2.0), seen("c", 0.5)]
    scale, bias, tail = bench([seen("b", 1.2)], found, **PLANTED).group(VARIANT, SITES, 3)
    assert (scale.case, scale.located, scale.ratio, scale.place) == (
        "scale", Located.YES, 7.0, "unet.a: linear, step 5, prompt 0",
    )  # fmt: skip
    assert [trial.located for trial in (bias, tail)] == [Located.NO, Located.NO]
    assert [trial.caught() for trial in (scale, bias, tail)] == [True, False, False]
    assert all(
        trial.caught_by_outputs() and trial.group == 3 and trial.fault for trial in (scale, bias, tail)
    )
    assert "error 7" in scale.quality.look("compiled").detail
    assert bias.quality.look("compiled").detail == "nothing near it is beyond its budget"


def test_nan_is_broken(bench: Callable[..., CompiledBench]) -> None:
    """And has no ratio."""
    (scale,) = bench([], [seen("a", None)], **PLANTED).group(VARIANT, SITES[:1], 1)
    assert (scale.quality.status, scale.ratio, scale.located) == (PictureStatus.BROKEN, None, Located.YES)


def test_what_a_nan_may_have_hidden_is_compiled_once_more(bench: Callable[..., CompiledBench]) -> None:
    """Without it; what was seen beside it stays, and what is not seen then is missed."""
    tried = bench([], [seen("a", None), seen("b", 2.0)], [seen("c", 1.5)], **PLANTED)
    found = {trial.case: trial for trial in tried.group(VARIANT, SITES, 1)}
    assert {name: trial.ratio for name, trial in found.items()} == {"scale": None, "bias": 2.0, "tail": 1.5}
    tried = bench([], [seen("a", None), seen("b", 2.0)], [], **PLANTED)
    assert [t.located for t in tried.group(VARIANT, SITES, 1)] == [Located.YES, Located.YES, Located.NO]


def test_a_mistake_that_landed_elsewhere_is_not_judged(bench: Callable[..., CompiledBench]) -> None:
    """What it was to be credited with would be another's."""
    with pytest.raises(NotPlantedError, match="scale was planted in d, not in a"):
        bench([], [seen("a", 7.0)], **{**PLANTED, "scale": ["d"]}).group(VARIANT, SITES, 1)


def test_what_nobody_planted_is_looked_at_once(bench: Callable[..., CompiledBench]) -> None:
    """A variant's honest code is the same for all of its groups."""
    tried = bench([], [seen("a", 7.0)], **PLANTED)
    tried.group(VARIANT, SITES, 1)
    with pytest.raises(IndexError):  # the third look
        tried.group(VARIANT, SITES, 2)
