"""What re-routes flash attention for the whole process holds for one variant's calls alone.

There is no FlashAttention 3 on a CPU: torch's own registry is asked, with a stand-in that changes nothing.
"""

import contextlib
from collections import Counter
from dataclasses import replace

import pytest

from perfsuite import pipelines
from perfsuite.device import flash_attention, put_flash_attention
from perfsuite.pipelines import variants, workloads
from perfsuite.pipelines.optimizations import NotEngagedError
from perfsuite.pipelines.optimizations.kernel_choice import SDPA_FA3, _check_implementation
from perfsuite.pipelines.technique import Variant
from perfsuite.records import Relative
from perfsuite.workers.relative import measure_relative

WORKLOAD = replace(workloads.SHAPES, steps=2, prompts=workloads.SHAPES.prompts[:1])


def now_active():
    """What torch calls in place of its own flash attention; None where it is its own."""
    from torch.nn.attention import current_flash_attention_impl

    return current_flash_attention_impl()


class Handle:
    """What torch keeps of an implementation while it is active."""

    def remove(self):
        pass


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    """FA3 that can be switched on here; afterwards all is as before."""
    registry = pytest.importorskip("torch.nn.attention")._registry
    monkeypatch.setitem(registry._FLASH_ATTENTION_IMPLS, "FA3", Handle)
    yield
    put_flash_attention(None)


def re_routing():
    """A variant that does to the process what `sdpa-fa3` does, and runs here."""
    technique = replace(
        SDPA_FA3,
        name="sdpa-like-fa3",
        apply=lambda pipe, context: put_flash_attention("FA3"),
        verify=lambda pipe, context: "not asked",
        verify_last=lambda pipe, context: None,
        supports=lambda device: None,
    )
    own = variants.get("fp32+sdpa").optimizations
    return Variant("fp32-sdpa-like-fa3", tuple(sorted((*own, technique), key=lambda o: o.phase)))


@contextlib.contextmanager
def heard(prepared):
    """What flash attention is in each call of a pipeline's UNet."""
    seen = Counter()

    def look(module, args):
        seen[now_active()] += 1

    handle = prepared.pipe.unet.register_forward_pre_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


@pytest.fixture
def prepared():
    made = pipelines.prepare(WORKLOAD, re_routing(), "cpu")
    yield made
    pipelines.release(made.pipe)
    assert now_active() is None


def test_its_name_says_what_it_wants():
    assert variants.get("bf16+sdpa+sdpa-fa3").flash_attention == "FA3"
    for name in ("bf16+sdpa+sdpa-flash", "bf16+sdpa", "fp32"):
        assert variants.get(name).flash_attention is None


def test_a_pipeline_beside_it_has_torchs_own(prepared):
    """As a twin, which is built, called and released beside; and so in whatever order both are called."""
    twin = pipelines.prepare(WORKLOAD, "fp32+sdpa", "cpu")
    with heard(prepared) as of_it, heard(twin) as of_twin:
        for each in (twin, prepared, twin, prepared, prepared):
            each.generate()
    pipelines.release(twin.pipe, forget=False)
    assert now_active() == "FA3"
    assert (set(of_it), set(of_twin)) == ({"FA3"}, {None})


def test_sides_in_turns_have_each_their_own(prepared, monkeypatch):
    """The reference of the relative latency takes turns with it, piece by piece."""
    built, prepare = [], pipelines.prepare
    stack = contextlib.ExitStack()

    def remembering(*arguments, **options):
        made = prepare(*arguments, **options)
        built.append(stack.enter_context(heard(made)))
        return made

    monkeypatch.setattr(pipelines, "prepare", remembering)
    with stack, heard(prepared) as of_it:
        assert isinstance(measure_relative(prepared, 1, 0.3, as_it_comes=True), Relative)
    assert [set(seen) for seen in built] == [{None}]
    assert set(of_it) == {"FA3"}
    assert now_active() == "FA3"


def test_what_somebody_else_switched_on_is_put_back():
    put_flash_attention("FA3")
    made = pipelines.prepare(WORKLOAD, "fp32+sdpa", "cpu")
    with heard(made) as seen:
        made.generate()
    pipelines.release(made.pipe)
    assert set(seen) == {None}
    assert now_active() == "FA3"


def test_it_is_put_back_after_an_error():
    def fail():
        with flash_attention("FA3"):
            assert now_active() == "FA3"
            raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        fail()
    assert now_active() is None


FA2 = "void pytorch_flash::flash_fwd_kernel<pytorch_flash::Flash_fwd_kernel_traits<64>>"
FA3 = "void cutlass::device_kernel<flash::enable_sm90<flash::FlashAttnFwdSm90<flash::Mainloop>>>"
PRODUCT = "void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<Sm90>>"


@pytest.mark.parametrize(
    ("ran", "wanted", "said"),
    [
        ({FA3: 8, PRODUCT: 40}, "FA3", None),
        ({FA2: 8, PRODUCT: 40}, None, None),
        ({FA2: 8, PRODUCT: 40}, "FA3", "FA3 was to run 8 attentions, and its kernels ran 0; of the other"),
        ({FA3: 7, FA2: 1}, "FA3", "its kernels ran 7; of the other implementation ran void pytorch_flash"),
        ({FA3: 7}, "FA3", "FA3 was to run 8 attentions, and its kernels ran 7"),
        ({FA3: 8}, None, "FA2 was to run 8 attentions, and its kernels ran 0"),
        ({PRODUCT: 40}, "FA3", "its kernels ran 0; of the other implementation ran none"),
    ],
)
def test_the_kernels_tell_which_one_ran(ran, wanted, said):
    """Of one operator; products of a Hopper have its name as well."""
    if said is None:
        _check_implementation(Counter(ran), 8, wanted)
        return
    with pytest.raises(NotEngagedError, match=said):
        _check_implementation(Counter(ran), 8, wanted)
