"""Kernels in the code that Inductor generated: text in, counts out.

The text is the same whether a graph was compiled or found in a cache, since the cache holds it; counters of
the compiler's work are not.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PRODUCT = "matrix product or convolution, library or template"
_PRODUCTS = frozenset({"mm", "addmm", "bias_addmm", "bmm", "baddbmm", "convolution", "_int_mm", "_scaled_mm"})
_KINDS = {"cpp_pybinding": "C++", "cpp": "C++", "triton": "Triton"}
_BESIDE = frozenset({"benchmark_compiled_module", "get_args"})
"""Functions of the generated module that no call of the model runs."""


def kernels_in(codes: Iterable[str], *, autotuned: bool = False) -> dict[str, int]:
    """Calls of each kernel in these generated modules, and how many kernels were generated, by language.

    Fused kernels carry the operators that they are made of in their names, here without their number:
    ``cpp_fused_native_layer_norm``. Library kernels are named as called: ``mkldnn._linear_pointwise``. One
    call site is one call; code that runs a module several times (a block compiled once for many) counts once.

    Args:
        codes: source of each module, as Inductor's Python wrapper has it.
        autotuned: whether products were picked by timing, among library kernels and templates. Another pick
            is no other structure, so these are then counted as one.
    """
    found: Counter[str] = Counter()
    for code in codes:
        tree = ast.parse(code)
        made = dict(_definitions(tree))
        for name, kind in made.items():
            if not (autotuned and _is_template(name)):
                found[f"{kind} kernels generated"] += 1
        for called in _calls(tree):
            found[_label(called, made, autotuned)] += 1
    del found[""]
    return dict(found)


def _definitions(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Name and language of what ``async_compile`` makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            maker = _dotted(node.value.func)
            if maker.startswith("async_compile.") and isinstance(node.targets[0], ast.Name):
                kind = maker.removeprefix("async_compile.")
                yield node.targets[0].id, _KINDS.get(kind, kind)


def _calls(node: ast.AST) -> Iterator[str]:
    """Dotted names of what is called in functions, in any order."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name in _BESIDE:
            continue
        if isinstance(child, ast.Call):
            yield _dotted(child.func)
        yield from _calls(child)


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def _is_template(name: str) -> bool:
    return name.startswith("triton_tem_")


def _label(called: str, made: dict[str, str], autotuned: bool) -> str:
    """What a call is counted as; nothing for one that is no kernel's."""
    first, _, rest = called.partition(".")
    if first in made and rest in ("", "run"):
        return PRODUCT if autotuned and _is_template(first) else re.sub(r"_\d+$", "", first)
    if first == "extern_kernels":
        return PRODUCT if autotuned and rest in _PRODUCTS else called
    if called.startswith("torch.ops."):
        return re.sub(r"\.default$", "", called.removeprefix("torch.ops."))
    return called if first == "aten" else ""
