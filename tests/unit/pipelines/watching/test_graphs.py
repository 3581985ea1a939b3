"""What Dynamo says, read: breaks with reason and place, and what a torch does not keep."""

from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from perfsuite.pipelines.watching import graphs

HERE = Path(__file__)
BREAK = f"""\
Graph break in user code at {HERE}:1
Graph Break Reason: Encountered graph break when attempting to trace CALL: a function call, e.g. f(x, y):

Failed to trace builtin operator
  Explanation: Dynamo does not know how to trace builtin operator `print`
  Hint: Please report an issue to PyTorch.

User code traceback:
  File "{HERE}", line 3, in test
    from collections import Counter, defaultdict
  File "TORCH/nn/modules/module.py", line 1789, in _call_impl
    return forward_call(*args, **kwargs)
  File "{HERE}", line 1, in forward
    "What Dynamo says"
"""
GIVEN_UP = f"""\
Graph break: torch.compile cannot properly resume from this graph break, which results in a skip.
torch.compile will skip tracing the frame forward (x.py line 3) and fall back to eager.
The graph break occurred in the following user code:
  File "{HERE}", line 4, in forward
"""


def test_a_break_is_told_by_reason_place_and_caller():
    """torch's own frames are left out."""
    import torch

    (said,) = graphs._said_breaks([BREAK.replace("TORCH", str(Path(torch.__file__).parent))])
    first, second = said.splitlines()
    assert first.startswith(
        "Failed to trace builtin operator: Dynamo does not know how to trace builtin operator `print` at "
        "watching/test_graphs.py:1: "
    )
    assert second == (
        "    from watching/test_graphs.py:3 in test: from collections import Counter, defaultdict"
    )


def test_a_function_that_is_given_up_is_a_break():
    """It says no place of its own; the innermost line is taken."""
    (said,) = graphs._said_breaks([GIVEN_UP])
    assert said.startswith("graph break at watching/test_graphs.py:4 in forward: ")


def books(compiled, **counters):
    """torch's books with these counters, and one entry a compiled function."""
    made = object.__new__(graphs._Books)
    made.counters = defaultdict(Counter, {k: Counter(v) for k, v in counters.items()})
    made.metrics = [
        SimpleNamespace(co_name=n, co_filename=str(HERE), co_firstlineno=1, recompile_reason=r)
        for n, r in compiled
    ]
    made.graphs = made._count("stats", "unique_graphs")
    made.skips = made._count("inductor", "cudagraph_skips")
    made.breaks = made.counters["graph_break"] + made.counters["unimplemented"]
    return made


def test_the_balance_is_what_came_in_between():
    """Graphs, functions and skips of before are not counted; a skip without a word is."""
    before = books([], stats={"unique_graphs": 3}, inductor={"cudagraph_skips": 1})
    after = books(
        [("forward", None), ("forward", "0/0: n == 3")],
        stats={"unique_graphs": 5}, inductor={"cudagraph_skips": 3}, graph_break={"a reason\nmore": 1},
    )  # fmt: skip
    found = graphs._balance(before, after, [], ["mutated inputs"], ["code"])
    assert found.made == 2
    assert found.breaks == ("a reason",)
    assert [line.rpartition(", ")[2] for line in found.compilations] == [
        "for the first time", "again: 0/0: n == 3",
    ]  # fmt: skip
    assert found.cudagraph_skips == ("mutated inputs", "no reason given")
    assert found.sources == ("code",)
    assert found.missing == {}


def test_a_counter_under_another_name_is_missing_and_not_zero():
    """Functions were compiled, and no graph was counted."""
    found = graphs._balance(books([]), books([("forward", None)], stats={"graphs": 2}), [], [], None)
    assert found.made is None
    assert "['unique_graphs']" in found.missing["made"]
    assert found.sources is None
    assert "save_output_code" in found.missing["sources"]


@pytest.mark.parametrize("log", graphs._BREAK_LOGS)
def test_listening_leaves_a_logger_as_it_was(log):
    """Level, handlers, propagation."""
    import logging

    logger = logging.getLogger(log)
    before = (logger.level, logger.propagate, logger.handlers[:])
    heard = []
    with graphs._listening((log,), heard):
        logger.debug("Graph break in %s", "user code")
    assert heard == ["Graph break in user code"]
    assert (logger.level, logger.propagate, logger.handlers) == before
