"""Where compiled code came from is told by torch's counters, and by nothing else."""

from typing import Any

import pytest

from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.technique import Context
from perfsuite.pipelines.watching import caches as compilation
from perfsuite.pipelines.watching.caches import Artifact, source_of, switched_off, uncounted, watching
from perfsuite.records import CodeSource, Compilation, Device

CPU = Device("cpu", "Example", "example", 2, 2**30)


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """Nothing is loaded; counters are put back."""
    from torch._dynamo.utils import counters

    for name in ("inductor", "aot_autograd"):
        monkeypatch.setitem(counters, name, type(counters[name])())
    artifact = Artifact()
    monkeypatch.setattr(compilation, "LOADED", artifact)
    return artifact


def count(**changes: int) -> None:
    from torch._dynamo.utils import counters

    for name, number in changes.items():
        counters["aot_autograd" if name.startswith("autograd") else "inductor"][name] += number


def watched(**changes: int) -> Compilation | None:
    with watching(compiles=True) as watch:
        count(**changes)
    return watch.found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"fxgraph_cache_miss": 2, "autograd_cache_miss": 2}, (CodeSource.COLD, 0, 2)),
        ({"fxgraph_cache_bypass": 1, "autograd_cache_bypass": 1}, (CodeSource.COLD, 0, 1)),
        ({"fxgraph_cache_hit": 2, "autograd_cache_hit": 2}, (CodeSource.WARM, 2, 0)),
        ({"autograd_cache_hit": 2}, (CodeSource.WARM, 2, 0)),
        ({"fxgraph_cache_hit": 2, "autograd_cache_miss": 2}, (CodeSource.WARM, 2, 0)),
        ({"fxgraph_cache_hit": 1, "fxgraph_cache_miss": 1}, (CodeSource.PARTLY, 1, 1)),
        # Inductor's is switched off, or all is left to AOTAutograd's.
        ({"autograd_cache_bypass": 2}, (CodeSource.COLD, 0, 2)),
        ({"autograd_cache_hit": 1, "autograd_cache_miss": 1}, (CodeSource.PARTLY, 1, 1)),
    ],
)
def test_counters_tell(changes: dict[str, int], found: tuple[CodeSource, int, int]) -> None:
    """A graph that was found in one of the caches was not compiled; what bypasses them was."""
    count(fxgraph_cache_hit=5, fxgraph_cache_miss=7)  # of a variant before
    assert watched(**changes) == Compilation(*found)


def test_silent_counters_are_no_evidence() -> None:
    """Neither cold nor warm is guessed."""
    assert watched() is None


def test_where_all_caches_are_off_graphs_that_were_made_are_cold() -> None:
    """No counter tells of them then; with the caches on, silence is no evidence."""
    from torch._inductor import config

    assert uncounted(2) is None
    with config.patch(force_disable_caches=True):
        assert uncounted(2) == Compilation(CodeSource.COLD, 0, 2)
        assert uncounted(0) is None
        assert uncounted(None) is None


def test_what_is_switched_off_is_named_with_the_variable_that_did_it() -> None:
    from torch._inductor import config

    variable = {"TORCHINDUCTOR_FX_GRAPH_CACHE": "0"}
    assert switched_off(variable) == ""
    with config.patch(fx_graph_cache=False):
        assert switched_off({}) == "torch._inductor.config.fx_graph_cache is False"
        assert switched_off(variable).endswith("is False, by TORCHINDUCTOR_FX_GRAPH_CACHE=0")


def test_eager_code_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of torch is asked."""
    monkeypatch.setattr(compilation, "counts", lambda: pytest.fail("asked"))
    with watching(compiles=False) as watch:
        count(fxgraph_cache_miss=1)
    assert watch.found is None


def test_only_what_the_folder_did_not_hold_is_of_the_artifact(
    loaded: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every graph was in the artifact; one was in the cache folder before, and is warm all the same."""
    loaded.only, loaded.size_bytes = frozenset({"new"}), 123
    assert source_of(2, 0, frozenset({"old"})) is CodeSource.WARM
    assert source_of(2, 0, frozenset({"old", "new"})) is CodeSource.ARTIFACT
    assert source_of(1, 1, frozenset({"new"})) is CodeSource.PARTLY
    states = iter([(b"", frozenset({"earlier"})), (b"", frozenset({"earlier", "new"}))])
    monkeypatch.setattr(compilation, "recorded", lambda: next(states))
    assert watched(fxgraph_cache_hit=1) == Compilation(CodeSource.ARTIFACT, 1, 0, 123)


@pytest.mark.parametrize(
    ("new", "changes", "again"),
    [
        ({"held"}, {"fxgraph_cache_miss": 2}, 2),
        # Another graph is not in the file, and of two nobody knows which was found.
        ({"another"}, {"fxgraph_cache_miss": 2}, None),
        ({"held", "another"}, {"fxgraph_cache_hit": 1, "fxgraph_cache_miss": 1}, None),
    ],
)
def test_what_the_artifact_holds_and_was_compiled_all_the_same_is_told(
    new: set[str],
    changes: dict[str, int],
    again: int | None,
    loaded: Artifact,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded.only, loaded.size_bytes = frozenset({"held"}), 123
    states = iter([(b"", frozenset[str]()), (b"", frozenset(new))])
    monkeypatch.setattr(compilation, "recorded", lambda: next(states))
    found = watched(**changes)
    assert found is not None
    assert found.again == again


def test_parts_that_torch_does_not_understand_are_told(
    loaded: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others count."""
    import torch
    from torch.compiler._cache import CacheInfo

    def load(part: bytes) -> CacheInfo | None:
        info = CacheInfo()
        info.artifacts["inductor"].append(part.decode())
        return None if part == b"bad" else info

    monkeypatch.setattr(torch.compiler, "load_cache_artifacts", load)
    monkeypatch.setattr(compilation, "cached_keys", lambda: frozenset({"a"}))
    assert loaded.load([b"a", b"bad", b"b"], 99) == [1]
    assert loaded.keys == (frozenset({"a"}), frozenset({"b"}))
    assert loaded.only == {"b"}
    assert loaded.size_bytes == 99


@pytest.mark.parametrize(("variant", "source"), [("fp32-sdpa-compile", CodeSource.COLD), ("fp32", None)])
def test_the_first_call_of_a_pipeline_is_watched(variant: str, source: CodeSource | None) -> None:
    """Once: what is compiled later is not its."""

    class Drawing(Context):
        def generate(self, *args: Any, **options: Any) -> Any:
            count(fxgraph_cache_miss=3)

    context = Drawing(workloads.SHAPES, variants.get(variant), CPU)
    context.first_call(None)
    context.first_call(None)
    assert context.compilation == (Compilation(source, 0, 3) if source else None)
