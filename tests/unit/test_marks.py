"""What a user picks by a mark is what the guide says it is."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_mark_of_structure_takes_the_gates_alone() -> None:
    """Another pipeline's gates must not wait for the defects that the suite plants into its own model."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-m",
        "structure",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, "--perf-variant=bf16-sdpa", "tests/structure"], cwd=ROOT, capture_output=True, text=True
    )
    collected = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert collected == {"tests/structure/test_rungs.py", "tests/structure/test_counts.py"}, done.stdout
