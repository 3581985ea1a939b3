"""``matrix.toml``: what it says is known and whole, or an error tells the field and what to write."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from perfsuite.fleet.planning.matrix import Comparison, read_matrix
from perfsuite.pipelines.registry import REGISTRY
from perfsuite.pipelines.variants import LADDER
from perfsuite.records import DeviceClass, PlannedEnvironment, Work
from perfsuite.store import StoreError

WHOLE = """
name = "two torches"
work = ["latency", "quality"]
variants = ["fp32", "bf16+sdpa"]
workloads = ["shapes", "sdxl-base@512x512"]
repeats = 3
rungs = 4
weights = "weights"
tests = "../tests"
baselines = "/srv/baselines"
compile_cache = "code"
options = ["--perf-time-budget=10", "--perf-strict", "-v"]
ab_options = ["--time=120"]

[environments]
here.python = "env/bin/python"
new.packages = { Torch = "2.13.0", torchao = "0.17" }

[devices.h100]
kind = "cuda"
model = "NVIDIA H100*"
labels = { "ray.io/accelerator-type" = "H100" }
slurm = { partition = "gpu", cpus_per_task = 8 }

[[ab]]
base = "here"
head = "new"
variants = ["bf16-sdpa"]

[limits_s]
latency = 100
"""
LEAST = """
{top}
work = ["latency"]
variants = ["fp32"]
workloads = ["shapes"]
[environments]
here.python = "python"
[devices.cpu]
kind = "cpu"
{rest}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "matrix.toml"
    path.write_text(text)
    return path


def least(folder: Path, top: str = "", rest: str = "", **changes: str) -> Path:
    """The least matrix, with keys before its tables, tables behind them, and some lines changed."""
    text = LEAST.format(top=top, rest=rest)
    for line, new in changes.items():
        found = re.search(rf"^{line}.*$", text, re.MULTILINE)
        assert found is not None
        text = text.replace(found[0], new)
    return write(folder, text)


def test_all_that_it_may_say(tmp_path: Path) -> None:
    found = read_matrix(write(tmp_path, WHOLE))
    assert found.name == "two torches"
    assert found.work == (Work.LATENCY, Work.QUALITY)
    assert found.variants == ("fp32", "bf16-sdpa")
    assert found.workloads == ("shapes", "sdxl-base@512x512")
    assert (found.repeats, found.rungs) == (3, 4)
    assert found.environments == {
        "here": PlannedEnvironment(name="here", python=str(tmp_path / "env/bin/python")),
        "new": PlannedEnvironment(name="new", packages={"torch": "2.13.0", "torchao": "0.17"}),
    }
    assert found.devices == {
        "h100": DeviceClass(
            name="h100", kind="cuda", model="NVIDIA H100*", labels={"ray.io/accelerator-type": "H100"},
            slurm={"partition": "gpu", "cpus_per_task": 8},
        )
    }  # fmt: skip
    assert found.comparisons == (Comparison(base="here", head="new", variants=("bf16-sdpa",)),)
    assert found.options == ("--perf-time-budget=10", "--perf-strict", "-v")
    assert found.ab_options == ("--time=120",)
    assert found.limits_s[Work.LATENCY] == 100
    assert found.limits_s[Work.QUALITY] == 3600


