"""Where compiled code came from: by the counters of torch's caches, not by assumption."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.records import CodeSource, Compilation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FOLDERS = ("fxgraph", "aotautograd")
"""Of Inductor's cache folder: the last folder of each path below them is named by a key."""
SWITCHES = {
    "force_disable_caches": (
        True, ("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "TORCH_COMPILE_FORCE_DISABLE_CACHES"),
    ),
    "fx_graph_cache": (False, ("TORCHINDUCTOR_FX_GRAPH_CACHE", "TORCHINDUCTOR_FX_GRAPH_CACHE_DEFAULT")),
}  # fmt: skip
"""Settings of `torch._inductor.config` with which no compiled code is kept: the value, and the variables of
the environment that set it."""


@dataclass
class Artifact:
    """What torch was given of an artifact file in this process, for all that follows in it."""

    size_bytes: int | None = None
    """Of the file; None: nothing was loaded."""
    keys: tuple[frozenset[str], ...] = ()
    """Of each part."""
    only: frozenset[str] = frozenset()
    """Keys that were not in the cache folder before."""

    def load(self, parts: Sequence[bytes], size_bytes: int) -> list[int]:
        """Put the parts into torch's cache, in place of what was loaded before; the numbers of those that
        torch did not understand."""
        import torch

        before = cached_keys()
        loaded = [torch.compiler.load_cache_artifacts(part) for part in parts]
        self.size_bytes = size_bytes
        self.keys = tuple(_keys(info) for info in loaded if info is not None)
        self.only = union(self.keys) - before
        return [number for number, info in enumerate(loaded) if info is None]


LOADED = Artifact()
"""One a process, as torch's cache is."""


def union(keys: Sequence[frozenset[str]]) -> frozenset[str]:
    """All keys together."""
    return frozenset(key for some in keys for key in some)


def _keys(info: object) -> frozenset[str]:
    """Keys of everything in a `torch.compiler` cache info."""
    artifacts = getattr(info, "artifacts", {})
    return frozenset(key for keys in artifacts.values() for key in keys)


def cached_keys() -> frozenset[str]:
    """Keys of the graphs in Inductor's cache folder."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    root = Path(cache_dir())
    return frozenset(
        path.name for folder in FOLDERS for path in (root / folder).glob("**/*") if path.is_dir()
    )


def recorded() -> tuple[bytes, frozenset[str]]:
    """All that this process compiled or found in caches, as torch's portable bytes, and its keys."""
    import torch

    found = torch.compiler.save_cache_artifacts()
    return (b"", frozenset()) if found is None else (found[0], _keys(found[1]))


def switched_off(environment: Mapping[str, str]) -> str:
    """What keeps torch from keeping compiled code, in words; empty if nothing does."""
    from torch._inductor import config

    for name, (off, variables) in SWITCHES.items():
        if getattr(config, name, not off) is off:
            said = [f"{v}={environment[v]}" for v in variables if v in environment]
            by = f", by {' and '.join(said)}" if said else ""
            return f"torch._inductor.config.{name} is {off}{by}"
    return ""


def counts() -> tuple[int, int, int, int]:
    """Graphs found in Inductor's cache and in AOTAutograd's, and those that were not, so far."""
    from torch._dynamo import utils

    counters = getattr(utils, "counters", None)
    if counters is None:  # not in this torch
        return 0, 0, 0, 0
    inductor, aot = counters["inductor"], counters["aot_autograd"]
    return (
        int(inductor["fxgraph_cache_hit"]),
        int(aot["autograd_cache_hit"]),
        int(inductor["fxgraph_cache_miss"] + inductor["fxgraph_cache_bypass"]),
        int(aot["autograd_cache_miss"] + aot["autograd_cache_bypass"]),
    )


class Watch:
    """What happened between two points; `found` is None where the counters say nothing."""

    found: Compilation | None = None


@contextlib.contextmanager
def watching(*, compiles: bool) -> Iterator[Watch]:
    """Watch torch's caches while the block runs; without `compiles` nothing is looked at."""
    watch = Watch()
    if not compiles:
        yield watch
        return
    keys = recorded()[1] if LOADED.only else frozenset()
    before = counts()
    yield watch
    found, aot, lost, aot_lost = (after - earlier for after, earlier in zip(counts(), before, strict=True))
    # A graph that AOTAutograd's cache holds is looked up in Inductor's too, and may be counted by both.
    hits = max(found, aot)
    # Where Inductor's is switched off nobody asks it, and AOTAutograd's has nothing to give.
    misses = lost if found or lost else aot_lost
    if hits or misses:
        used = recorded()[1] - keys if LOADED.only else frozenset()
        # The file holds what was compiled all the same. Of some graphs nobody could tell which were found.
        again = misses if used & LOADED.only and not hits else None
        watch.found = Compilation(source_of(hits, misses, used), hits, misses, LOADED.size_bytes, again)


def uncounted(graphs: int | None) -> Compilation | None:
    """Where so many graphs came from of which no cache knows: nowhere, if the caches are switched off."""
    if not graphs or not switched_off({}):
        return None
    return Compilation(CodeSource.COLD, 0, graphs, LOADED.size_bytes)


def source_of(hits: int, misses: int, used: frozenset[str]) -> CodeSource:
    """In one word, where the graphs of which these were found and compiled came from."""
    if misses:
        return CodeSource.PARTLY if hits else CodeSource.COLD
    return CodeSource.ARTIFACT if used & LOADED.only else CodeSource.WARM
