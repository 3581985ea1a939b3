"""Files that techniques load: another adapter than the stored figures' is said, and fails."""

import json

import pytest

from perfsuite.pipelines.models import shapes
from perfsuite.pipelines.optimizations import adapters

VARIANT = "bf16-sdpa-lora"


@pytest.fixture
def adapter(tmp_path_factory, monkeypatch):
    """The file that `lora` loads: a copy of the shipped one, which a test may exchange."""
    path = tmp_path_factory.mktemp("adapters") / "mine.safetensors"
    path.write_bytes((shapes.ADAPTERS / "lora-a.safetensors").read_bytes())
    monkeypatch.setitem(adapters.ADAPTERS, ("lora-a", "shapes"), path)
    return path


def exchange(path):
    path.write_bytes((shapes.ADAPTERS / "lora-b.safetensors").read_bytes())


def test_the_same_adapter_is_compared(suite, adapter):
    suite.latency("--perf-update=new", variants=VARIANT)
    suite.latency(variants=VARIANT).assert_outcomes(passed=1)
    (entry,) = json.loads(suite.baseline_file.read_text())["entries"].values()
    assert " loads mine.safetensors " in entry["protocol"]


def test_another_adapter_is_incompatible(suite, adapter):
    """Its file is named, and what to do; nothing is compared."""
    suite.latency("--perf-update=new", variants=VARIANT)
    exchange(adapter)
    run = suite.latency(variants=VARIANT)
    run.assert_outcomes(failed=1)
    run.stdout.re_match_lines([
        rf"shapes {VARIANT}: INCOMPATIBLE: other files are loaded than were: mine\.safetensors \(\w+ -> \w+\)",  # noqa: E501
        r".*record it anew: .*--perf-update=reset",
    ])  # fmt: skip
    assert suite.results()[VARIANT].verdict.ratio is None
    suite.latency("--perf-update=reset", variants=VARIANT).assert_outcomes(passed=1)
    suite.latency(variants=VARIANT).assert_outcomes(passed=1)


def test_a_baseline_of_before_does_not_say(suite, adapter):
    """It is read, and not believed to be of this adapter."""
    suite.latency("--perf-update=new", variants=VARIANT)
    document = json.loads(suite.baseline_file.read_text())
    entry = document["entries"][f"shapes/{VARIANT}"]
    entry["protocol"] = entry["protocol"].partition(" loads ")[0]
    suite.baseline_file.write_text(json.dumps(document))
    run = suite.latency(variants=VARIANT)
    run.assert_outcomes(failed=1)
    run.stdout.re_match_lines([
        rf"shapes {VARIANT}: INCOMPATIBLE: what is stored does not say which files were loaded; "
        r"this run loads mine\.safetensors"
    ])  # fmt: skip


def test_variants_that_load_nothing_have_no_such_word(suite, adapter):
    suite.latency("--perf-update=new")
    assert " loads " not in suite.baseline_file.read_text()


def test_counts_of_another_adapter_are_incompatible(suite, adapter):
    suite.add("test_counts.py", "structure")
    suite.run("test_counts.py", "--perf-update=new", variants=VARIANT)
    exchange(adapter)
    run = suite.run("test_counts.py", variants=VARIANT)
    run.stdout.re_match_lines([rf"E +AssertionError: shapes {VARIANT}: counts INCOMPATIBLE: other files"])


def test_thresholds_of_another_adapter_are_incompatible(suite, adapter):
    """The pictures' scores are shown, and judged by nothing."""
    suite.thresholds(0.5, VARIANT)
    path = suite.reference_folder / "thresholds.json"
    document = json.loads(path.read_text())
    assert document["loaded"] == {}
    run = suite.pictures("-k", "not golden", variants=VARIANT)
    run.assert_outcomes(failed=1)
    run.stdout.re_match_lines([
        rf"E +AssertionError: shapes {VARIANT}: pictures INCOMPATIBLE",
        r"E +INCOMPATIBLE .*thresholds\.json: the stored threshold of bf16-sdpa-lora is of something else: "
        r"what is stored does not say which files were loaded",
        r".*measure the threshold with what is loaded now: perfsuite calibrate --quality .*"
        rf"--variant={VARIANT}",
    ])  # fmt: skip
    from perfsuite.pipelines import variants
    from perfsuite.pipelines.loaded import loaded_by

    document["loaded"] = {VARIANT: loaded_by(variants.get(VARIANT), "shapes")}
    path.write_text(json.dumps(document))
    suite.pictures("-k", "not golden", variants=VARIANT).assert_outcomes(passed=1)
    exchange(adapter)
    run = suite.pictures("-k", "not golden", variants=VARIANT)
    run.assert_outcomes(failed=1)
    run.stdout.re_match_lines([r"E +INCOMPATIBLE .*mine\.safetensors \(\w+ -> \w+\)"])
