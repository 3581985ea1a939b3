"""How a block ended: a verdict that is bad, work that was not done, or a machine that went away."""

import json

import pytest

from perfsuite.fleet.blocks.endings import ending
from perfsuite.fleet.executors import Outcome
from perfsuite.records import Block, Cell, Ending, Work

JUDGED = '<properties><property name="perfsuite.judged" value="yes"/></properties>'
REFUSED = '<properties><property name="perfsuite.verdict" value="LESS_JUDGED"/></properties>'
PASSED = f'<testcase name="test_latency[shapes-fp32]">{JUDGED}</testcase>'
BAD = (
    f'<testcase name="test_latency[shapes-bf16]">{JUDGED}<failure message="AssertionError: shapes bf16 '
    'REGRESSED&#10;and more">trace</failure></testcase>'
)
NOT_BUILT = (
    '<testcase name="test_ssim[shapes-bf16]"><error message="failed on setup with &quot;'
    'torch.OutOfMemoryError: CUDA out of memory&quot;">trace</error></testcase>'
)
NOT_RUN = (
    f'<testcase name="test_latency[shapes-int8]">{REFUSED}<error message="LESS_JUDGED">x</error></testcase>'
)


def junit(*cases: str) -> dict[str, bytes]:
    return {"junit.xml": f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>".encode()}


def block(work: Work) -> Block:
    return Block(
        id="b", work=work, workload="shapes", environments=("after",), device="cpu",
        cells=(Cell(key="k", variant="bf16", repeat=0),), limit_s=60.0,
    )  # fmt: skip


def judge(
    work: Work,
    code: int | None,
    files: dict[str, bytes] | None = None,
    said: str = "before\nthe last line\n=====\n",
    infrastructure: str = "",
) -> tuple[Ending, str]:
    outcome = Outcome(
        machine="m", exit_code=code, seconds=1.0, files=files or {}, said=said, clock="", free_bytes=1,
        infrastructure=infrastructure,
    )  # fmt: skip
    return ending(block(work), outcome)


def test_a_bad_verdict_stands_though_the_machine_failed_beside_it() -> None:
    """Else a regression would be asked for again until it passes."""
    full = "No space left on device"
    assert judge(Work.LATENCY, 1, junit(BAD), infrastructure=full)[0] is Ending.FAILED
    assert judge(Work.AB, 1, {"ab.json": b"{}"}, infrastructure=full)[0] is Ending.FAILED
    for files in ({}, junit(PASSED), junit(NOT_BUILT)):
        assert judge(Work.LATENCY, 1, files, infrastructure=full) == (Ending.LOST, full)
    assert judge(Work.AB, 1, infrastructure=full) == (Ending.LOST, full)


def written(**fields: object) -> bytes:
    """A results file with one line of a variant, as far as it came."""
    line = {"kind": "result", "workload": "shapes", "variant": "bf16", "protocol": "p", **fields}
    return b"".join(json.dumps(each).encode() + b"\n" for each in ({"kind": "run", "id": "r"}, line))


SLOWER = written(verdict={"status": "REGRESSED", "ratio": 1.2})
ENDED = (2, 3, None, -2, -9, -15)
"""Exit codes of a block that somebody or something has ended."""


@pytest.mark.parametrize("code", ENDED)
@pytest.mark.parametrize("infrastructure", ["", "No space left on device"])
def test_a_bad_verdict_that_was_written_stands_however_the_block_ended(
    code: int | None, infrastructure: str
) -> None:
    """Ctrl-C, a job's time, a limit: else it would be measured again when the plan goes on."""
    for files in (junit(PASSED, BAD), {"results.jsonl": SLOWER}, junit(PASSED) | {"results.jsonl": SLOWER}):
        assert judge(Work.LATENCY, code, files, infrastructure=infrastructure)[0] is Ending.FAILED
    found = judge(Work.LATENCY, code, {"results.jsonl": SLOWER})
    assert found == (Ending.FAILED, "shapes bf16: latency REGRESSED, before it was ended")


@pytest.mark.parametrize("code", [3, None, -2, -9, -15])
@pytest.mark.parametrize("infrastructure", ["", "No space left on device"])
@pytest.mark.parametrize(
    "figures",
    [{"status": "REGRESSED"}, {"status": "OK", "pictures": {"status": "DEGRADED"}},
     {"status": "OK", "pictures": {"status": "BROKEN"}}],
)  # fmt: skip
def test_a_bad_comparison_stands_however_the_block_ended(
    code: int | None, infrastructure: str, figures: dict[str, object]
) -> None:
    found = judge(Work.AB, code, {"ab.json": json.dumps(figures).encode()}, infrastructure=infrastructure)
    assert found[0] is Ending.FAILED
    assert found[1].endswith(", before it was ended")


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": {"status": "LESS_JUDGED"}}, {"verdict": {"status": "NOT_JUDGED"}},
        {"quality": {"status": "BROKEN"}}, {"quality": {"status": "DEGRADED"}},
        {"timed": {"status": "BROKEN"}}, {"counted": {"status": "REGRESSED"}},
        {"memory": [{"name": "peak", "verdict": {"status": "OK"}},
                    {"name": "growth", "verdict": {"status": "REGRESSED"}}]},
        {"start": [{"name": "import", "verdict": {"status": "REGRESSED"}}]},
    ],
)  # fmt: skip
def test_every_kind_of_bad_verdict_stands(fields: dict[str, object]) -> None:
    assert judge(Work.LATENCY, -9, {"results.jsonl": written(**fields)})[0] is Ending.FAILED


