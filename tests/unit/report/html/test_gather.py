"""Which files a page is made of, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample_runs import DEVICE, edit_lines, result, write_baselines, write_run

from perfsuite.report.html.gather import gather, moment, results_files
from perfsuite.store import StoreError


def test_folders_stand_for_the_results_in_them(tmp_path):
    """In order, each file once, whatever it is called by."""
    one, two = (write_run(tmp_path / name, [result("bf16")]) for name in ("a.jsonl", "b.jsonl"))
    (tmp_path / "notes.txt").write_text("no results")
    assert results_files([two, tmp_path, tmp_path / "." / "a.jsonl"]) == [two, one]


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(StoreError, match=r"no results in this folder \(\*\.jsonl\)"):
        results_files([tmp_path])


def test_a_newer_file_is_named(tmp_path):
    """And the good one beside it does not hide it."""
    good = write_run(tmp_path / "good.jsonl", [result("bf16")])
    newer = write_run(tmp_path / "newer.jsonl", [result("bf16")])

    def change(line):
        if line["kind"] == "run":
            line["schema_version"] = 99

    edit_lines(newer, change)
    with pytest.raises(StoreError, match=r"newer\.jsonl.*written by a newer perfsuite: schema 99"):
        gather([good, newer], tmp_path)


def test_each_device_has_its_own_baseline(tmp_path):
    """Two devices in one folder."""
    other = replace(DEVICE, name="Other", slug="other")
    results = [result("bf16")]
    write_run(tmp_path / "a.jsonl", results)
    write_run(tmp_path / "b.jsonl", results, device=other)
    write_baselines(tmp_path / "baselines", results, 2)
    write_baselines(tmp_path / "baselines", results, 5, device=other)
    one, two = gather([tmp_path], tmp_path / "baselines")
    assert (len(one.before(results[0])), len(two.before(results[0]))) == (2, 5)


def test_a_baseline_of_another_protocol_is_not_shown(tmp_path):
    results = [result("bf16")]
    write_run(tmp_path / "a.jsonl", results)
    write_baselines(tmp_path / "baselines", [replace(results[0], protocol="other")])
    (source,) = gather([tmp_path], tmp_path / "baselines")
    assert source.entry(results[0]) is None
    assert source.before(results[0]) == []


def test_dates_with_and_without_zone_compare():
    assert moment("2026-03-04T05:06:07") == moment("2026-03-04T06:06:07+01:00")
    assert moment("yesterday") is None
