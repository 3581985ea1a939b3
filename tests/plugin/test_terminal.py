"""All that is printed at the end, at two widths, on a terminal and in a file.

The expected texts are in ``snapshots``. One that is missing is written and its test fails: look at it.
"""

import re
import sys
from pathlib import Path

import pytest
from screen import on_a_terminal

SNAPSHOTS = Path(__file__).parent / "snapshots"
RUNGS = "fp32,bf16,bf16-sdpa,bf16-sdpa-compile-qkv-int8"


@pytest.fixture(scope="module")
def expected():
    """The stored text of a name."""

    def read(name, found):
        path = SNAPSHOTS / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(found)
            pytest.fail(f"{path} was missing and is written now: look at it, then run again")
        return path.read_text()

    return read


def _stable(lines, suite):
    """From the table on, without what differs from machine to machine, and nothing after it."""
    text = "\n".join(line.rstrip() for line in lines)
    text = re.split(r"=+ perfsuite =+\n", text)[1]
    text = re.split(r"\n(?:=+ short test summary|=+ \d+ failed|-+ benchmark)", text)[0]
    text = re.sub(r"runs/\S+\.jsonl", "runs/RUN.jsonl", text)
    text = text.replace(str(suite.path), "/suite")
    return re.sub(r" *\d+ MiB", lambda found: "999 MiB".rjust(len(found[0])), text).rstrip() + "\n"


@pytest.fixture
def measured(suite):
    """Float32 as before, bf16 slower, bf16-sdpa faster, the last one without a baseline."""
    suite.latency("--perf-update=new", variants="fp32,bf16,bf16-sdpa")
    for _ in range(4):
        suite.latency("--perf-update=append", variants="fp32,bf16,bf16-sdpa")
    suite.replay({"bf16": {"latency_s": [3.0, 3.1]}, "bf16-sdpa": {"latency_s": [0.25]}})
    return suite


ARGUMENTS = ("test_latency.py", f"--perf-variant={RUNGS}", "--benchmark-quiet")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
@pytest.mark.parametrize("width", [80, 120])
def test_the_end_of_a_run_on_a_terminal(measured, width, expected, monkeypatch):
    """In colour, and no line is too long."""
    monkeypatch.setenv("COLUMNS", str(width))
    raw, screen = on_a_terminal(measured, *ARGUMENTS, code=1, width=width)
    assert "\x1b[1;31mREGRESSED\x1b[0m" in raw
    found = _stable(screen, measured)
    wanted = expected(f"terminal-{width}.txt", found)
    assert found == wanted
    assert max(map(len, wanted.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_the_end_of_a_run_in_a_file(measured, width, expected, monkeypatch):
    """Without colour; tables as on a terminal, but each statement in one line."""
    monkeypatch.setenv("COLUMNS", str(width))
    process = measured.start(*ARGUMENTS)
    assert process.wait(60) == 1
    printed = (measured.path / "run-0.txt").read_text()
    assert "\x1b" not in printed
    found = _stable(printed.splitlines(), measured)
    assert found == expected(f"file-{width}.txt", found)


def test_a_failure_says_what_differs_and_what_next(measured):
    """With the options without which the next command would measure something else."""
    run = measured.latency("--perf-device=cpu", variants="bf16")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "E *shapes bf16: REGRESSED: * slower than the baseline of 5 sessions *",
            "E *differs from the baseline: no version of Python, torch, diffusers or torchao",
            "E *measure again: pytest --benchmark-only -k test_latency --perf-workload=shapes "
            "--perf-variant=bf16 --perf-device=cpu",
            "E *accept it: pytest * --perf-variant=bf16 --perf-device=cpu --perf-update=reset",
        ]
    )


def test_wrong_pictures_say_what_differs_and_what_next(measured):
    """So do pictures."""
    measured.thresholds(0.99, "bf16")
    measured.replay({"bf16": {"noise": 0.2}})
    run = measured.pictures("-k", "not golden", variants="bf16")
    run.assert_outcomes(failed=1)
    run.stdout.fnmatch_lines(
        [
            "E *shapes bf16: pictures DEGRADED",
            "E *differs from the stored run: no version of Python, torch, diffusers or torchao",
            "E *look again: pytest -k test_ssim --perf-workload=shapes --perf-variant=bf16",
            "E *measure their noise floor anew: perfsuite calibrate --quality --workload=shapes *",
        ]
    )


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
def test_a_command_that_is_copied_from_a_narrow_terminal_works(measured, monkeypatch):
    """It is continued as the shell does it, so that the lines together are the command."""
    monkeypatch.setenv("COLUMNS", "60")
    _, screen = on_a_terminal(measured, "test_latency.py", "--perf-variant=bf16-sdpa", width=60)
    (command,) = re.findall(r"take it as the new baseline:\n((?:.*\\\n)*.*)\n", "\n".join(screen))
    assert " ".join(command.replace("\\\n", " ").split()) == (
        "pytest --benchmark-only -k test_latency --perf-workload=shapes --perf-variant=bf16-sdpa "
        "--perf-update=reset"
    )


CPU_LADDER = "fp32,bf16,bf16-sdpa,bf16-sdpa-compile,bf16-sdpa-compile-qkv,bf16-sdpa-compile-qkv-int8"


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of Unix")
def test_the_ladder_of_a_cpu_is_one_screen(suite, monkeypatch):
    """Of 80 columns and 40 lines: the run that records it, and the one after, which can tell little yet."""
    monkeypatch.setenv("COLUMNS", "80")
    suite.add("test_counts.py", "structure")
    suite.thresholds(0.9, *CPU_LADDER.split(","))
    for sentence in ("6 of 6 measured, first baseline recorded; run again to gate", "6 of 6 INCONCLUSIVE"):
        _, screen = on_a_terminal(suite, f"--perf-variant={CPU_LADDER}", "--perf-update=new", width=80)
        (dots,) = (i for i, line in enumerate(screen) if line.endswith("[100%]"))
        after = screen[dots + 1 :]
        assert after[2] == sentence
        assert len(after) <= 40, "\n".join(after)