@pytest.mark.parametrize("code", ENDED)
def test_what_is_no_bad_verdict_is_tried_again(code: int | None) -> None:
    """A good one of some of its variants is none of the block, and half a line is nothing."""
    good = written(verdict={"status": "OK"}, quality=None, memory=[])
    unjudged = [
        written(verdict={"status": "OK"}, **{n: {"status": "NOT_JUDGED"}}) for n in ("quality", "timed")
    ]
    for raw in (good, *unjudged, SLOWER[:-1], written(session={"id": "s"}), b"\xff\n[]\n", b"", b"no JSON\n"):
        found = judge(Work.LATENCY, code, {"results.jsonl": raw})[0]
        assert found in (Ending.ERROR, Ending.TIMEOUT), raw
    blind = b'{"status": "OK", "pictures": {"status": "NOT_JUDGED"}}'
    for raw in (b"{}", b"[]", b"half a", b'{"status": "OK", "pictures": null}', blind):
        assert judge(Work.AB, code, {"ab.json": raw})[0] is not Ending.FAILED
    assert judge(Work.COMPILE, code, {"results.jsonl": SLOWER})[0] is not Ending.FAILED


def test_a_later_line_completes_an_earlier_one() -> None:
    """Of a variant that has been judged on memory, the latency stands as it was."""
    more = written(memory=[{"name": "peak", "verdict": {"status": "OK"}}])
    assert judge(Work.LATENCY, -9, {"results.jsonl": SLOWER + more})[0] is Ending.FAILED
    accepted = SLOWER + written(verdict={"status": "OK"})
    assert judge(Work.LATENCY, -9, {"results.jsonl": accepted})[0] is Ending.ERROR


def test_a_report_of_all_tests_says_more_than_results() -> None:
    """A regression that was accepted is in the results, and its gate passed."""
    files = junit(PASSED, NOT_BUILT) | {"results.jsonl": SLOWER}
    assert judge(Work.LATENCY, 1, files)[0] is Ending.ERROR


GATES = [Work.LATENCY, Work.STRUCTURE, Work.COUNTS, Work.QUALITY]


@pytest.mark.parametrize("work", GATES)
def test_all_gates_passed(work: Work) -> None:
    assert judge(work, 0, junit(PASSED)) == (Ending.PASSED, "")


@pytest.mark.parametrize("work", GATES)
def test_a_bad_verdict_is_a_verdict(work: Work) -> None:
    """Also beside a test that could not do its work: to ask again would be to select for luck."""
    said = "test_latency[shapes-bf16]: shapes bf16 REGRESSED and more"
    assert judge(work, 1, junit(PASSED, BAD)) == (Ending.FAILED, said)
    assert judge(work, 1, junit(NOT_BUILT, BAD)) == (Ending.FAILED, said)


def test_what_was_to_be_judged_and_was_not_is_a_verdict() -> None:
    assert judge(Work.LATENCY, 1, junit(NOT_RUN)) == (
        Ending.FAILED,
        "test_latency[shapes-int8]: LESS_JUDGED",
    )


@pytest.mark.parametrize("work", GATES)
def test_an_exception_is_no_verdict(work: Work) -> None:
    assert judge(work, 1, junit(PASSED, NOT_BUILT)) == (
        Ending.ERROR,
        "test_ssim[shapes-bf16]: torch.OutOfMemoryError: CUDA out of memory",
    )


def test_a_module_that_is_not_there_is_no_verdict() -> None:
    """Python gives 1 for it, as pytest does for a test that failed."""
    said = "/usr/bin/python: No module named pytest"
    assert judge(Work.LATENCY, 1, said=said) == (
        Ending.ERROR,
        "exit code 1 without a verdict: /usr/bin/python: No module named pytest",
    )
    assert judge(Work.AB, 1, said=said)[0] is Ending.ERROR
    assert judge(Work.DOCTOR, 1, said=said)[0] is Ending.ERROR


