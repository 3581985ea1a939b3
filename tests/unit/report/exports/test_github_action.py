"""Entries as github-action-benchmark reads them: by the types and the pattern of its own source."""

import json
import re
from dataclasses import replace

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from perfsuite.records import PictureScore, PictureStatus, Run
from perfsuite.report.exports import ExportError, export


class BenchmarkResult(BaseModel):
    """`BenchmarkResult` of benchmark-action/github-action-benchmark, src/extract.ts."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    name: str
    value: float
    unit: str
    range: str = ""
    extra: str = ""


RANGE = re.compile(r"(?P<prefix>(\+-|±)\s*)(?P<value>\d.+)")
"""By which its src/extractRangeInfo.ts reads a range."""


def entries(*runs: Run) -> dict[str, BenchmarkResult]:
    found = TypeAdapter(list[BenchmarkResult]).validate_json(export("github-action-benchmark", runs))
    return {entry.name: entry for entry in found}


def test_one_entry_a_figure(full_run: Run) -> None:
    """The device and, of compile times, where the code came from are part of the name: another series."""
    found = entries(full_run)
    assert {name: entry.unit for name, entry in found.items()} == {
        "shapes/fp32 latency on cpu-example-2t": "s",
        "shapes/fp32 peak memory on cpu-example-2t": "bytes",
        "shapes/bf16-sdpa-compile latency on cpu-example-2t": "s",
        "shapes/bf16-sdpa-compile relative latency on cpu-example-2t": "over fp32",
        "shapes/bf16-sdpa-compile compile time, cold on cpu-example-2t": "s",
        "shapes/bf16-sdpa-compile peak memory on cpu-example-2t": "bytes",
        "shapes/bf16-sdpa-compile pictures on cpu-example-2t": "1 - SSIM",
    }
    latency = found["shapes/bf16-sdpa-compile latency on cpu-example-2t"]
    assert latency.value == (0.1234567890123456 + 0.2345678901234567) / 2
    assert "n=4" in latency.extra
    assert "REGRESSED: slower" in latency.extra
    assert found["shapes/bf16-sdpa-compile pictures on cpu-example-2t"].value == 1 - 0.87654


def test_ranges_are_numbers_there(full_run: Run) -> None:
    """What its pattern takes out of a range is a number in the entry's unit."""
    for entry in entries(full_run).values():
        if entry.range:
            found = RANGE.search(entry.range)
            assert found is not None, entry.range
            assert 0 <= float(found["value"]) < entry.value


def test_a_broken_picture_has_no_value(full_run: Run) -> None:
    """It has no SSIM: no entry, rather than one that looks perfect."""
    broken = (PictureScore("a cat", PictureStatus.BROKEN, None, None, 0.9),)
    result = full_run.results[1]
    assert result.quality is not None
    quality = replace(result.quality, status=PictureStatus.BROKEN, scores=broken)
    run = replace(full_run, results=(replace(result, quality=quality),))
    assert not [name for name in entries(run) if "pictures" in name]


def test_two_devices_are_two_series_and_one_twice_is_refused(full_run: Run) -> None:
    """The action takes the first of a name and drops the other without a word."""
    other = replace(full_run, id="o", device=replace(full_run.device, slug="cpu-other-8t"))
    assert len(entries(full_run, other)) == 2 * len(entries(full_run))
    with pytest.raises(ExportError, match="'shapes/fp32 latency on cpu-example-2t' is there twice"):
        export("github-action-benchmark", [full_run, replace(full_run, id="o")])


def test_it_is_plain_json(full_run: Run) -> None:
    """Any reader of JSON takes it: no NaN, no infinity."""
    text = export("github-action-benchmark", [full_run])
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))
