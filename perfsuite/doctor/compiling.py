"""What torch.compile needs: a compiler that compiles, a folder for its code, and room on the disk."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from perfsuite.records import Finding, Health
from perfsuite.report import format as show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfsuite.doctor.examination import Examination

SOURCE = """#include <Python.h>
#include <omp.h>
#include <vector>
extern "C" int perfsuite_threads() { return std::vector<int>(1, omp_get_max_threads())[0]; }
"""
"""What Inductor's kernels include: the compiler, its library, OpenMP and Python's headers."""
COMPILE_LIMIT_S = 60.0
WALK_LIMIT_S = 0.5
"""Longest look at a folder's size."""
LEAST_FREE_BYTES, GOOD_FREE_BYTES = 1 << 30, 5 << 30
"""For compiled code, references and results; autotuning at full size writes most."""


def compiler(examination: Examination) -> Iterator[Finding]:
    """A C++ compiler that makes a library (CPU), or a Triton that imports and a C compiler (CUDA)."""
    kind = examination.device.kind
    status, remedy = Health.OK, ""
    found, figures = _cpp() if kind == "cpu" else _triton()
    if "error" in figures:
        compiled = [v.name for v in examination.planned if v.compiled]
        status = Health.PROBLEM if compiled else Health.WARNING
        if compiled:
            found += f"; {len(compiled)} of {len(examination.planned)} variants cannot be compiled"
        remedy = (
            "install g++ and Python's headers (Debian: apt install g++ python3-dev), or name one in CXX"
            if kind == "cpu"
            else "pip install triton, and a C compiler (Debian: apt install gcc)"
        )
    yield Finding("compiler", status, found, remedy, figures)


def _cpp() -> tuple[str, dict[str, float | str | None]]:
    # As torch._inductor.config.cpp.cxx chooses.
    cxx = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
    figures: dict[str, float | str | None] = {"compiler": cxx}
    with tempfile.TemporaryDirectory(prefix="perfsuite-doctor-") as name:
        source, library = Path(name) / "line.cpp", Path(name) / "line.so"
        source.write_text(SOURCE)
        headers = sysconfig.get_paths()["include"]
        openmp = ["-Xclang", "-fopenmp"] if sys.platform == "darwin" else ["-fopenmp"]
        command = [
            cxx,
            "-shared",
            "-fPIC",
            "-std=c++17",
            *openmp,
            f"-I{headers}",
            str(source),
            "-o",
            str(library),
        ]
        start = time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_LIMIT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"the C++ compiler {cxx} does not run: {error}", figures | {"error": str(error)}
        if done.returncode or not library.exists():
            lines = done.stderr.splitlines() or ["it writes no library, and does not say why"]
            said = next((line for line in lines if "error" in line), lines[0])
            return f"{cxx} does not compile: {said}", figures | {"error": said}
        took_s = figures["compile_s"] = time.monotonic() - start
    return (
        f"{cxx} compiles C++ with OpenMP and Python's headers ({show.seconds(took_s)})",
        figures,
    )


def _triton() -> tuple[str, dict[str, float | str | None]]:
    figures: dict[str, float | str | None] = {}
    try:
        version = importlib.import_module("triton").__version__
    except (ImportError, OSError, RuntimeError) as error:
        return f"Triton cannot be imported: {error}", {"error": str(error)}
    figures["triton"] = str(version)
    wanted = [os.environ["CC"]] if os.environ.get("CC") else ["gcc", "clang", "cc"]
    there = next((c for c in wanted if shutil.which(c)), None)
    if there is None:
        said = f"no C compiler ({', '.join(wanted)}), which Triton needs for its launchers"
        return f"Triton {version}, but {said}", figures | {"error": said}
    return f"Triton {version}, C compiler {there}", figures


