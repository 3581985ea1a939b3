"""Kernels are counted in generated code, whoever generated it."""

from perfsuite.structure.kernels import PRODUCT, kernels_in

CPP = """
# AOT ID: ['0_inference']
aten = torch.ops.aten
empty_strided_cpu = torch._C._dynamo.guards._empty_strided_cpu
async_compile = AsyncCompile()

cpp_fused_silu_0 = async_compile.cpp_pybinding(['const float*', 'float*'], r'''
    extern_kernels.mm(not, code)
''')
cpp_fused_silu_13 = async_compile.cpp_pybinding(['const float*'], r'''...''')
cpp_fused_mul_2 = async_compile.cpp_pybinding(['const float*'], r'''...''')

async_compile.wait(globals())

class Runner:
    def call(self, args):
        arg0_1, arg1_1 = args
        buf0 = empty_strided_cpu((4, 4), (4, 1), torch.float32)
        cpp_fused_silu_0(arg0_1, buf0)
        cpp_fused_silu_0(buf0, buf0)
        cpp_fused_silu_13(buf0)
        extern_kernels.mm(buf0, reinterpret_tensor(arg1_1, (4, 4), (1, 4), 0), out=buf0)
        buf2 = torch.ops.mkldnn._linear_pointwise.default(buf0, arg1_1, None, 'none', [], '')
        buf3 = torch.ops.aten.sort.stable(buf2)
        buf4 = aten.index(buf2)
        return (buf2, )

def benchmark_compiled_module(times=10, repeat=10):
    cpp_fused_mul_2(rand_strided((4, 4)))
    extern_kernels.mm(1, 2)
"""
TRITON = """
triton_poi_fused_add_mul_4 = async_compile.triton('triton_poi_fused_add_mul_4', '''...''')
triton_tem_fused_mm_5 = async_compile.triton('triton_tem_fused_mm_5', '''...''')

def partition_0(args):
    triton_poi_fused_add_mul_4.run(arg0_1, buf0, 16, stream=stream0)
    triton_tem_fused_mm_5.run(arg0_1, buf1, 16, stream=stream0)
    extern_kernels.mm(buf0, buf1, out=buf2)
    extern_kernels.convolution(buf2, arg1_1)
    extern_kernels.sort(buf2)
"""


def test_calls_by_operators_and_library() -> None:
    """A kernel's number is no part of its name; text in strings and the module's benchmark do not count."""
    assert kernels_in([CPP]) == {
        "C++ kernels generated": 3,
        "cpp_fused_silu": 3,
        "extern_kernels.mm": 1,
        "mkldnn._linear_pointwise": 1,
        "aten.sort.stable": 1,
        "aten.index": 1,
    }


def test_graphs_add_up() -> None:
    """Each module is one graph of the call."""
    one, two = kernels_in([CPP]), kernels_in([CPP, CPP])
    assert two == {name: 2 * number for name, number in one.items()}


def test_triton_kernels_are_run_by_a_method() -> None:
    assert kernels_in([TRITON]) == {
        "Triton kernels generated": 2,
        "triton_poi_fused_add_mul": 1,
        "triton_tem_fused_mm": 1,
        "extern_kernels.mm": 1,
        "extern_kernels.convolution": 1,
        "extern_kernels.sort": 1,
    }


def test_what_autotuning_picks_is_one_kind() -> None:
    """A template in place of the library's product is another pick, not another structure."""
    other_pick = TRITON.replace("triton_tem_fused_mm_5.run(arg0_1, buf1, 16, stream=stream0)",
                                "extern_kernels.mm(arg0_1, buf1)")  # fmt: skip
    found = kernels_in([TRITON], autotuned=True)
    assert found == {
        "Triton kernels generated": 1, "triton_poi_fused_add_mul": 1, PRODUCT: 3, "extern_kernels.sort": 1,
    }  # fmt: skip
    assert kernels_in([other_pick], autotuned=True) == found


def test_nothing_generated() -> None:
    assert kernels_in([]) == {}
