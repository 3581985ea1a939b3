"""What only lists and collects must not wait for torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
code = 0
try:
    {statement}
except SystemExit as stop:
    code = stop.code or 0
heavy = {{"torch", "torchao", "diffusers", "transformers", "sqlalchemy"}} & sys.modules.keys()
print("exit", int(code), "heavy", sorted(heavy))
"""
COMMAND = "sys.argv = ['perfsuite', *{0!r}.split()]; from perfsuite.cli import main; main()"
PYTEST = "import pytest; code = pytest.main([{0}, '-p', 'no:cacheprovider'])"
COLLECT = "'--collect-only', '-q', 'tests', '--ignore=tests/unit', '--ignore=tests/plugin'"


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("import perfsuite.plugin", ""),
        ("import perfsuite.report.terminal, perfsuite.store, perfsuite.decision", ""),
        ("import perfsuite.report.html", ""),
        ("import perfsuite.report.markdown, perfsuite.report.github, perfsuite.report.exports.pytorch", ""),
        ("from perfsuite.device.clock import now; now()", ""),
        ("import perfsuite.workers, perfsuite.workers.ab, perfsuite.workers.commands", ""),
        (COMMAND.format("list"), "bf16-sdpa-compile-qkv-int8"),
        (COMMAND.format("list --json"), '"schema_version": 1'),
        (COMMAND.format("list faults"), "unet"),
        (COMMAND.format("--help"), "calibrate"),
        ("import perfsuite.bench.explanation, perfsuite.report.explain, perfsuite.bench.counts", ""),
        (COMMAND.format("doctor --help"), "--no-self-test"),
        (COMMAND.format("track add --help"), "PERFSUITE_HISTORY"),
        (COMMAND.format("guide verdicts"), "REGRESSED"),
        ("import perfsuite.doctor, perfsuite.store.inventory, perfsuite.report.doctor", ""),
        (PYTEST.format("'--help'"), "--perf-time-budget"),
        (PYTEST.format(COLLECT), "shapes-bf16-sdpa"),
    ],
    ids=[
        "plugin",
        "records",
        "page",
        "texts",
        "clock",
        "workers",
        "list",
        "list-json",
        "list-faults",
        "help",
        "explain",
        "doctor-help",
        "track-help",
        "guide",
        "doctor",
        "pytest-help",
        "collect",
    ],
)
def test_torch_stays_out(statement: str, shown: str) -> None:
    """In a fresh process it does its work without torch, its kin, or SQLAlchemy."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1:] == ["exit 0 heavy []"], done.stdout[-2000:] + done.stderr[-2000:]
    assert shown in done.stdout
