"""A planted slowdown of the real small model is explained from two results files, with its operator named."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from perfsuite import measuring
from perfsuite.cli import app
from perfsuite.measuring.session import time_calls
from perfsuite.pipelines import prepare, release, workloads
from perfsuite.records import Result
from perfsuite.store import ResultsWriter
from perfsuite.structure.counting import count

WORKLOAD = dataclasses.replace(workloads.SHAPES, steps=2)
BLOCK = "BasicTransformerBlock"
PLAN = measuring.Plan(time_budget_s=0.1, least_rounds=2, warmup_limit=3, hot=True)


def _record(path, prepared):
    """One result with counts and a profile, as a run of the suite with --perf-profile=yes writes it."""
    session = measuring.measure(prepared, time_calls, PLAN)
    context = prepared.context
    writer = ResultsWriter(path, "run", session.date, context.device)
    writer.add(
        Result(
            context.workload.name,
            context.variant.name,
            context.workload.protocol,
            session=session,
            counts=count(prepared),
        )
    )
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Results before and after each transformer block copies its output; how many blocks there are."""
    folder = tmp_path_factory.mktemp("explain")
    prepared = prepare(WORKLOAD, "fp32+sdpa", "cpu")
    try:
        before = _record(folder / "a.jsonl", prepared)
        blocks = [m for m in prepared.pipe.unet.modules() if type(m).__name__ == BLOCK]
        for block in blocks:
            forward = block.forward
            block.forward = lambda *args, forward=forward, **kwargs: forward(*args, **kwargs).clone()
        after = _record(folder / "b.jsonl", prepared)
    finally:
        release(prepared.pipe)
    return before, after, len(blocks)


def test_the_added_operator_is_named_with_block_and_number(files):
    """Nothing else differs; what it takes is said by the profile, by its exact number of calls."""
    before, after, number = files
    done = CliRunner().invoke(app, ["explain", str(before), str(after), "--json"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    # How busy the machine was beside each session is no part of the question.
    assert [cause for cause in found["moved"] if cause["kind"] != "condition"] == []
    changes = [c for c in found["counts"]["changes"] if c["measure"] != "peak_bytes"]
    assert [(c["name"], c["after"] - c["before"]) for c in changes] == [(f"aten.clone in {BLOCK}", number)]
    calls = {kernel["name"]: kernel["calls"] for kernel in found["kernels"]}
    then, now = calls["aten::clone"]
    assert now - then == number * measuring.profiling.HOT_STEPS
    assert any(f"+{number} aten.clone in {BLOCK}" in line for line in found["conclusion"])


def test_a_run_against_itself_has_nothing_to_explain(files):
    """No cause, and no stage with a share."""
    before, _, _ = files
    done = CliRunner().invoke(app, ["explain", str(before), str(before)])
    assert done.exit_code == 0, done.output
    assert "=> the files hold no cause: versions, settings and counts are the same" in done.output
    assert "of the change" not in done.output