def test_a_run_may_fail_as_a_whole() -> None:
    """With results: a pipeline was left in memory, or nothing was judged. Without: it never began."""
    results = {"results.jsonl": b"{}\n{}\n"}
    assert judge(Work.LATENCY, 1, junit(PASSED) | results) == (
        Ending.FAILED,
        "the run as a whole: the last line",
    )
    lost = {"output.txt": b"first\nshapes bf16: CUDA is lost to this process in phase 'warm-up'\nlast"}
    assert judge(Work.LATENCY, 1, junit(PASSED) | results | lost) == (
        Ending.ERROR,
        "shapes bf16: CUDA is lost to this process in phase 'warm-up'",
    )
    assert judge(Work.LATENCY, 1, junit() | {"results.jsonl": b"{}\n"})[0] is Ending.ERROR


def test_a_report_that_was_cut_short_says_nothing() -> None:
    whole = junit(BAD)["junit.xml"]
    assert judge(Work.LATENCY, 1, {"junit.xml": whole[:-30]})[0] is Ending.ERROR


def test_nothing_came_back() -> None:
    """No green without a report."""
    assert judge(Work.QUALITY, 0) == (
        Ending.ERROR,
        "exit code 0, and no junit.xml came back: the last line",
    )
    assert judge(Work.AB, 0)[0] is Ending.ERROR


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (2, "pytest was interrupted"), (3, "internal error"), (4, "an option means nothing"),
        (5, "no test was chosen"), (77, "exit code 77"),
    ],
)  # fmt: skip
def test_other_exit_codes_of_pytest(code: int, said: str) -> None:
    """Whatever was judged before."""
    found, cause = judge(Work.LATENCY, code, junit(PASSED))
    assert found is Ending.ERROR
    assert said in cause
    assert cause.endswith(": the last line")


@pytest.mark.parametrize(
    ("code", "found"), [(0, Ending.PASSED), (1, Ending.FAILED), (2, Ending.PASSED), (3, Ending.ERROR)]
)
def test_an_ab(code: int, found: Ending) -> None:
    """INCONCLUSIVE stands in its figures, and is not asked for again, nor are pictures that nobody judged."""
    blind = b'{"status": "OK", "pictures": {"status": "NOT_JUDGED"}}'
    for figures in (b"{}", blind):
        assert judge(Work.AB, code, {"ab.json": figures})[0] is found


@pytest.mark.parametrize(("code", "found"), [(1, Ending.FAILED), (2, Ending.PASSED), (3, Ending.LOST)])
def test_an_ab_that_came_to_its_end_stands_though_its_machine_failed(code: int, found: Ending) -> None:
    """To ask an INCONCLUSIVE one again for that would be to select for luck, too."""
    assert judge(Work.AB, code, {"ab.json": b"{}"}, infrastructure="No space left on device")[0] is found


def test_compiling_judges_nothing() -> None:
    assert judge(Work.COMPILE, 0) == (Ending.PASSED, "")
    assert judge(Work.COMPILE, 1, junit(BAD))[0] is Ending.ERROR
    assert judge(Work.COMPILE, 5)[0] is Ending.ERROR


def test_the_doctor() -> None:
    """Its document follows its progress, in one stream."""
    findings = [
        {"name": "torch", "status": "OK", "found": "fine"},
        {"name": "load", "status": "PROBLEM", "found": "1.02 cores busy: {python}"},
    ]
    text = "looking\n{" + json.dumps({"verdict": "UNFIT", "findings": findings}, indent=1)[1:] + "\ndone\n"
    files = {"output.txt": text.encode()}
    assert judge(Work.DOCTOR, 0, files) == (Ending.PASSED, "")
    assert judge(Work.DOCTOR, 1, files) == (Ending.FAILED, "load: 1.02 cores busy: {python}")
    assert judge(Work.DOCTOR, 3, files)[0] is Ending.ERROR
    assert judge(Work.DOCTOR, 1, {"output.txt": b"{}"})[0] is Ending.ERROR


@pytest.mark.parametrize("work", list(Work))
def test_ends_that_are_alike_for_all(work: Work) -> None:
    """The limit, a signal, the machine: none of them is a verdict."""
    assert judge(work, None) == (Ending.TIMEOUT, "not done after 60 s")
    assert judge(work, -9) == (Ending.ERROR, "ended by SIGKILL: the last line")
    assert judge(work, -250)[1].startswith("ended by signal 250")
    for code in (None, 1, -7):
        assert judge(work, code, infrastructure="Xid 79: the GPU fell off the bus") == (
            Ending.LOST,
            "Xid 79: the GPU fell off the bus",
        )


def test_what_passed_is_not_lost() -> None:
    assert judge(Work.LATENCY, 0, junit(PASSED), infrastructure="Xid 43")[0] is Ending.PASSED


def test_a_cause_is_one_line() -> None:
    cause = judge(Work.LATENCY, 4, said="x" * 1000)[1]
    assert len(cause) < 320
    assert "\n" not in cause