def cache_path() -> Path:
    """The folder where Inductor keeps compiled code; it is not made."""
    given = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    if given:
        return Path(given).absolute()
    import torch

    # The file alone, which needs nothing else: importing torch._inductor takes a second.
    path = Path(str(torch.__file__)).parent / "_inductor" / "runtime" / "cache_dir_utils.py"
    spec = importlib.util.spec_from_file_location("perfsuite_cache_dir_utils", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Path(module.default_cache_dir())


def _switched_off() -> str:
    """What keeps torch from keeping compiled code, in words. torch is asked, which takes a second, only where
    a variable says something of it."""
    from perfsuite.pipelines.watching.caches import SWITCHES, switched_off

    known = {name for _, variables in SWITCHES.values() for name in variables}
    return switched_off(os.environ) if known & os.environ.keys() else ""


def cache_folder(examination: Examination) -> Iterator[Finding]:
    """Whether Inductor's folder can be written, and how much it holds; whether anything is kept there."""
    folder, off = cache_path(), _switched_off()
    if off:
        found = f"every start compiles everything, for {off}"
        yield Finding("compile cache", Health.WARNING, found, "unset it", {"folder": str(folder)})
        return
    existing = nearest(folder)
    try:
        # Really written: for root, and on read-only file systems, permissions tell nothing.
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".perfsuite-doctor-"):
            pass
    except OSError as error:
        found = f"{folder} cannot be written: {error.strerror or error}"
        remedy = "export TORCHINDUCTOR_CACHE_DIR=FOLDER, one that you may write"
        yield Finding("compile cache", Health.PROBLEM, found, remedy, {"folder": str(folder)})
        return
    if existing != folder:
        found = f"{folder} is not there yet: the first compiled call of each variant takes minutes"
        yield Finding("compile cache", Health.OK, found, figures={"folder": str(folder), "size_bytes": 0})
        return
    size, files, whole = folder_size(folder)
    more = "" if whole else "more than "
    found = f"{folder} can be written and holds {more}{show.memory(size)} in {files} files"
    figures: dict[str, float | str | None] = {"folder": str(folder), "size_bytes": size, "files": files}
    yield Finding("compile cache", Health.OK, found, figures=figures)


def artifact(examination: Examination) -> Iterator[Finding]:
    """The file of compiled code that ``--perf-compile-cache`` names: made for this machine and torch?"""
    path = examination.compile_cache
    if path is None:
        return
    from perfsuite.bench.caching import made_for
    from perfsuite.store import StoreError
    from perfsuite.store.compiled import read_compiled

    try:
        parts = read_compiled(path, made_for(examination.device))
    except StoreError as error:
        found = f"compiled code is refused: {error}"
        yield Finding("compiled artifact", Health.WARNING, found, "it is replaced by the next run")
        return
    size = sum(map(len, parts))
    found = f"{path} holds {show.memory(size)} in {len(parts)} parts" if parts else f"{path} is not there yet"
    yield Finding("compiled artifact", Health.OK, found, figures={"size_bytes": size, "parts": len(parts)})


def disk(examination: Examination) -> Iterator[Finding]:
    """Free space where compiled code, results and references go; folders of one file system together."""
    folders = {"compiled code": cache_path(), "baselines and results": examination.baselines.absolute()}
    if examination.reference_cache is not None:
        folders["references"] = examination.reference_cache
    by_device: dict[int, tuple[Path, list[str]]] = {}
    for what, folder in folders.items():
        there = nearest(folder)
        by_device.setdefault(there.stat().st_dev, (there, []))[1].append(what)
    for there, names in by_device.values():
        free = shutil.disk_usage(there).free
        status = (
            Health.PROBLEM if free < LEAST_FREE_BYTES
            else Health.WARNING if free < GOOD_FREE_BYTES else Health.OK
        )  # fmt: skip
        found = f"{show.memory(free)} free for {', '.join(names)} ({there})"
        remedy = "" if status is Health.OK else f"free {show.memory(GOOD_FREE_BYTES)} there"
        yield Finding("disk", status, found, remedy, {"folder": str(there), "free_bytes": free})


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


def folder_size(folder: Path) -> tuple[int, int, bool]:
    """Bytes and number of the files below a folder, and whether `WALK_LIMIT_S` was enough for all."""
    size = files = 0
    until = time.monotonic() + WALK_LIMIT_S
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:  # another process cleans up
                continue
            files += 1
        if time.monotonic() > until:
            return size, files, False
    return size, files, True
