"""Which generated function wrote what."""

from perfsuite.quality.compiled import kernels

SOURCE = """
cpp_fused_silu_0 = async_compile.cpp_pybinding(['bfloat16*'], r'''void kernel() {}''')

class Runner:
    def call(self, args):
        arg0_1, arg1_1 = args
        assert_size_stride(arg0_1, (2, 4), (4, 1))
        # Topologically Sorted Source Nodes: [x], Original ATen: [aten.convolution]
        buf0 = extern_kernels.convolution(arg0_1, arg1_1, stride=(1, 1))
        assert_size_stride(buf0, (2, 4), (4, 1))
        buf1 = buf0; del buf0  # reuse
        buf2 = empty_strided_cpu((2, 4), (4, 1), torch.float32)
        cpp_fused_silu_0(buf1, arg1_1, buf2)
        del arg1_1
        buf3 = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default(buf2, buf2, buf2)
        buf4 = buf3[0]
        buf5 = reinterpret_tensor(buf4, (4, 2), (2, 1), 0)  # alias
        triton_poi_fused_add_1.run(buf4, buf2, 8, stream=stream0)
        return (buf4, buf1, buf2, reinterpret_tensor(buf3, (8, ), (1, ), 0), )

if __name__ == "__main__":
    buf9 = extern_kernels.mm(a, b)
"""
ATTENTION = "torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default"


def test_kernels_are_counted_by_name_inside_of_the_call_alone() -> None:
    """Definitions, checks and the benchmark at the foot are no calls."""
    assert kernels.kernel_calls(SOURCE) == {
        "extern_kernels.convolution": 1, "cpp_fused_silu_0": 1, ATTENTION: 1, "triton_poi_fused_add_1": 1,
    }  # fmt: skip
    assert not kernels.kernel_calls("nothing of the kind")


def test_the_writer_of_an_output() -> None:
    """Also through memory that was given on, elements of a tuple and views."""
    assert kernels.writers(SOURCE, 3) == ["cpp_fused_silu_0", "cpp_fused_silu_0", ATTENTION]
    assert kernels.writers(SOURCE, 4) == [ATTENTION, "cpp_fused_silu_0", "cpp_fused_silu_0", ATTENTION]
    assert kernels.writers(SOURCE, 0) == []


def test_code_that_does_not_tell() -> None:
    """Another layout of the text, or fewer outputs than there are taps: no names rather than wrong ones."""
    assert kernels.writers("return (buf0, )", 1) is None
    assert kernels.writers(SOURCE, 5) is None
