"""Records of PyTorch's benchmark database: by the columns of its own table, read by its own engine."""

import json
import struct
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from perfsuite.records import Device, Run
from perfsuite.report.exports import export
from perfsuite.report.exports.pytorch import RECORDS

COLUMNS = """
    runners Array(Tuple(name String, type String, cpu_info String, cpu_count UInt32, mem_info String,
        avail_mem_in_gb UInt32, gpu_info String, gpu_count UInt32, gpu_mem_info String,
        avail_gpu_mem_in_gb UInt32, extra_info Map(String, String))),
    benchmark Tuple(name String, mode String, dtype String, extra_info Map(String, String)),
    model Tuple(name String, type String, backend String, origins Array(String),
        extra_info Map(String, String)),
    inputs Map(String, Tuple(dtype String, extra_info Map(String, String))),
    dependencies Map(String, Tuple(repo String, branch String, sha String, version String,
        extra_info Map(String, String))),
    metric Tuple(name String, benchmark_values Array(Float32), target_value Float32,
        extra_info Map(String, String))
"""
"""Types of benchmark.oss_ci_benchmark_v3 in pytorch/test-infra."""


def records(*runs: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(export("pytorch", runs))
    RECORDS.validate_python(found)
    return found


def metrics(found: list[dict[str, Any]], variant: str) -> dict[str, dict[str, Any]]:
    return {r["metric"]["name"]: r["metric"] for r in found if r["model"]["backend"] == variant}


def test_raw_samples_of_every_metric(full_run: Run) -> None:
    """Units in the names, every digit in the values, the baseline as target."""
    found = records(full_run)
    compiled = metrics(found, "bf16-sdpa-compile")
    session = full_run.results[1].session
    assert session is not None
    assert compiled["latency(s)"]["benchmark_values"] == list(session.latency_s)
    assert compiled["latency(s)"]["target_value"] == 0.1987654321
    assert compiled["latency(s)"]["extra_info"]["ratio"] == "1.2345678"
    assert compiled["relative_latency(ratio)"]["benchmark_values"] == [0.51, 0.52, 0.53]
    assert compiled["compilation_time(s)"]["extra_info"] == {"source": "cold"}
    assert compiled["denoising_step(s)"]["benchmark_values"] == [0.021, 0.022]
    assert compiled["peak_memory(bytes)"]["benchmark_values"] == [1234567891]
    assert set(metrics(found, "fp32")) == {"latency(s)", "first_call(s)", "peak_memory(bytes)"}
    pictures = [r["metric"] for r in found if r["metric"]["name"] == "ssim"]
    assert [p["benchmark_values"] for p in pictures] == [[0.98765], [0.87654]]
    assert pictures[1]["extra_info"] == {"prompt": "a dog", "status": "DEGRADED"}
    assert pictures[1]["target_value"] == 0.9


def test_benchmark_model_machine_and_packages(full_run: Run) -> None:
    """As the dashboard groups them."""
    record = records(full_run)[-1]
    assert record["benchmark"] == {
        "name": "perfsuite", "mode": "inference", "dtype": "bfloat16",
        "extra_info": {"variant": "bf16-sdpa-compile", "protocol": "p", "device": "cpu",
                       "arch": "Example CPU", "compile": "true", "commit": "abc1234"},
    }  # fmt: skip
    assert record["model"] == {
        "name": "shapes", "type": "OSS model", "backend": "bf16-sdpa-compile", "origins": ["diffusers"],
        "extra_info": {},
    }  # fmt: skip
    assert record["runners"] == [{
        "name": "cpu", "type": "Example CPU", "cpu_info": "Example CPU", "cpu_count": 2,
        "avail_mem_in_gb": 16, "extra_info": {"system": "Linux", "slug": "cpu-example-2t",
                                            "memory_bytes": "17179869185"},
    }]  # fmt: skip
    assert record["dependencies"]["torch"] == {
        "repo": "pytorch/pytorch",
        "version": "2.12",
        "extra_info": {},
    }


def test_a_gpu_is_a_gpu(full_run: Run) -> None:
    """Name and memory in the fields that are the GPU's."""
    gpu = Device("cuda", "NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3", 1, 85_000_000_000, {})
    (runner,) = records(replace(full_run, device=gpu))[0]["runners"]
    assert (runner["name"], runner["gpu_info"], runner["gpu_count"]) == ("cuda", "NVIDIA H100 80GB HBM3", 1)
    assert (runner["avail_gpu_mem_in_gb"], "cpu_info" in runner) == (79, False)


def test_an_unknown_variant_has_no_dtype(full_run: Run) -> None:
    """A file of another version of the suite may name what this one does not know."""
    run = replace(full_run, results=(replace(full_run.results[1], variant="fp3-magic"),))
    benchmark = records(run)[0]["benchmark"]
    assert "dtype" not in benchmark
    assert "compile" not in benchmark["extra_info"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda r: r["benchmark"]["extra_info"].update(nested={"not": "text"}),
        lambda r: r["benchmark"]["extra_info"].update(number=1),
        lambda r: r["metric"].update(benchmark_values=[]),
        lambda r: r["metric"].update(benchmark_values=[float("nan")]),
        lambda r: r["metric"].pop("name"),
        lambda r: r["model"].update(name=""),
        lambda r: r["runners"][0].update(cpu_count=-1),
        lambda r: r["runners"][0].update(cpu_count=2**32),
        lambda r: r.update(extra=1),
    ],
)
def test_the_schema_refuses_what_the_database_would(damage: Any, full_run: Run) -> None:
    """Else the validation above would prove nothing."""
    found = json.loads(export("pytorch", [full_run]))
    damage(found[0])
    with pytest.raises(ValidationError):
        RECORDS.validate_python(found)


def test_clickhouse_itself_reads_it(full_run: Run) -> None:
    """The engine of the database, with the columns of its table, in the format of its loader (JSONEachRow).

    Nothing is lost but what its 32 bits cannot hold.
    """
    chdb = pytest.importorskip("chdb", reason="chdb (ClickHouse in a library, 150 MB) is not installed")
    found = records(full_run)
    rows = "\n".join(json.dumps(record) for record in found).replace("\\", "\\\\").replace("'", "\\'")
    columns = " ".join(COLUMNS.split()).replace("'", "\\'")
    query = f"SELECT * FROM format(JSONEachRow, '{columns}', '{rows}')"
    read = [json.loads(line) for line in str(chdb.query(query, "JSONEachRow")).splitlines()]
    assert len(read) == len(found)
    for row, record in zip(read, found, strict=True):
        wanted = [struct.unpack("f", struct.pack("f", v))[0] for v in record["metric"]["benchmark_values"]]
        got = [struct.unpack("f", struct.pack("f", v))[0] for v in row["metric"]["benchmark_values"]]
        assert got == wanted
        assert row["metric"]["name"] == record["metric"]["name"]
        assert row["benchmark"]["extra_info"] == record["benchmark"]["extra_info"]
        assert row["runners"][0]["cpu_count"] == 2
        assert row["dependencies"]["torch"]["version"] == "2.12"