def test_paths_are_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is read from; an interpreter of an environment is a link and stays one."""
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").symlink_to("/usr/bin/env")
    write(tmp_path, WHOLE)
    monkeypatch.chdir(tmp_path / "env")
    found = read_matrix(Path("../matrix.toml"))
    assert found.environments["here"].python == str(tmp_path / "env/bin/python")
    assert (found.tests, found.baselines) == (str(tmp_path.parent / "tests"), "/srv/baselines")
    assert (found.weights, found.compile_cache) == (str(tmp_path / "weights"), str(tmp_path / "code"))


def test_what_is_left_out(tmp_path: Path) -> None:
    found = read_matrix(least(tmp_path))
    assert (found.name, found.weights, found.tests, found.baselines) == ("matrix", "auto", "", "")
    assert (found.compile_cache, found.plugins, found.options, found.repeats) == ("", (), (), 1)


def test_the_ladder_is_all_its_rungs(tmp_path: Path) -> None:
    """And each variant stands there once, however it is spelled."""
    found = read_matrix(least(tmp_path, variants='variants = ["bf16+sdpa", "bf16-sdpa", "ladder"]'))
    assert found.variants[0] == "bf16-sdpa"
    assert sorted(found.variants) == sorted(v.name for v in LADDER)


def test_who_registers_is_part_of_it(tmp_path: Path) -> None:
    state = REGISTRY.take()
    file = tmp_path / "conftest.py"
    file.write_text(
        "def pytest_perfsuite_register(registry):\n    registry.variant('sliced', 'bf16+channels-last')\n"
    )
    try:
        REGISTRY.add_file(file)
        found = read_matrix(least(tmp_path, variants='variants = ["sliced"]'))
    finally:
        REGISTRY.put(state)
    assert (found.variants, found.plugins) == (("sliced",), (str(file),))


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "no work": ({"work": ""}, "field work: names no work; write what to find out, such as"),
    "no variants": ({"variants": "variants = []"}, r"field variants: names nothing; give \['ladder'\]"),
    "no workloads": ({"workloads": ""}, "field workloads: names nothing"),
    "no environments": ({"here": ""}, "field environments: names nothing; give a table"),
    "unknown work": ({"work": "work = ['latensy']"}, r"field work\[0\]: Input should be 'latency'"),
    "unknown variant": (
        {"variants": 'variants = ["bf16-spda"]'},
        "field variants: unknown variant 'bf16-spda': did you mean 'bf16-sdpa'",
    ),
    "contradiction": ({"variants": 'variants = ["bf16+fp16"]'}, "field variants: .*bf16"),
    "unknown workload": (
        {"workloads": 'workloads = ["shape"]'},
        "field workloads: unknown workload 'shape': did you mean 'shapes'",
    ),
    "unknown key": (
        {"top": "variant = ['fp32']"},
        "field variant: unknown key 'variant': did you mean 'variants'",
    ),
    "unknown device key": (
        {"kind": "kind = 'cpu'\nmodle = 'x'"},
        r"field devices\.cpu\.modle: unknown key 'modle': did you mean 'model'",
    ),
    "unknown environment key": (
        {"here": "here.pyhton = 'python'"},
        r"field environments\.here\.pyhton: unknown key 'pyhton': did you mean 'python'",
    ),
    "unknown limit": (
        {"rest": "[limits_s]\nlatancy = 1"},
        r"field limits_s\.latancy: unknown key 'latancy': did you mean 'latency'",
    ),
    "unknown kind": ({"kind": "kind = 'tpu'"}, r"field devices\.cpu\.kind: Input should be 'cpu' or 'cuda'"),
    "no repeats": ({"top": "repeats = 0"}, "field repeats: Input should be greater than or equal to 1"),
    "a text for a number": ({"top": "repeats = '3'"}, "field repeats: Input should be a valid integer"),
    "a date": ({"top": "repeats = 2025-01-01"}, "field repeats: Input should be a valid integer"),
    "a range of versions": (
        {"here": "here.packages = { torch = '>=2.12' }"},
        r"field environments\.here: packages\.torch = '>=2\.12' is not one exact version",
    ),
    "the latest version": (
        {"here": "here.packages = { torch = 'latest' }"},
        "packages.torch = 'latest' is not one exact version; write it as '2.13.0'",
    ),
    "a package twice": (
        {"here": "here.packages = { torch-ao = '1', Torch_AO = '2' }"},
        "field environments.here: Torch_AO is named twice",
    ),
    "neither": ({"here": "here.packages = {}"}, "field environments.here: give either python"),
    "both": (
        {"here": "here = { python = 'python', packages = { torch = '2.13.0' } }"},
        "field environments.here: give either python",
    ),
    "a name that is a path": ({"here": "'../x'.python = 'python'"}, "the name '../x' may have letters"),
    "an A/B of nobody": (
        {"rest": "[[ab]]\nbase = 'here'\nhead = 'their'"},
        r"field ab\[0\]: unknown environment 'their': did you mean 'here'",
    ),
    "an A/B without head": ({"rest": "[[ab]]\nbase = 'here'"}, r"field ab\[0\]\.head: Field required"),
    "an option of the plan": (
        {"top": "options = ['--perf-variant=bf16']"},
        "field options: --perf-variant=bf16: leave it out, the matrix has the key variants",
    ),
    "an option of each block": ({"top": "options = ['--perf-results=x']"}, "each block has its own"),
    "an unknown option": (
        {"top": "options = ['--perf-tiem-budget=1']"},
        "unknown option '--perf-tiem-budget': did you mean '--perf-time-budget'",
    ),
    "an option's value": (
        {"top": "options = ['--perf-update=maybe']"},
        "field options: --perf-update=maybe: one of",
    ),
    "an option in two": ({"top": "options = ['--perf-confirm', '2']"}, "write name and value as one"),
    "some gates only": ({"top": "options = ['-kssim']"}, "-kssim: leave it out, each block runs all gates"),
    "until the first failure": ({"top": "options = ['--maxfail=1']"}, "each block runs all gates"),
    "one file of two environments": (
        {"here": "here_1.python = 'a'\nHere-1.python = 'b'"},
        "field environments.Here-1: 'here_1' and 'Here-1' would have one file of results, here-1; rename",
    ),
    "one file of two devices": (
        {"rest": "[devices.CPU]\nkind = 'cpu'"}, "field devices.CPU: 'cpu' and 'CPU' would have one file"
    ),
    "an A/B twice": (
        {"rest": "[[ab]]\nbase = 'here'\nhead = 'here'\n[[ab]]\nbase = 'here'\nhead = 'here'"},
        r"field ab\[1\]: ab\[0\] compares here and here for fp32 already; .* use repeats",
    ),
    "several workers": ({"top": "options = ['-n2']"}, "would disturb each other's times"),
    "an unknown option of ab": (
        {"top": "ab_options = ['--times=3']"},
        "field ab_options: unknown option of perfsuite ab '--times': did you mean '--time'",
    ),
    "an option of ab without value": (
        {"top": "ab_options = ['--time']"},
        "write name and value as one, --time=",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED)
def test_what_means_nothing_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    """With the file, the field, and the nearest that is known."""
    path = least(tmp_path, **changes)
    with pytest.raises(StoreError, match=said) as refused:
        read_matrix(path)
    assert str(refused.value).startswith(f"{path}, ")
    assert "perfsuite guide fleet" in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"variants = [", "not valid TOML"), (b"name = '\xff'", "not UTF-8"), (b"", "names no work")],
)
def test_a_file_that_is_none(raw: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "matrix.toml"
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=said):
        read_matrix(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{os.sep}none.toml: there is no such file; name the matrix"):
        read_matrix(tmp_path / "none.toml")
