"""What it means how a block's process ended.

An exit code alone does not tell a bad verdict from work that was never done: Python gives 1 for a module that
it does not find, too, and pytest for an exception in a test. So a block has FAILED only where what it wrote
holds a verdict; without one it is an ERROR. A verdict is never asked for again, whatever else went wrong
beside it.
"""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from perfsuite.fleet.blocks import written
from perfsuite.records import Ending, Work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from perfsuite.fleet.executors import Outcome
    from perfsuite.records import Block

RESULTS, JUNIT, SIDES, OUTPUT = "results.jsonl", "junit.xml", "ab.json", "output.txt"
"""What a block leaves: its results, one property a verdict, the figures of an A/B, and what it said."""
_BEARS_VERDICT = {"perfsuite.judged", "perfsuite.verdict", "perfsuite.counts"}
"""Properties that a gate leaves on the test that it judged."""
_PYTEST = {
    2: "pytest was interrupted, or its tests could not be read",
    3: "pytest had an internal error, or something could not be written",
    4: "an option means nothing on that machine",
    5: "no test was chosen",
}
_COMPARED = (0, 1, 2)
"""Exit codes of an A/B that has come to its end, where its figures are there."""
LOST = "CUDA is lost to this process"
"""What a run says that went on in fresh processes; see `perfsuite.bench.recovery`."""
_LONGEST = 300


def ending(block: Block, outcome: Outcome) -> tuple[Ending, str]:
    """How an attempt ended, and why in one line; the line is empty where it passed."""
    found, cause = _judge(block, outcome)
    return found, _line(cause)


def _judge(block: Block, outcome: Outcome) -> tuple[Ending, str]:
    code = outcome.exit_code
    if block.work is Work.AB and code in _COMPARED and SIDES in outcome.files:
        return _of_ab(outcome, code)  # it came to its end, whatever its machine did beside it
    if code != 0 and (bad := _bad_verdict(block, outcome)):
        return Ending.FAILED, bad
    if outcome.infrastructure and code != 0:
        return Ending.LOST, outcome.infrastructure
    if code is None:
        return Ending.TIMEOUT, f"not done after {block.limit_s:g} s"
    if code < 0:
        return Ending.ERROR, f"ended by {_signal(-code)}{_last(outcome)}"
    reader = {Work.DOCTOR: _of_doctor, Work.AB: _of_ab, Work.COMPILE: _of_compile}.get(block.work, _of_gates)
    return reader(outcome, code)


def _bad_verdict(block: Block, outcome: Outcome) -> str:
    """What a gate or an A/B has said no to; empty for none. It stands, however the block ended after it: by a
    signal, at its limit, or with its machine."""
    if block.work in (Work.COMPILE, Work.DOCTOR):
        return ""
    if block.work is Work.AB:
        return written.bad_comparison(outcome.files.get(SIDES, b""))
    said = next((said for said, verdict in _failed(outcome.files.get(JUNIT, b"")) if verdict), "")
    # The report of all tests is written last. Without it, what is on disk of each variant tells.
    ended = outcome.exit_code == 1 and bool(outcome.files.get(JUNIT))
    return said or ("" if ended else written.bad_result(outcome.files.get(RESULTS, b"")))


def _of_gates(outcome: Outcome, code: int) -> tuple[Ending, str]:
    """pytest: 0 nothing is bad, 1 something is, or a test could not do its work."""
    if code == 0:
        if JUNIT in outcome.files:
            return Ending.PASSED, ""
        return Ending.ERROR, f"exit code 0, and no {JUNIT} came back{_last(outcome)}"
    if code != 1:
        return Ending.ERROR, f"{_PYTEST.get(code, f'exit code {code}')}{_last(outcome)}"
    failed = list(_failed(outcome.files.get(JUNIT, b"")))
    judged = [said for said, verdict in failed if verdict]
    if judged:
        return Ending.FAILED, judged[0]
    if failed:
        return Ending.ERROR, failed[0][0]
    # All tests passed: what failed is the run. It lost its GPU, or a pipeline stayed, or nothing was judged.
    lost = [line for line in _lines(outcome.files.get(OUTPUT, b"")) if LOST in line]
    if lost:
        return Ending.ERROR, lost[0]
    if outcome.files.get(RESULTS, b"").count(b"\n") > 1:
        return Ending.FAILED, f"the run as a whole{_last(outcome)}"
    return Ending.ERROR, f"exit code 1 without a verdict{_last(outcome)}"


def _lines(output: bytes) -> list[str]:
    return output.decode(errors="replace").splitlines()


def _failed(junit: bytes) -> Iterator[tuple[str, bool]]:
    """What each test that did not pass said, and whether a gate judged it."""
    try:
        cases = list(ElementTree.fromstring(junit).iter("testcase")) if junit else []
    except ElementTree.ParseError:  # cut short with its process: then nothing is known
        return
    for case in cases:
        bad = [each for each in case if each.tag in ("failure", "error")]
        if bad:
            yield f"{case.get('name')}: {_said(bad[0])}", bool(_properties(case) & _BEARS_VERDICT)


def _properties(case: Element) -> set[str]:
    return {each.get("name", "") for each in case.iter("property")}


def _said(found: Element) -> str:
    """pytest puts the kind of error before a message, and the message into the text where it has none."""
    message = found.get("message") or found.text or found.tag
    return message.removeprefix("AssertionError: ").removeprefix("failed on setup with ").strip('" ')


def _of_compile(outcome: Outcome, code: int) -> tuple[Ending, str]:
    """Nothing is judged, so nothing can be bad."""
    if code == 0:
        return Ending.PASSED, ""
    failed = [said for said, _ in _failed(outcome.files.get(JUNIT, b""))]
    said = failed[0] if failed else f"{_PYTEST.get(code, f'exit code {code}')}{_last(outcome)}"
    return Ending.ERROR, said


def _of_ab(outcome: Outcome, code: int) -> tuple[Ending, str]:
    """``perfsuite ab``: 0 not slower, 1 regressed, 2 inconclusive or pictures not judged, 3 not compared.

    INCONCLUSIVE is no bad verdict, as in a latency gate, and to ask again would be to select for luck.
    """
    if code not in _COMPARED or SIDES not in outcome.files:
        return Ending.ERROR, f"exit code {code} and no verdict{_last(outcome)}"
    if code == 1:
        return Ending.FAILED, _last(outcome) or "base and head differ"
    return Ending.PASSED, ""


def _of_doctor(outcome: Outcome, code: int) -> tuple[Ending, str]:
    """``perfsuite doctor``: 0 fit, 1 unfit, 2 wrong options, 3 it cannot be told."""
    if code == 0:
        return Ending.PASSED, ""
    problems = _problems(outcome.files.get(OUTPUT, b"").decode(errors="replace"))
    if code == 1 and problems:
        return Ending.FAILED, "; ".join(problems)
    return Ending.ERROR, f"the doctor ended with exit code {code}{_last(outcome)}"


def _problems(output: str) -> list[str]:
    """Findings that make a machine unfit, of the document that follows the doctor's progress."""
    start = output.find("\n{") + 1 if not output.startswith("{") else 0
    try:
        document, _ = json.JSONDecoder().raw_decode(output, start)
        findings = document["findings"]
    except (ValueError, KeyError, TypeError):  # it said something else
        return []
    return [f"{each['name']}: {each['found']}" for each in findings if each["status"] == "PROBLEM"]


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last(outcome: Outcome) -> str:
    """The last line that says something, to follow a statement."""
    lines = [line.strip() for line in outcome.said.splitlines() if line.strip(" =\n")]
    return f": {lines[-1]}" if lines else ""


def _line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."
