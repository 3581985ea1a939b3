"""What generated code calls, read from its text."""

import pytest

from perfsuite.structure.graphs import LIBRARY_CALLS, library_calls

SOURCE = '''
aten = torch.ops.aten
reinterpret_tensor = torch.ops.inductor._reinterpret_tensor
cpp_fused_0 = async_compile.cpp_pybinding(['float*'], r"""
    auto tmp0 = at::vec::Vectorized<float>::loadu(in_ptr0);
""")
def call(self, args):
    # Topologically Sorted Source Nodes: [x], Original ATen: [aten.convolution]
    #   %mm : call_function[target=torch.ops.aten.mm.default](args = (%a, %b), kwargs = {})
    buf0 = extern_kernels.convolution(arg0, arg1, bias=None, stride=(1, 1))
    extern_kernels.addmm(arg2, reinterpret_tensor(buf0, (2, 4), (4, 1), 0), arg3, alpha=1, beta=1, out=buf1)
    buf2 = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default(buf1, buf1, buf1)
    buf3 = torch.ops.mkldnn._linear_pointwise.default(buf2, arg4, None, 'none', [], '')
    extern_kernels.addmm(arg2, buf3, arg3, alpha=1, beta=1, out=buf1)
    buf4 = torch.ops.mine.slow.default(buf1)
'''


def test_calls_are_counted_by_operator():
    """Definitions and comments are none."""
    assert library_calls(SOURCE) == {
        "extern_kernels.convolution": 1,
        "extern_kernels.addmm": 2,
        "aten._scaled_dot_product_flash_attention_for_cpu.default": 1,
        "mkldnn._linear_pointwise.default": 1,
        "mine.slow.default": 1,
    }


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("extern_kernels.mm", True),
        ("extern_kernels._int_mm", True),
        ("aten._scaled_dot_product_cudnn_attention.default", True),
        ("mkldnn._convolution_pointwise.default", True),
        ("aten._scaled_mm.default", True),
        ("aten.sort.stable", False),
        ("aten.convolution_backward.default", False),
        ("extern_kernels.mm_of_mine", False),
        ("mine.mm.default", False),
    ],
)
def test_libraries_are_for_products_convolutions_and_attention(name, library):
    """Anything else that is not generated is a fallback."""
    assert bool(LIBRARY_CALLS.match(name)) == library
