"""A person reads what came, what went, where, and what to do."""

import shlex

import pytest
from counted import compiled, make_counts

from perfsuite.pipelines import variants, workloads
from perfsuite.records import CountChange, CountVerdict, Result, Status
from perfsuite.report import counts as show
from perfsuite.settings import OPTIONS
from perfsuite.structure.comparing import compare

CLONES = "aten.clone in BasicTransformerBlock"


def judged(verdict: CountVerdict, variant: str = "bf16") -> Result:
    return Result("shapes", variant, "p", counts=make_counts(), counted=verdict)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (CountChange("operators", CLONES, 12, 54), f"+42 {CLONES} (12 -> 54)"),
        (CountChange("operators", CLONES, 0, 42), f"+42 {CLONES} (new)"),
        (CountChange("operators", CLONES, 42, 0), f"-42 {CLONES} (gone)"),
        (CountChange("kernels", "cpp_fused_clone", 40, 41), "+1 cpp_fused_clone (40 -> 41)"),
        (
            CountChange("flop", "unet", 10**10, 10**10 + 8 * 10**7),
            "FLOPs of unet +0.8 % (10 GFLOP -> 10.08 GFLOP)",
        ),
        (
            CountChange("weights_bytes", "vae", 2**20, 2**21),
            "weights of vae +1e+02 % (1 MiB -> 2 MiB)",
        ),
        (CountChange("peak_bytes", "VAE", 0, 2048), "peak of allocations of VAE new (0 KiB -> 2 KiB)"),
        (
            CountChange("code_bytes", "generated source", 4096, 2048),
            "code of generated source -50 % (4 KiB -> 2 KiB)",
        ),
    ],
)
def test_one_change_is_one_line(change: CountChange, line: str) -> None:
    assert show.change(change) == line


def test_many_changes_are_listed_by_size_and_cut() -> None:
    """The sum of all stands above them."""
    stored = make_counts(operators={f"aten.op{i} in Block": 10 for i in range(20)})
    fresh = make_counts(
        operators={f"aten.op{i} in Block": 10 + i for i in range(20)}, flop={"unet": 2 * 10**9}
    )
    lines = show.lines(compare(stored, fresh).changes)
    assert lines[0] == "operators +190:"
    assert lines[1] == "  +19 aten.op19 in Block (10 -> 29)"
    assert lines[show.MOST] == "  +8 aten.op8 in Block (10 -> 18)"
    assert lines[show.MOST + 1] == "  and 7 smaller differences"
    assert lines[show.MOST + 2].startswith("FLOPs of unet +1e+02 %")


@pytest.mark.parametrize(
    ("status", "words", "mode"),
    [
        (Status.REGRESSED, "accept it", "reset"),
        (Status.IMPROVED, "take it as the new baseline", "reset"),
        (Status.NEW, "record it", "new"),
        (Status.INCOMPATIBLE, "record it anew", "reset"),
    ],
)
def test_the_command_does_what_it_says(status: Status, words: str, mode: str) -> None:
    """By options that exist; the test it names is there."""
    result = judged(CountVerdict(status, detail="why"), "bf16-sdpa-channels-last")
    text = show.message(result, CountVerdict(status, detail="why"), None)
    assert text.splitlines()[0] == f"shapes bf16-sdpa-channels-last: counts {status}: why"
    (command,) = (line for line in text.splitlines() if line.startswith(f"{words}: pytest "))
    parts = shlex.split(command.removeprefix(f"{words}: "))
    given = dict(part.split("=", 1) for part in parts if part.startswith("--perf-"))
    assert parts[:3] == ["pytest", "-k", "test_counts"]
    assert given.keys() <= {option.flag_name for option in OPTIONS}
    assert given["--perf-update"] == mode
    assert variants.get(given["--perf-variant"]).name == "bf16-sdpa-channels-last"
    assert workloads.get(given["--perf-workload"]).name == "shapes"


def test_versions_that_moved_stand_beside_the_counts() -> None:
    stored = make_counts().operators
    assert stored is not None
    verdict = compare(make_counts(), make_counts(operators={**stored, CLONES: 54}))
    text = show.message(judged(verdict), verdict, {"torch": "2.13.0+cpu", "diffusers": "0.41.0"})
    lines = text.splitlines()
    assert lines[0] == f"shapes bf16: counts REGRESSED: +42 {CLONES} (12 -> 54)"
    assert lines[1:3] == ["  operators +42:", f"    +42 {CLONES} (12 -> 54)"]
    assert lines[3] == "differs from the stored run: diffusers 0.41.0 -> 0.42.1"


def test_what_was_not_compared_is_said() -> None:
    """In the message and in the summary, also where the verdict is OK."""
    verdict = compare(compiled(), compiled(code_for="AVX2, 8 threads"))
    assert verdict.status is Status.OK
    line = "peak of allocations not compared: stored for AVX512, 2 threads, this is AVX2, 8 threads"
    assert f"  {line}" in show.message(judged(verdict), verdict, None).splitlines()
    assert f"shapes bf16: {line}" in show.remarks([judged(verdict)])


def test_the_summary_names_all_but_plain_ok() -> None:
    ok, new = CountVerdict(Status.OK), CountVerdict(Status.NEW, detail="nothing stored")
    better = compare(make_counts(), make_counts(flop={"unet": 1, "vae": 500_000_000}))
    results = [judged(ok), judged(new, "fp32"), judged(better, "bf16-sdpa"), Result("shapes", "tf32", "p")]
    assert show.remarks(results) == [
        "shapes fp32: counts NEW: nothing stored",
        "shapes bf16-sdpa: counts IMPROVED: FLOPs of unet -1e+02 % (1 GFLOP -> 1 FLOP)",
    ]
    assert show.steps(results) == [
        "take it as the new baseline: pytest -k test_counts --perf-workload=shapes "
        "--perf-variant=bf16-sdpa --perf-update=reset",
        "record it: pytest -k test_counts --perf-workload=shapes --perf-variant=fp32 --perf-update=new",
    ]


def test_what_is_new_for_many_is_one_remark_and_one_command() -> None:
    """And neither where the run records it."""
    new = CountVerdict(Status.NEW, detail="no counts of torch 2.13 are stored")
    results = [judged(new, "fp32"), judged(new)]
    assert show.remarks(results) == ["shapes fp32, bf16: counts NEW: no counts of torch 2.13 are stored"]
    assert show.steps(results) == [
        "record it: pytest -k test_counts --perf-workload=shapes --perf-variant=fp32 --perf-variant=bf16 "
        "--perf-update=new"
    ]
    assert show.remarks(results, recorded=True) == []
    assert show.steps(results, recorded=True) == []


@pytest.mark.parametrize("status", [Status.REGRESSED, Status.IMPROVED, Status.INCOMPATIBLE])
def test_what_a_person_decides_has_its_command(status: Status) -> None:
    """Also while other counts are recorded."""
    (step,) = show.steps([judged(CountVerdict(status, detail="x"))], recorded=True)
    assert step.endswith("--perf-variant=bf16 --perf-update=reset")
