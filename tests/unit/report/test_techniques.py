"""The table of techniques is one: in the code, in the guide, and in what the command line lists."""

from perfsuite.guide import page
from perfsuite.pipelines.optimizations import OPTIMIZATIONS
from perfsuite.report import techniques


def test_the_guide_has_the_table_that_the_code_makes():
    """Line by line; write it anew where it differs."""
    wanted = "\n".join(techniques.table(OPTIMIZATIONS.values()))
    assert wanted in page("techniques"), f"the guide's table is not this one:\n{wanted}"


def test_what_is_not_exact_has_a_card():
    """Its class, where it applies, and its proof, in words."""
    described = techniques.described(OPTIMIZATIONS.values())
    for optimization in OPTIMIZATIONS.values():
        if optimization.task_margin:
            assert described[optimization.at().name]["class"] == optimization.promise
    assert all(entry["where"] and entry["proof"] and entry["summary"] for entry in described.values())
    assert described["deepcache:3"]["value"] == "a whole number from 2 to 100, as in deepcache:3"
    assert not any("|" in text for entry in described.values() for text in entry.values())
