"""Generated code is counted alike whether it was compiled or found in a cache: a small module, twice."""

import pytest

from perfsuite.pipelines.watching.caches import watching
from perfsuite.pipelines.watching.graphs import recording
from perfsuite.structure.kernels import kernels_in

pytestmark = pytest.mark.selftest


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compile and run a module, with an empty cache folder at first: its code, and where that came from."""
    import torch

    from perfsuite.device import fingerprint
    from perfsuite.pipelines.optimizations.compilation import supports_compiling

    reason = supports_compiling(fingerprint("cpu"))
    if reason is not None:
        pytest.skip(reason)
    # What the compiler can do is probed once a process, and remembered in the folder that is usual.
    torch.compile(lambda x: x * 2)(torch.ones(4, 8))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))

    def run(module):
        torch._dynamo.reset()
        # As `Context.first_call` does, both at once.
        with torch.no_grad(), watching(compiles=True) as watch, recording() as record:
            torch.compile(module, fullgraph=True)(torch.ones(4, 8))
        return watch.found.source, record.found.sources

    yield run
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def _modules():
    import torch

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)

        def forward(self, x):
            return torch.nn.functional.silu(self.layer(x)) * 2

    class WithCopy(Plain):
        def forward(self, x):
            return super().forward(x).t().contiguous().cumsum(0)

    torch.manual_seed(0)
    return Plain(), WithCopy()


def test_the_same_cold_and_warm_and_an_extra_kernel_is_named(compiled):
    """By the counters of torch's caches the second run compiles nothing."""
    plain, with_copy = _modules()
    (cold, cold_code), (warm, warm_code) = compiled(plain), compiled(plain)
    assert (cold, warm) == ("cold", "warm")
    counts = kernels_in(cold_code)
    assert counts["C++ kernels generated"] >= 1
    assert sum(n for name, n in counts.items() if name.startswith("cpp_fused")) >= 1
    assert kernels_in(warm_code) == counts
    assert sum(map(len, warm_code)) == sum(map(len, cold_code))
    more = kernels_in(compiled(with_copy)[1])
    assert sum(more.values()) > sum(counts.values())
    assert any("cumsum" in name and name not in counts for name in more)


def test_the_hook_is_given_back(compiled):
    """Also what was there before it."""
    from torch._inductor.graph import GraphLowering

    before = GraphLowering.save_output_code
    compiled(_modules()[0])
    assert GraphLowering.save_output_code is before
