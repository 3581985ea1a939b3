"""The gates without noise as tests: what fails, what skips, and that a rung is built once for all of them."""

import shutil
from pathlib import Path

import pytest

# Before any run in this process: pytester forgets what a run imports first, and the stand-in with it.
import perfsuite.structure.gates  # noqa: F401

RUNGS = Path(__file__).parents[1] / "structure" / "test_rungs.py"
STAND_IN = '''
"""In place of the gates: what they find is told by their name and the variant's."""

import pytest

from perfsuite.records import StructureCheck
from perfsuite.structure import gates

PATCH = pytest.MonkeyPatch()


def standing_in(name):
    def check(prepared):
        if name == "fallbacks":
            return StructureCheck(name, (), skipped="torch 9.9 has no such counter")
        bad = name == "syncs" and prepared.context.variant.name == "bf16"
        return StructureCheck(name, ("3 counted",), ("aten.nonzero in every step: x.py:7",) if bad else ())

    return check


def pytest_configure(config):
    PATCH.setattr("perfsuite.structure.gates.GATES", {name: standing_in(name) for name in gates.GATES})


def pytest_unconfigure(config):
    PATCH.undo()
'''


@pytest.fixture
def gated(suite):
    """The suite with the rungs' gates, which find what the stand-in tells."""
    shutil.copy(RUNGS, suite.path / "test_rungs.py")
    (suite.path / "stand_in.py").write_text(STAND_IN)
    suite.pytester.syspathinsert()
    return suite


def test_a_gate_fails_with_the_place_and_skips_with_the_reason(gated):
    """The message holds the problem and what was counted; the rest of the rung's gates run."""
    run = gated.run("-m", "structure", "-p", "stand_in", "-rs", "--junit-xml=junit.xml", variants="fp32,bf16")
    run.assert_outcomes(passed=17, failed=1, skipped=2, deselected=5)
    run.stdout.fnmatch_lines(
        [
            "E *shapes bf16: syncs: 1 problems",
            "E *  aten.nonzero in every step: x.py:7",
            "E *  counted: 3 counted",
            "SKIPPED*torch 9.9 has no such counter",
        ]
    )
    cases = gated.junit("junit.xml")
    failed = cases["test_syncs[shapes-bf16]"]
    assert failed.properties["perfsuite.syncs"] == "aten.nonzero in every step: x.py:7"
    assert cases["test_syncs[shapes-fp32]"].properties["perfsuite.syncs"] == "3 counted"


def test_all_tests_of_a_rung_share_its_pipeline(gated):
    """Also across files: latency, pictures and gates of one variant stand together."""
    gated.run("-p", "stand_in", variants="fp32,bf16").assert_outcomes(passed=22, failed=1, skipped=2)
    builds = [event for event in gated.events() if event.startswith("build")]
    assert builds == ["build fp32", "build fp32", "build bf16"]  # the first is the pictures' reference


def test_any_variant_may_be_named_and_what_is_not_supported_is_skipped(gated):
    """A sum of optimizations, and float16 on a CPU."""
    run = gated.run("-m", "structure", "-p", "stand_in", "-rs", variants="bf16+sdpa+qkv,fp16")
    run.assert_outcomes(passed=9, skipped=11, deselected=5)
    run.stdout.fnmatch_lines(["SKIPPED*fp16: float16 is emulated on a CPU*"])
    assert [e for e in gated.events() if e.startswith("build")] == ["build bf16-sdpa-qkv"]


@pytest.mark.parametrize(
    ("variants", "collected"),
    [
        ("fp32,bf16+channels-last,bf16-sdpa-compile", ["bf16-channels-last", "bf16-sdpa-compile"]),
        ("fp32,bf16", ["fp32", "bf16"]),
    ],
)
def test_a_gate_is_no_test_of_rungs_that_it_does_not_concern(gated, variants, collected):
    """Eager rungs use no channels_last: nothing to skip; who names them alone is told why."""
    run = gated.run("test_rungs.py", "-k", "layout", "--collect-only", "-q", variants=variants)
    listed = [line for line in run.outlines if "::" in line]
    assert listed == [f"test_rungs.py::test_layout[shapes-{name}]" for name in collected]


def test_other_gates_concern_every_rung(gated):
    run = gated.run("test_rungs.py", "-k", "not layout", "--collect-only", "-q", variants="fp32")
    assert len([line for line in run.outlines if "::" in line]) == 9
