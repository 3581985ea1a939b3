"""What surrounds a session: read from the machine, without a path of it."""

from pathlib import Path

import pytest

from perfsuite.device.cgroup import memory_limit_bytes
from perfsuite.device.environment import environment, governors, instruction_sets, read_below, turbo
from perfsuite.device.state import settings_apart, variables
from perfsuite.records import Device

CPU = Device("cpu", "Example", "cpu-example-avx2-2t", 2, 2**33)


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")


def test_it_is_read_from_the_machine(tmp_path: Path) -> None:
    cpus = "sys/devices/system/cpu"
    _write(
        tmp_path,
        {
            f"{cpus}/cpu0/cpufreq/scaling_governor": "powersave",
            f"{cpus}/intel_pstate/no_turbo": "1",
            "proc/self/cgroup": "0::/a",
            "sys/fs/cgroup/a/memory.max": str(3 * 2**29),
            "sys/fs/cgroup/a/cpu.max": "150000 100000",
        },
    )
    found = environment(CPU, tmp_path)
    assert (found["governor"], found["turbo"]) == ("powersave", "off")
    assert (found["memory_limit"], found["cpu_quota"], found["threads"]) == ("1.50 GiB", "1.5", "2")
    assert governors(tmp_path) == ["powersave"]


def test_a_quota_that_takes_nothing_is_none(tmp_path: Path) -> None:
    _write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "400000 100000"})
    assert "cpu_quota" not in environment(CPU, tmp_path)


@pytest.mark.parametrize(("word", "limit"), [("max", None), ("1048576", 2**20), (str(2**63 - 4096), None)])
def test_memory_limit(word: str, limit: int | None, tmp_path: Path) -> None:
    """Version 1 writes a huge number where there is no limit."""
    _write(
        tmp_path, {"proc/self/cgroup": "4:memory:/m", "sys/fs/cgroup/memory/m/memory.limit_in_bytes": word}
    )
    assert memory_limit_bytes(lambda place: read_below(tmp_path, place)) == limit


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert (turbo(tmp_path), governors(tmp_path)) == (None, [])
    assert {"allocator", "instruction_set"} <= environment(CPU, tmp_path).keys()


@pytest.mark.parametrize(("value", "found"), [("avx2", "AVX2"), ("ALL", None), ("", None)])
def test_forbidden_instructions(value: str, found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", value)
    assert instruction_sets().get("onednn_max_cpu_isa") == found


def test_variables_are_recorded_and_paths_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GOMP_CPU_AFFINITY": "0 1", "MALLOC_ARENA_MAX": "1", "DNNL_VERBOSE": "0",
        "TCMALLOC_RELEASE_RATE": "0", "MIMALLOC_PURGE_DELAY": "9", "PYTHONMALLOC": "debug",
        "LD_PRELOAD": "/home/me/libjemalloc.so.2:/opt/libother.so",
        "TORCHINDUCTOR_CACHE_DIR": "/home/me/cache", "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    found = variables()
    assert found["GOMP_CPU_AFFINITY"] == "0 1"
    assert found["LD_PRELOAD"] == "libjemalloc.so.2 libother.so"
    assert not {"TORCHINDUCTOR_CACHE_DIR", "PYTORCH_NVML_BASED_CUDA_CHECK"} & found.keys()
    assert settings_apart()["env.MALLOC_ARENA_MAX"] == "1"
    assert not any("/home" in value for value in settings_apart().values())
